"""A VPC of its own has no way out but to the services that something calls; an existing one is taken as it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.synth import EXISTING_VPC, Assembly, walk

FUNCTIONS = {
    "platform": ("CatalogueFunction", "ChampionPointersCreatorFunction"),
    "flowers": ("GatewayFunction", "MonitorFunction", "RetrainingFunction"),
}


def interfaces_of_functions(assembly: Assembly) -> dict[str, Any]:
    """VpcConfig by function, without the hash of its logical id."""
    return {
        logical_id[:-8]: function.get("VpcConfig")
        for stack in ("platform", "flowers")
        for logical_id, function in assembly.resources("AWS::Lambda::Function", stack).items()
    }


def group(assembly: Assembly, name: str) -> tuple[str, dict[str, Any]]:
    (found,) = (
        (logical_id, properties)
        for logical_id, properties in assembly.resources("AWS::EC2::SecurityGroup").items()
        if logical_id[:-8] == f"NetworkServices{name}Group"
    )
    return found


def endpoints(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """VPC endpoints by the last part of their service's name."""
    return {
        properties["ServiceName"]["Fn::Join"][1][-1].removeprefix("."): properties
        for properties in assembly.resources("AWS::EC2::VPCEndpoint").values()
    }


def test_without_the_setting_there_is_no_vpc(assembly: Assembly) -> None:
    types = {resource["Type"] for resource in assembly.template()["Resources"].values()}

    assert not {name for name in types if name.startswith("AWS::EC2::")}
    assert set(interfaces_of_functions(assembly).values()) == {None}


