"""AWS::SSM::Parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list, tag_map

_PUT = words("Type Value Description AllowedPattern Tier Policies DataType")


class Parameter(AwsResource):
    """A parameter of the parameter store."""

    resource_type = "AWS::SSM::Parameter"
    service = "ssm"
    name_properties = ("Name",)
    implemented = words("Name Type Value Description AllowedPattern DataType Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "Tier": "stored and reported; nothing is charged or limited by it, and an advanced one stays advanced",
        "Policies": "stored and reported; parameters never expire",
    }
    attributes = words("Type Value")
    volatile = words("Type Value")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name()
        self.claim_if_free(name, "get_parameter", Name=name)
        self._put(name, {**properties, "Tags": tag_list(tag_map(properties))}, overwrite=False)
        return _resource(name, properties)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        cleared = {name: "" for name in ("Description", "AllowedPattern") if name in old}
        self._put(physical_id, {**cleared, **new, "Tags": None}, overwrite=True)
        where = {"ResourceType": "Parameter", "ResourceId": physical_id}
        change_tags(
            old,
            new,
            put=lambda tags: self.client.add_tags_to_resource(**where, Tags=tag_list(tags)),
            remove=lambda keys: self.client.remove_tags_from_resource(**where, TagKeys=keys),
        )
        return _resource(physical_id, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_parameter(Name=physical_id)

    def _put(self, name: str, properties: Properties, *, overwrite: bool) -> None:
        passed = {key: properties.get(key) for key in (*_PUT, "Tags")}
        self.call("put_parameter", {"Name": name, "Overwrite": overwrite, **passed})


def _resource(name: str, properties: Properties) -> Resource:
    return Resource(name, {"Type": properties["Type"], "Value": properties["Value"]})
