"""AWS::EC2::VPC, Subnet, RouteTable, SubnetRouteTableAssociation and FlowLog: a network that is written down, and that
nothing here runs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list, tag_map

STORED = "stored and reported; no traffic is isolated here"


class NetworkResource(AwsResource):
    """A resource of EC2's with an id that EC2 gives it; `kind` is what EC2 calls its type where it is tagged."""

    service = "ec2"
    kind: ClassVar[str]
    id_attribute: ClassVar[str]

    def resource(self, physical_id: str) -> Resource:
        """The resource, of which the id is the only attribute."""
        return Resource(physical_id, {self.id_attribute: physical_id})

    def tags(self, properties: Properties) -> Json:
        """The tags as EC2's Create calls take them; None where there are none."""
        tags = tag_list(tag_map(properties))
        return [{"ResourceType": self.kind, "Tags": tags}] if tags else None

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.change(physical_id, old, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.client.create_tags(Resources=[physical_id], Tags=tag_list(tags)),
            remove=lambda keys: self.client.delete_tags(Resources=[physical_id], Tags=[{"Key": key} for key in keys]),
        )
        return self.resource(physical_id)

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        """What an update changes beside the tags: nothing, unless a type has more that can change in place."""


class Vpc(NetworkResource):
    """A VPC; its attributes are set one call each, as EC2 has it."""

    resource_type = "AWS::EC2::VPC"
    kind, id_attribute = "vpc", "VpcId"
    implemented = words("Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("CidrBlock", "EnableDnsHostnames", "EnableDnsSupport"), STORED
    )
    attributes = words("VpcId")

    def create(self, properties: Properties) -> Resource:
        arguments = {"CidrBlock": properties["CidrBlock"], "TagSpecifications": self.tags(properties)}
        vpc_id = self.call("create_vpc", arguments)["Vpc"]["VpcId"]
        with self.created(vpc_id):
            self.change(vpc_id, {}, properties)
        return self.resource(vpc_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_vpc(VpcId=physical_id)

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        # What EC2 gives a VPC that says nothing.
        for name, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
            wanted = new.get(name, default)
            if wanted != old.get(name, default):
                self.call("modify_vpc_attribute", {"VpcId": physical_id, name: {"Value": wanted}})


class Subnet(NetworkResource):
    """A part of a VPC in one zone."""

    resource_type = "AWS::EC2::Subnet"
    kind, id_attribute = "subnet", "SubnetId"
    implemented = words("VpcId Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch"), STORED
    )
    attributes = words("SubnetId")

    def create(self, properties: Properties) -> Resource:
        passed = {key: properties.get(key) for key in ("VpcId", "CidrBlock", "AvailabilityZone")}
        answer = self.call("create_subnet", {**passed, "TagSpecifications": self.tags(properties)})
        subnet_id = answer["Subnet"]["SubnetId"]
        with self.created(subnet_id):
            self.change(subnet_id, {}, properties)
        return self.resource(subnet_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_subnet(SubnetId=physical_id)

    def change(self, physical_id: str, old: Properties, new: Properties) -> None:
        name = "MapPublicIpOnLaunch"
        if new.get(name, False) != old.get(name, False):
            self.call("modify_subnet_attribute", {"SubnetId": physical_id, name: {"Value": new.get(name, False)}})


class RouteTable(NetworkResource):
    """A VPC's route table."""

    resource_type = "AWS::EC2::RouteTable"
    kind, id_attribute = "route-table", "RouteTableId"
    implemented = words("VpcId Tags")
    attributes = words("RouteTableId")

    def create(self, properties: Properties) -> Resource:
        arguments = {"VpcId": properties["VpcId"], "TagSpecifications": self.tags(properties)}
        return self.resource(self.call("create_route_table", arguments)["RouteTable"]["RouteTableId"])

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_route_table(RouteTableId=physical_id)


class SubnetRouteTableAssociation(NetworkResource):
    """Which route table a subnet has; every change makes a new one."""

    resource_type = "AWS::EC2::SubnetRouteTableAssociation"
    id_attribute = "Id"
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(("RouteTableId", "SubnetId"), STORED)
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        return self.resource(self.call("associate_route_table", properties)["AssociationId"])

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.disassociate_route_table(AssociationId=physical_id)


class FlowLog(NetworkResource):
    """A log of what flows through a network: none is written, because nothing flows."""

    resource_type = "AWS::EC2::FlowLog"
    kind, id_attribute = "vpc-flow-log", "Id"
    implemented = words("ResourceId ResourceType Tags")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("DeliverLogsPermissionArn", "LogDestinationType", "LogGroupName", "TrafficType"),
        "stored and reported; nothing flows here, and nothing is logged",
    )
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        passed = {key: value for key, value in properties.items() if key not in ("ResourceId", "Tags")}
        watched = {"ResourceIds": [properties["ResourceId"]], "TagSpecifications": self.tags(properties)}
        answer = self.call("create_flow_logs", {**passed, **watched})
        for refused in answer.get("Unsuccessful", []):
            raise ResourceFailed(f"{refused['ResourceId']} is not logged: {refused['Error']['Message']}")
        return self.resource(answer["FlowLogIds"][0])

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_flow_logs(FlowLogIds=[physical_id])
