"""JSON as templates and the AWS APIs carry it.

`Json` is deliberately wide: a template's values have no type until a handler gives them to an API, whose shape
is then checked (shapes.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
Properties: TypeAlias = Mapping[str, Json]
PropertyPath: TypeAlias = tuple[str, ...]


def compact(value: Json) -> str:
    """`value` as one line of JSON, the same for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def text(value: Json) -> str:
    """A scalar as CloudFormation writes it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differences(old: Json, new: Json, path: PropertyPath = ()) -> Iterator[PropertyPath]:
    """The paths at which two documents differ; a list that changes length differs as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key in old and key in new:
                yield from differences(old[key], new[key], (*path, key))
            else:
                yield (*path, key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            yield from differences(before, after, path)
    elif type(old) is not type(new) or old != new:
        yield path


def words(names: str) -> frozenset[str]:
    """A set of names, written as one string."""
    return frozenset(names.split())
