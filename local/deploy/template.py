"""A CloudFormation template as data, and what of its own grammar this engine refuses.

Resource types and properties are judged elsewhere (check.py); here it is sections, resource attributes and policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from local.deploy.documents import Json, Properties, words
from local.deploy.errors import TemplateError
from model_packages.errors import UnsupportedResource

Retention = Literal["Delete", "Retain", "RetainExceptOnCreate"]
STACK_TYPE = "AWS::CloudFormation::Stack"

_SECTIONS = words(
    "AWSTemplateFormatVersion Description Metadata Parameters Mappings Conditions Rules Resources Outputs"
)
_RESOURCE_KEYS = words("Type Properties DependsOn Condition DeletionPolicy UpdateReplacePolicy Metadata")
_DELETION_POLICIES: Mapping[str, Retention] = {
    "Delete": "Delete",
    "Retain": "Retain",
    "RetainExceptOnCreate": "RetainExceptOnCreate",
}
_REPLACE_POLICIES: Mapping[str, Retention] = {"Delete": "Delete", "Retain": "Retain"}


@dataclass(frozen=True)
class TemplateResource:
    """One entry of a template's Resources, its properties not yet resolved."""

    logical_id: str
    resource_type: str
    properties: Properties
    depends_on: tuple[str, ...]
    condition: str | None
    deletion_policy: Retention
    replace_policy: Retention
    attributes: Mapping[str, Json]
    """The whole entry, with Metadata and the policies as they are written."""


@dataclass(frozen=True)
class Template:
    """A parsed template; `body` is the document it came from."""

    stack_name: str
    body: Mapping[str, Json]
    resources: Mapping[str, TemplateResource]

    def section(self, name: str) -> Mapping[str, Json]:
        """A section's entries, none where the template has no such section."""
        found: Mapping[str, Json] = self.body.get(name, {})
        return found


def parse_template(body: Mapping[str, Json], *, stack_name: str) -> Template:
    """Reads a template; raises UnsupportedResource for a section or attribute that the engine has no meaning for."""
    for section in body.keys() - _SECTIONS:
        raise UnsupportedResource(
            resource_type=STACK_TYPE, logical_id=stack_name, detail=f"the template section {section}"
        )
    resources = {
        logical_id: _resource(logical_id, entry, stack_name=stack_name)
        for logical_id, entry in body.get("Resources", {}).items()
    }
    return Template(stack_name=stack_name, body=body, resources=resources)


def _resource(logical_id: str, entry: Mapping[str, Json], *, stack_name: str) -> TemplateResource:
    if "Type" not in entry:
        raise TemplateError(stack_name=stack_name, problem=f"resource {logical_id} has no Type")
    resource_type = str(entry["Type"])
    for key in entry.keys() - _RESOURCE_KEYS:
        raise UnsupportedResource(
            resource_type=resource_type, logical_id=logical_id, detail=f"the resource attribute {key}"
        )
    depends_on = entry.get("DependsOn", [])
    return TemplateResource(
        logical_id=logical_id,
        resource_type=resource_type,
        properties=entry.get("Properties", {}),
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        condition=entry.get("Condition"),
        deletion_policy=_retention(logical_id, entry, "DeletionPolicy", _DELETION_POLICIES),
        replace_policy=_retention(logical_id, entry, "UpdateReplacePolicy", _REPLACE_POLICIES),
        attributes=entry,
    )


def _retention(logical_id: str, entry: Mapping[str, Json], key: str, policies: Mapping[str, Retention]) -> Retention:
    word = entry.get(key, "Delete")
    if word not in policies:
        raise UnsupportedResource(resource_type=entry["Type"], logical_id=logical_id, detail=f"{key} {word}")
    return policies[word]
