"""A stack's tags, which CloudFormation puts on each of its resources that takes tags; a resource's own come first."""

from __future__ import annotations

from typing import Literal

from local.deploy.documents import Json, Properties
from local.deploy.schemas import tags_shape
from local.deploy.scope import StackScope
from local.deploy.tags import tag_list


def with_stack_tags(properties: Properties, resource_type: str, scope: StackScope) -> Properties:
    """`properties` with those of the stack's tags that the resource does not set itself."""
    if not scope.tags:
        return properties
    shape = tags_shape(resource_type, scope.region)
    if shape is None:
        return properties
    own: Json = properties.get("Tags") or ([] if shape == "list" else {})
    return {**properties, "Tags": _merged(own, dict(scope.tags), shape)}


def _merged(own: Json, stack_tags: dict[str, str], shape: Literal["list", "map"]) -> Json:
    if shape == "map":
        return {**stack_tags, **own}
    taken = {tag["Key"] for tag in own}
    return [*own, *tag_list({key: value for key, value in stack_tags.items() if key not in taken})]