def test_no_route_leads_out_of_the_vpc(private: Assembly) -> None:
    types = [resource["Type"] for resource in private.template()["Resources"].values()]

    assert not {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"} & set(types)
    assert types.count("AWS::EC2::RouteTable") == 1
    assert types.count("AWS::EC2::SubnetRouteTableAssociation") == types.count("AWS::EC2::Subnet") == 3


def test_subnets_lie_in_different_zones_and_do_not_overlap(private: Assembly) -> None:
    subnets = private.resources("AWS::EC2::Subnet").values()

    assert [subnet["AvailabilityZone"]["Fn::Select"][0] for subnet in subnets] == [0, 1, 2]
    assert [subnet["CidrBlock"] for subnet in subnets] == ["10.20.0.0/18", "10.20.64.0/18", "10.20.128.0/18"]
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_what_flows_is_logged_and_encrypted(private: Assembly) -> None:
    flow_log = private.only("AWS::EC2::FlowLog")

    log_group = private.resources("AWS::Logs::LogGroup")[flow_log["LogGroupName"]["Ref"]]
    assert (flow_log["TrafficType"], flow_log["ResourceType"]) == ("ALL", "VPC")
    assert "KmsKeyId" in log_group


def test_every_function_has_its_interfaces_in_the_vpc(private: Assembly) -> None:
    found = interfaces_of_functions(private)

    assert found.keys() == {name for names in FUNCTIONS.values() for name in names}
    assert all(len(interfaces["SubnetIds"]) == 3 for interfaces in found.values())


def test_a_models_host_is_in_the_vpc_and_its_container_still_has_no_network(private: Assembly) -> None:
    model = private.only("AWS::SageMaker::Model", "flowers")

    assert model["EnableNetworkIsolation"] is True
    assert len(model["VpcConfig"]["Subnets"]) == 3
    (security_group,) = model["VpcConfig"]["SecurityGroupIds"]
    assert "NetworkServicesModelsGroup" in security_group["Fn::ImportValue"]


def test_there_is_an_endpoint_for_each_service_that_is_called_and_no_other(private: Assembly) -> None:
    found = endpoints(private)

    assert {name: endpoint["VpcEndpointType"] for name, endpoint in found.items()} == {
        "sagemaker.runtime": "Interface",
        "ssm": "Interface",
        "sagemaker.api": "Interface",
        "logs": "Interface",
        "monitoring": "Interface",
        "sns": "Interface",
        "states": "Interface",
        "s3": "Gateway",
    }
    assert all(each["PrivateDnsEnabled"] for each in found.values() if each["VpcEndpointType"] == "Interface")


def test_an_endpoint_lets_through_what_somebody_calls_and_no_more(private: Assembly) -> None:
    found = {name: endpoint["PolicyDocument"]["Statement"] for name, endpoint in endpoints(private).items()}

    (invoke,), (put,) = found["sagemaker.runtime"], found["ssm"]
    assert (invoke["Action"], invoke["Resource"]["Fn::Join"][1][-1]) == (
        "sagemaker:InvokeEndpoint",
        ":endpoint/flyball-*",
    )
    assert put["Action"] == ["ssm:GetParameter", "ssm:PutParameter"]
    assert put["Resource"]["Fn::Join"][1][-1] == ":parameter/flyball/*"
    jobs, versions, *of_loops, described = found["sagemaker.api"]
    assert jobs["Resource"]["Fn::Join"][1][-1] == ":processing-job/flyball-*"
    assert versions["Action"] == [f"sagemaker:{action}ModelPackage" for action in ("Create", "Describe", "Update")]
    assert all(each["Resource"]["Fn::Join"][1][-1].endswith("/flyball-*") for each in of_loops)
    assert all(action.startswith(("sagemaker:Describe", "sagemaker:List")) for action in described["Action"])
    assert [each["Action"] for each in found["logs"]] == [
        "logs:FilterLogEvents",
        ["logs:DescribeLogStreams", "logs:GetLogEvents"],
    ]
    assert [each["Action"] for each in found["monitoring"]] == [
        ["cloudwatch:GetMetricData", "cloudwatch:PutMetricData"],
        ["cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"],
    ]
    assert [each["Action"] for each in found["sns"]] == ["sns:Publish"]
    assert [each["Action"] for each in found["states"]] == [["states:DescribeExecution", "states:StartExecution"]]
    own_buckets, answers = found["s3"]
    assert own_buckets["Condition"] == {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}
    assert answers["Action"] == "s3:PutObject"


def test_custom_resources_can_answer_cloudformation(private: Assembly) -> None:
    _, answers = endpoints(private)["s3"]["PolicyDocument"]["Statement"]

    prefix, region, end = answers["Resource"]["Fn::Join"][1][2:]
    assert prefix == ":s3:::cloudformation-custom-resource-response-"
    assert region == {"Fn::Join": ["", {"Fn::Split": ["-", {"Ref": "AWS::Region"}]}]}  # useast1
    assert end == "/*"


def test_pointers_are_created_after_the_ways_to_their_services_and_deleted_before_them(private: Assembly) -> None:
    resources = private.template()["Resources"]
    (creator,) = (name for name in resources if name.startswith("ChampionPointersCreatorFunction"))

    waited_for = {resources[name]["Type"] for name in resources[creator]["DependsOn"]}

    assert waited_for >= {
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::SecurityGroupIngress",
    }


def test_only_functions_that_call_a_service_are_let_in_to_its_endpoint(private: Assembly) -> None:
    endpoints_group = {"Fn::GetAtt": [group(private, "Endpoints")[0], "GroupId"]}
    every = private.resources("AWS::EC2::SecurityGroupIngress").values()

    rules = [rule for rule in every if rule["GroupId"] == endpoints_group]

    assert {rule["SourceSecurityGroupId"]["Fn::GetAtt"][0] for rule in rules} == {
        group(private, "Functions")[0],
        group(private, "Pointers")[0],
    }
    assert {(rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) for rule in rules} == {(443, 443, "tcp")}


def test_the_hosts_of_a_training_job_reach_each_other_and_nobody_else_reaches_them(private: Assembly) -> None:
    jobs_group = {"Fn::GetAtt": [group(private, "Jobs")[0], "GroupId"]}
    every = private.resources("AWS::EC2::SecurityGroupIngress").values()

    (let_in,) = (rule for rule in every if rule["GroupId"] == jobs_group)

    assert let_in["SourceSecurityGroupId"] == jobs_group
    assert (let_in["FromPort"], let_in["ToPort"], let_in["IpProtocol"]) == (0, 65535, "tcp")


def test_no_security_group_lets_anything_in_by_itself(private: Assembly) -> None:
    groups = private.resources("AWS::EC2::SecurityGroup").values()

    assert not [properties for properties in groups if "SecurityGroupIngress" in properties]


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("Endpoints", [{"CidrIp": "255.255.255.255/32"}]),
        ("Functions", ["Endpoints", {"DestinationPrefixListId": "pl-63a5400a"}]),
        ("Pointers", ["Endpoints", {"DestinationPrefixListId": "pl-63a5400a"}]),
        ("Models", [{"DestinationPrefixListId": "pl-63a5400a"}]),
        ("Jobs", [{"DestinationPrefixListId": "pl-63a5400a"}, {"CidrIp": "10.20.0.0/16"}]),
    ],
)
def test_a_group_reaches_what_its_members_call(private: Assembly, name: str, reached: list[Any]) -> None:
    endpoints_group = {"DestinationSecurityGroupId": {"Fn::GetAtt": [group(private, "Endpoints")[0], "GroupId"]}}
    expected = [endpoints_group if each == "Endpoints" else each for each in reached]

    destinations = [
        {key: value for key, value in rule.items() if key.startswith(("Destination", "Cidr"))}
        for rule in group(private, name)[1]["SecurityGroupEgress"]
    ]

    assert destinations == expected


def test_models_import_only_what_the_platform_exports(private: Assembly) -> None:
    exports = {output["Export"]["Name"] for output in private.template()["Outputs"].values() if "Export" in output}
    nodes = [node for stack in ("flowers", "house-prices") for node in walk(private.template(stack))]

    imports = {node["Fn::ImportValue"] for node in nodes if isinstance(node, dict) and "Fn::ImportValue" in node}

    assert imports == exports


def test_an_existing_vpc_is_taken_by_its_ids_and_nothing_is_made_in_it(variations: dict[str, Assembly]) -> None:
    assembly = variations["existing-vpc"]

    types = {resource["Type"] for resource in assembly.template()["Resources"].values()}
    expected = {"SubnetIds": EXISTING_VPC["subnet_ids"], "SecurityGroupIds": EXISTING_VPC["security_group_ids"]}
    assert not {name for name in types if name.startswith("AWS::EC2::")}
    assert all(interfaces == expected for interfaces in interfaces_of_functions(assembly).values())
    assert assembly.only("AWS::SageMaker::Model", "flowers")["VpcConfig"] == {
        "Subnets": expected["SubnetIds"],
        "SecurityGroupIds": expected["SecurityGroupIds"],
    }
