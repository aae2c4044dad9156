"""Template values fitted to what a botocore operation takes.

Templates write numbers as strings, PascalCase where an API wants camelCase, and documents where it wants a string of
JSON. A member that the API does not have is an error, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.deploy.documents import Json, PropertyPath, compact, text


class UnknownMember(LookupError):
    """The API has no such member."""

    def __init__(self, path: PropertyPath) -> None:
        self.path = path
        super().__init__(".".join(path))


def member_of(shape: Any, key: str) -> str | None:
    """The structure's own spelling of a template's key."""
    spellings = (key, key[:1].lower() + key[1:], key.lower())
    if (exact := next((spelling for spelling in spellings if spelling in shape.members), None)) is not None:
        return exact
    return next((name for name in shape.members if name.lower() == key.lower()), None)


def accepts(shape: Any, path: PropertyPath) -> bool:
    """Whether the shape has a member at `path`; list positions are left out of it."""
    while shape.type_name == "list":
        shape = shape.member
    if not path or shape.type_name == "map":
        return True
    if shape.type_name != "structure":
        # A document given for a string goes out as JSON, whatever is in it.
        return bool(shape.type_name == "string")
    name = member_of(shape, path[0])
    return name is not None and accepts(shape.members[name], path[1:])


def coerce(value: Json, shape: Any, path: PropertyPath = ()) -> Json:  # noqa: PLR0911 - one a kind of shape
    """`value` as the shape wants it."""
    match shape.type_name:
        case "structure":
            return _structure(value, shape, path)
        case "list":
            items = value if isinstance(value, list) else [value]
            return [coerce(item, shape.member, path) for item in items]
        case "map":
            return {str(key): coerce(item, shape.value, (*path, key)) for key, item in value.items()}
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return value if isinstance(value, bool) else text(value).lower() == "true"
        case "string":
            return compact(value) if isinstance(value, (dict, list)) else text(value)
        case _:
            return value


def _structure(value: Mapping[str, Json], shape: Any, path: PropertyPath) -> dict[str, Json]:
    fitted = {}
    for key, item in value.items():
        name = member_of(shape, key)
        if name is None:
            raise UnknownMember((*path, key))
        if item is not None:
            fitted[name] = coerce(item, shape.members[name], (*path, key))
    return fitted
