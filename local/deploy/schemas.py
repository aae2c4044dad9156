"""Which properties a resource type cannot change in place, from the registry schemas that cfn-lint carries.

cfn-lint takes a second to import, so that only a plan with a changed resource pays for it.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from local.deploy.documents import PropertyPath


@cache
def create_only_paths(resource_type: str, region: str) -> frozenset[PropertyPath]:
    """Paths whose change means a new physical resource; list positions are left out of a path."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - a second to import

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, resource_type).schema
    # A conditional one can sometimes be changed in place; no handler here does, so that it is a replacement.
    pointers = (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))
    return frozenset(_path(pointer) for pointer in pointers)


@cache
def tags_shape(resource_type: str, region: str) -> Literal["list", "map"] | None:
    """How a type's property `Tags` is written, None where it has none that CloudFormation fills."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - a second to import

    if not resource_type.startswith("AWS::"):
        return None
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, resource_type).schema
    if schema.get("tagging", {}).get("tagProperty") != "/properties/Tags":
        return None
    return "map" if schema["properties"]["Tags"].get("type") == "object" else "list"


def _path(pointer: str) -> PropertyPath:
    return tuple(part for part in pointer.split("/")[2:] if part != "*")
