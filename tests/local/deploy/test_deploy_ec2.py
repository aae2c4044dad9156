"""A private network on moto: made, edited, rolled back and destroyed like anything else, and nothing runs in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.errors import StackFailed
from local.deploy.resources.ec2_access import permission
from local.deploy.state import InMemoryStore
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

pytestmark = pytest.mark.slow

ANSWERS = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [ANSWERS]}
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Description": "HTTPS"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}


def ref(logical_id: str) -> Json:
    return {"Ref": logical_id}


def of_type(name: str, **properties: Json) -> Json:
    return {"Type": f"AWS::EC2::{name}", "Properties": properties}


RESOURCES: Mapping[str, Json] = {
    "Vpc": of_type("VPC", CidrBlock="10.9.0.0/16", EnableDnsSupport=True, EnableDnsHostnames=True),
    "Routes": of_type("RouteTable", VpcId=ref("Vpc")),
    "Subnet": of_type(
        "Subnet",
        VpcId={"Fn::GetAtt": ["Vpc", "VpcId"]},
        CidrBlock="10.9.0.0/18",
        AvailabilityZone={"Fn::Select": [0, {"Fn::GetAZs": ""}]},
        MapPublicIpOnLaunch=False,
    ),
    "Other": of_type("Subnet", VpcId=ref("Vpc"), CidrBlock="10.9.64.0/18"),
    "Route": of_type("SubnetRouteTableAssociation", SubnetId=ref("Subnet"), RouteTableId=ref("Routes")),
    "Endpoints": of_type(
        "SecurityGroup",
        VpcId=ref("Vpc"),
        GroupDescription="endpoints",
        SecurityGroupEgress=[{"IpProtocol": "icmp", "FromPort": 252, "ToPort": 86, "CidrIp": "255.255.255.255/32"}],
    ),
    "Functions": of_type(
        "SecurityGroup",
        VpcId=ref("Vpc"),
        GroupDescription="functions",
        SecurityGroupEgress=[{**HTTPS, "DestinationSecurityGroupId": {"Fn::GetAtt": ["Endpoints", "GroupId"]}}],
    ),
    "Open": of_type("SecurityGroup", VpcId=ref("Vpc"), GroupDescription="says nothing"),
    "FromFunctions": of_type(
        "SecurityGroupIngress", GroupId=ref("Endpoints"), SourceSecurityGroupId=ref("Functions"), **HTTPS
    ),
    "Runtime": of_type(
        "VPCEndpoint",
        VpcId=ref("Vpc"),
        VpcEndpointType="Interface",
        ServiceName="com.amazonaws.us-east-1.sagemaker.runtime",
        SubnetIds=[ref("Subnet")],
        SecurityGroupIds=[ref("Endpoints")],
        PrivateDnsEnabled=True,
    ),
    "Storage": of_type(
        "VPCEndpoint",
        VpcId=ref("Vpc"),
        VpcEndpointType="Gateway",
        ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=[ref("Routes")],
        PolicyDocument=POLICY,
    ),
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
    "OtherLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]}},
    },
    "FlowLog": of_type(
        "FlowLog",
        ResourceId=ref("Vpc"),
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName=ref("Logs"),
        DeliverLogsPermissionArn={"Fn::GetAtt": ["Role", "Arn"]},
    ),
}

TAGS = [{"Key": "team", "Value": "flyball"}]
EDITS: Mapping[str, Mapping[str, Json]] = {
    "Vpc": {"EnableDnsHostnames": False, "Tags": TAGS},
    "Subnet": {"MapPublicIpOnLaunch": True},
    "Route": {"SubnetId": ref("Other")},
    "Functions": {"SecurityGroupEgress": [{**HTTPS, "CidrIp": "0.0.0.0/0"}]},
    "Open": {"SecurityGroupIngress": [{**HTTPS, "CidrIp": "10.9.0.0/16"}]},
    "FromFunctions": {"Description": "TLS"},
    "Runtime": {"SubnetIds": [ref("Subnet"), ref("Other")]},
    "Storage": {"PolicyDocument": {**POLICY, "Statement": []}, "Tags": TAGS},
    "FlowLog": {"TrafficType": "REJECT", "LogGroupName": ref("OtherLogs")},
}


@dataclass
class Installation:
    """The network on moto."""

    cloud: MotoCloud
    store: InMemoryStore = field(default_factory=InMemoryStore)

    def __post_init__(self) -> None:
        self.engine = Engine(
            clients=self.cloud.clients,
            store=self.store,
            clock=ManualClock(),
            on_event=lambda _event: None,
            receiver=NobodyAnswers(),
        )

    def deploy(self, edits: Mapping[str, Mapping[str, Json]] | None = None, **new: Json) -> str:
        resources = copy.deepcopy({**RESOURCES, **new})
        for logical_id, properties in (edits or {}).items():
            resources[logical_id]["Properties"] |= properties
        stack = AssemblyStack(name="network", template={"Resources": resources}, parameters={})
        return self.engine.execute(self.engine.plan(stack)).result

    def physical_id(self, logical_id: str) -> str:
        return self.store.states["network"].resources[logical_id].physical_id

    def reading(self) -> dict[str, Json]:
        """Everything of the network that EC2 tells, without ids that a replacement changes."""
        ec2 = self.cloud.clients("ec2")
        of = self.physical_id
        vpc, ours = of("Vpc"), [{"Name": "vpc-id", "Values": [of("Vpc")]}]
        tables = ec2.describe_route_tables(RouteTableIds=[of("Routes")])["RouteTables"]
        endpoints = ec2.describe_vpc_endpoints(VpcEndpointIds=[of("Runtime"), of("Storage")])["VpcEndpoints"]
        groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        return {
            "names": ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"],
            "tags": ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0].get("Tags", []),
            "public": ec2.describe_subnets(SubnetIds=[of("Subnet")])["Subnets"][0]["MapPublicIpOnLaunch"],
            "subnets of the routes": [each.get("SubnetId") for each in tables[0]["Associations"]],
            "going out": {each["GroupId"]: each["IpPermissionsEgress"] for each in groups},
            "coming in": {each["GroupId"]: each["IpPermissions"] for each in groups},
            "subnets of endpoints": [sorted(each["SubnetIds"]) for each in endpoints],
            "policies": [each.get("PolicyDocument") for each in endpoints],
            "flow": [each["TrafficType"] for each in ec2.describe_flow_logs()["FlowLogs"]],
        }


class NobodyAnswers:
    """There is no custom resource here."""

    def url_for(self, request_id: str) -> str:
        raise AssertionError(request_id)

    def wait(self, request_id: str, timeout_seconds: float) -> dict[str, Any]:
        raise AssertionError(request_id)


@pytest.fixture(scope="module")
def cloud() -> Iterator[MotoCloud]:
    with moto_cloud() as cloud:
        yield cloud


@pytest.fixture
def installation(cloud: MotoCloud) -> Iterator[Installation]:
    installed = Installation(cloud)
    installed.deploy()
    yield installed
    if "network" in installed.store.states:
        installed.engine.destroy("network")


def test_a_network_can_be_read_back_as_it_was_asked_for(installation: Installation) -> None:
    found = installation.reading()

    assert found["names"] == {"Value": True}
    assert found["public"] is False
    assert found["subnets of the routes"] == [installation.physical_id("Subnet")]
    assert found["flow"] == ["ALL"]


def test_a_group_lets_out_what_it_lists_and_everything_where_it_lists_nothing(installation: Installation) -> None:
    going_out = installation.reading()["going out"]

    (rule,) = going_out[installation.physical_id("Functions")]
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [installation.physical_id("Endpoints")]
    assert rule["IpRanges"] == []
    (nowhere,) = going_out[installation.physical_id("Endpoints")]
    assert [each["CidrIp"] for each in nowhere["IpRanges"]] == ["255.255.255.255/32"]
    (everywhere,) = going_out[installation.physical_id("Open")]
    assert everywhere["IpProtocol"] == "-1"


def test_deploying_a_network_again_changes_nothing(installation: Installation) -> None:
    assert installation.deploy() == "unchanged"


def test_every_edit_of_a_network_reaches_ec2_and_is_taken_back_by_a_rollback(installation: Installation) -> None:
    before = installation.reading()
    taken = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/taken", "Type": "String", "Value": "x"}}
    installation.cloud.clients("ssm").put_parameter(Name="/taken", Value="y", Type="String")

    with pytest.raises(StackFailed) as failure:
        installation.deploy(EDITS, Taken={**taken, "DependsOn": list(RESOURCES)})

    assert failure.value.logical_id == "Taken", failure.value
    assert installation.reading() == before

    installation.deploy(EDITS)

    after = installation.reading()
    assert {what for what in before if before[what] == after[what]} == set()
    assert installation.deploy(EDITS) == "unchanged"


def test_destroying_a_network_leaves_nothing(installation: Installation) -> None:
    ec2 = installation.cloud.clients("ec2")
    vpc = installation.physical_id("Vpc")

    installation.engine.destroy("network")

    assert vpc not in {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]}
    assert vpc not in {each["VpcId"] for each in ec2.describe_subnets()["Subnets"]}
    assert ec2.describe_flow_logs()["FlowLogs"] == []


def test_a_rule_is_about_one_thing_with_its_description() -> None:
    assert permission({**HTTPS, "DestinationPrefixListId": "pl-1"}) == {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "HTTPS"}],
    }
