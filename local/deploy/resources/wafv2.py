"""AWS::WAFv2::WebACL and WebACLAssociation: a firewall that is written down, and that no request passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list, tag_map

JUDGES_NOTHING = "stored and reported; no request is judged by it"


class WebAcl(AwsResource):
    """A web ACL; Ref gives `<name>|<id>|<scope>`, as on AWS."""

    resource_type = "AWS::WAFv2::WebACL"
    service = "wafv2"
    operation = "create_web_acl"
    implemented = words("Name Scope Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        words("DefaultAction Description Rules VisibilityConfig"), JUDGES_NOTHING
    )
    attributes = words("Arn Id")
    name_properties = ("Name",)

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name(limit=128)
        tags = tag_list(tag_map(properties)) or None
        made = self.call("create_web_acl", {**properties, "Name": name, "Tags": tags})["Summary"]
        return Resource(f"{name}|{made['Id']}|{properties['Scope']}", {"Arn": made["ARN"], "Id": made["Id"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        named = _named(physical_id)
        found = self.client.get_web_acl(**named)
        passed = {key: value for key, value in new.items() if key not in ("Name", "Scope", "Tags")}
        self.call("update_web_acl", {**passed, **named, "LockToken": found["LockToken"]})
        arn = found["WebACL"]["ARN"]
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(ResourceARN=arn, Tags=tag_list(tags)),
            remove=lambda keys: self.client.untag_resource(ResourceARN=arn, TagKeys=keys),
        )
        return Resource(physical_id, {"Arn": arn, "Id": named["Id"]})

    def delete(self, physical_id: str, properties: Properties) -> None:
        named = _named(physical_id)
        self.client.delete_web_acl(**named, LockToken=self.client.get_web_acl(**named)["LockToken"])


def _named(physical_id: str) -> dict[str, Json]:
    name, acl_id, scope = physical_id.split("|")
    return {"Name": name, "Id": acl_id, "Scope": scope}


class WebAclAssociation(AwsResource):
    """What a web ACL stands before; every change makes a new one."""

    resource_type = "AWS::WAFv2::WebACLAssociation"
    service = "wafv2"
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(words("ResourceArn WebACLArn"), JUDGES_NOTHING)

    def create(self, properties: Properties) -> Resource:
        self.call("associate_web_acl", properties)
        return Resource(f"{properties['WebACLArn']}|{properties['ResourceArn']}")

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.call("disassociate_web_acl", {"ResourceArn": properties["ResourceArn"]})
