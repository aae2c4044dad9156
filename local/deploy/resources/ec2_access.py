"""AWS::EC2::SecurityGroup, SecurityGroupIngress and VPCEndpoint: who may reach what of a network on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.handlers import Resource
from local.deploy.resources.ec2 import STORED, NetworkResource

_RULE = "CidrIp CidrIpv6 Description FromPort IpProtocol ToPort"
_INGRESS_RULE = f"{_RULE} SourcePrefixListId SourceSecurityGroupId".split()
_EGRESS_RULE = f"{_RULE} DestinationPrefixListId DestinationSecurityGroupId".split()

EVERYTHING = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
"""What EC2 allows to go out of a new group."""


def permission(rule: Properties) -> dict[str, Json]:
    """A template's rule as EC2's calls take it: one permission, with one thing that it is about."""
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    about = {
        "IpRanges": ("CidrIp", rule.get("CidrIp")),
        "Ipv6Ranges": ("CidrIpv6", rule.get("CidrIpv6")),
        "UserIdGroupPairs": ("GroupId", rule.get("SourceSecurityGroupId", rule.get("DestinationSecurityGroupId"))),
        "PrefixListIds": ("PrefixListId", rule.get("SourcePrefixListId", rule.get("DestinationPrefixListId"))),
    }
    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    return {**ports, **{kind: [{key: value, **described}] for kind, (key, value) in about.items() if value is not None}}


class SecurityGroup(NetworkResource):
    """A group with the rules that its template entry lists; without rules for what goes out, it lets everything."""

    resource_type = "AWS::EC2::SecurityGroup"
    kind, id_attribute = "security-group", "GroupId"
    implemented = words("GroupDescription GroupName VpcId Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        [
            *(f"SecurityGroupIngress.{key}" for key in _INGRESS_RULE),
            *(f"SecurityGroupEgress.{key}" for key in _EGRESS_RULE),
        ],
        STORED,
    )
    attributes = words("GroupId Id")
    name_properties = ("GroupName",)

    def resource(self, physical_id: str) -> Resource:
        return Resource(physical_id, {"GroupId": physical_id, "Id": physical_id})

    def create(self, properties: Properties) -> Resource:
        arguments = {
            "GroupName": properties.get("GroupName") or self.identity.name(limit=255),
            "Description": properties["GroupDescription"],
            "VpcId": properties.get("VpcId"),
            "TagSpecifications": self.tags(properties),
        }
        group_id = self.call("create_security_group", arguments)["GroupId"]
        with self.created(group_id):
            self.change(group_id, {}, properties)
        return self.resource(group_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_security_group(GroupId=physical_id)

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        ingress, egress = "SecurityGroupIngress", "SecurityGroupEgress"
        self._replace(physical_id, "ingress", old.get(ingress, []), new.get(ingress, []))
        self._replace(physical_id, "egress", old.get(egress) or [EVERYTHING], new.get(egress) or [EVERYTHING])

    def _replace(self, group_id: str, way: str, old: Iterable[Json], new: Iterable[Json]) -> None:
        for call, rules in (("revoke", _beside(old, new)), ("authorize", _beside(new, old))):
            if rules:
                arguments = {"GroupId": group_id, "IpPermissions": [permission(rule) for rule in rules]}
                self.call(f"{call}_security_group_{way}", arguments)


def _beside(rules: Iterable[Json], others: Iterable[Json]) -> list[Json]:
    """The rules that are not among the others."""
    known = list(others)
    return [rule for rule in rules if rule not in known]


class SecurityGroupIngress(NetworkResource):
    """One rule of a group, apart from the group."""

    resource_type = "AWS::EC2::SecurityGroupIngress"
    id_attribute = "Id"
    implemented = words("GroupId")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(_INGRESS_RULE, STORED)
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        answer = self.call("authorize_security_group_ingress", _one_rule(properties))
        return self.resource(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        self.call("update_security_group_rule_descriptions_ingress", _one_rule(new))

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.call("revoke_security_group_ingress", _one_rule(properties))


def _one_rule(properties: Properties) -> dict[str, Json]:
    return {"GroupId": properties["GroupId"], "IpPermissions": [permission(properties)]}


class VpcEndpoint(NetworkResource):
    """A way out of a VPC to one service."""

    resource_type = "AWS::EC2::VPCEndpoint"
    kind, id_attribute = "vpc-endpoint", "Id"
    implemented = words("VpcId Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        words("PolicyDocument PrivateDnsEnabled RouteTableIds SecurityGroupIds ServiceName SubnetIds VpcEndpointType"),
        "stored and reported; every service is reached at the one address of this machine",
    )
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        passed = {key: value for key, value in properties.items() if key != "Tags"}
        answer = self.call("create_vpc_endpoint", {**passed, "TagSpecifications": self.tags(properties)})
        return self.resource(answer["VpcEndpoint"]["VpcEndpointId"])

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_vpc_endpoints(VpcEndpointIds=[physical_id])

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        changed: dict[str, Json] = {
            key: new.get(key) for key in ("PolicyDocument", "PrivateDnsEnabled") if old.get(key) != new.get(key)
        }
        for listed in ("RouteTableIds", "SecurityGroupIds", "SubnetIds"):
            changed[f"Add{listed}"] = _beside(new.get(listed, []), old.get(listed, [])) or None
            changed[f"Remove{listed}"] = _beside(old.get(listed, []), new.get(listed, [])) or None
        self.call("modify_vpc_endpoint", {"VpcEndpointId": physical_id, **changed})
