"""Every role may do what is listed here and no more; a wildcard is in the table below, with its reason, or is a bug."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cdk.synth import Assembly, walk

WILDCARDS: Mapping[tuple[str, str], str] = {
    ("ecr:GetAuthorizationToken", "*"): "the token is the registry's; ECR gives it no resource",
    ("cloudwatch:PutMetricData", "*"): "metrics have no ARN; the namespace is bounded by a condition",
    ("s3:GetObject", "/flowers/*"): "the keys of versions that are trained later are not known yet",
    ("s3:PutObject", "/captures/flyball-flowers/*"): "SageMaker names captures by the hour",
    ("s3:PutObject", "/labels/flyball-flowers/*"): "the gateway names labels by the hour",
    ("s3:PutObject", "/monitor/flyball-flowers/*"): "the monitor names what it writes by the window",
    ("s3:GetObject", "/captures/flyball-flowers/*"): "the monitor reads what was captured",
    ("s3:GetObject", "/labels/flyball-flowers/*"): "and what callers fed back",
    ("s3:GetObject", "/monitor/flyball-flowers/*"): "and what it wrote itself",
    ("sagemaker:DescribeModelPackage", ":model-package/flyball-flowers/*"): "versions are numbered as they come",
    (
        "sagemaker:CreateProcessingJob sagemaker:DescribeProcessingJob",
        ":processing-job/flyball-flowers-*",
    ): "jobs are named by the window",
    ("cloudwatch:GetMetricData", "*"): "metrics have no ARN",
    (
        "logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents",
        ":log-group:/aws/sagemaker/ProcessingJobs:log-stream:*",
    ): "SageMaker names a log stream by the job",
    (
        "logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents",
        ":log-group:/aws/sagemaker/Endpoints/flyball-flowers:log-stream:*",
    ): "SageMaker names a log stream by the instance",
    ("s3:GetObject", "/retraining/flyball-flowers/*"): "a run's data lie below its name",
    ("s3:PutObject", "/retraining/flyball-flowers/*"): "and are written there, checkpoints too",
    ("s3:PutObject", "/flowers/runs/*"): "what a run leaves lies below its name",
    ("s3:PutObject", "/flowers/retraining/*"): "what the loop knows between runs",
    (
        "logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents",
        ":log-group:/aws/sagemaker/TrainingJobs:log-stream:*",
    ): "SageMaker names a log stream by the job",
    (
        "cloudwatch:GetMetricData sagemaker:ListEndpointConfigs sagemaker:ListModels",
        "*",
    ): "metrics have no ARN, and lists have no resource",
    ("states:DescribeExecution", ":execution:flyball-flowers-retraining:*"): "executions are named by who starts them",
    ("sagemaker:StopTrainingJob", ":training-job/flyball-flowers-*"): "a run names its jobs",
    ("sagemaker:StopProcessingJob", ":processing-job/flyball-flowers-*"): "a run names its jobs",
    ("logs:DescribeLogStreams", ":log-group:/aws/sagemaker/TrainingJobs:log-stream:*"): "a group's streams are listed",
    ("logs:DescribeLogStreams", ":log-group:/aws/sagemaker/ProcessingJobs:log-stream:*"): "all together or not at all",
    (
        "logs:GetLogEvents",
        ":log-group:/aws/sagemaker/TrainingJobs:log-stream:flyball-flowers-*",
    ): "SageMaker names a log stream by the job",
    (
        "logs:GetLogEvents",
        ":log-group:/aws/sagemaker/ProcessingJobs:log-stream:flyball-flowers-*",
    ): "SageMaker names a log stream by the job",
    ("sagemaker:CreateModelPackage", ":model-package/flyball-flowers/*"): "versions are numbered as they come",
    (
        "sagemaker:DescribeModelPackage sagemaker:UpdateModelPackage",
        ":model-package/flyball-flowers/*",
    ): "versions are numbered as they come",
    (
        "sagemaker:CreateEndpointConfig sagemaker:DeleteEndpointConfig sagemaker:UpdateEndpoint",
        ":endpoint-config/flyball-flowers-v*",
    ): "the loop names what it makes by the version; what CloudFormation made has no such name",
    (
        "sagemaker:CreateModel sagemaker:DeleteModel",
        ":model/flyball-flowers-v*",
    ): "the loop names what it makes by the version; what CloudFormation made has no such name",
    ("sagemaker:DescribeModel", ":model/*"): "CloudFormation names what serves before the first promotion",
    ("sagemaker:DescribeEndpointConfig", ":endpoint-config/*"): "CloudFormation names what serves, and is copied",
    (
        "sagemaker:CreateTrainingJob sagemaker:DescribeTrainingJob sagemaker:StopTrainingJob",
        ":training-job/flyball-flowers-*",
    ): "a run names its jobs",
    (
        "sagemaker:CreateProcessingJob sagemaker:DescribeProcessingJob sagemaker:StopProcessingJob",
        ":processing-job/flyball-flowers-*",
    ): "a run names its jobs",
    (
        "sagemaker:AddTags sagemaker:ListTags",
        ":training-job/flyball-flowers-*",
    ): "Step Functions tags what it waits for",
    (
        "sagemaker:AddTags sagemaker:ListTags",
        ":processing-job/flyball-flowers-*",
    ): "Step Functions tags what it waits for",
    (
        "logs:CreateLogDelivery logs:DeleteLogDelivery logs:DescribeLogGroups logs:DescribeResourcePolicies "
        "logs:GetLogDelivery logs:ListLogDeliveries logs:PutResourcePolicy logs:UpdateLogDelivery",
        "*",
    ): "log deliveries have no resource",
}
"""Actions and the end of the resource they are allowed on, where that has a wildcard; and why."""

ALLOWED: Mapping[str, set[str]] = {
    "ChampionPointersCreatorRole": {"logs:CreateLogStream", "logs:PutLogEvents", "ssm:PutParameter"},
    "CatalogueRole": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "GatewayRole": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sagemaker:InvokeEndpoint",
        "s3:PutObject",
        "kms:GenerateDataKey",
    },
    "MonitorFunctionRole": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:FilterLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "ssm:GetParameter",
        "sagemaker:DescribeModelPackage",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "iam:PassRole",
        "cloudwatch:GetMetricData",
        "cloudwatch:PutMetricData",
    },
    "MonitorProcessingRole": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
    },
    "ModelExecutionRole": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "s3:GetObject",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
        "cloudwatch:DescribeAlarms",
    },
    "RetrainingFunctionRole": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:DescribeLogStreams",
        "logs:GetLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "ssm:GetParameter",
        "ssm:PutParameter",
        "sagemaker:StopTrainingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:CreateModelPackage",
        "sagemaker:DescribeModelPackage",
        "sagemaker:UpdateModelPackage",
        "sagemaker:DescribeEndpoint",
        "sagemaker:UpdateEndpoint",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:DeleteEndpointConfig",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:ListEndpointConfigs",
        "sagemaker:CreateModel",
        "sagemaker:DeleteModel",
        "sagemaker:DescribeModel",
        "sagemaker:ListModels",
        "iam:PassRole",
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cloudwatch:PutMetricData",
        "sns:Publish",
        "states:DescribeExecution",
        "states:StartExecution",
    },
    "RetrainingJobsRole": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetAuthorizationToken",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
    },
    "RetrainingStateMachineRole": {
        "lambda:InvokeFunction",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
        "sagemaker:AddTags",
        "sagemaker:ListTags",
        "iam:PassRole",
        "events:DescribeRule",
        "events:PutRule",
        "events:PutTargets",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    },
    "RetrainingTriggersRole": {"states:StartExecution"},
}

BY_LAMBDA = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
BY_SAGEMAKER = {
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
}
IN_A_VPC: Mapping[str, set[str]] = {
    "ChampionPointersCreatorRole": BY_LAMBDA,
    "CatalogueRole": BY_LAMBDA,
    "GatewayRole": BY_LAMBDA,
    "MonitorFunctionRole": BY_LAMBDA,
    "MonitorProcessingRole": set(),
    "ModelExecutionRole": BY_SAGEMAKER,
    "RetrainingFunctionRole": BY_LAMBDA,
    "RetrainingJobsRole": BY_SAGEMAKER,
    "RetrainingStateMachineRole": set(),
    "RetrainingTriggersRole": set(),
    "NetworkVpcFlowLogRole": {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
}
"""What a role may do beside that where there is a VPC."""

WILDCARDS_IN_A_VPC = {":network-interface/*", ":*/*", "*"}
"""Ends of resources that EC2's actions are allowed on: it names interfaces itself, and describes all or none."""

Statement = dict[str, Any]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_by_role(assembly: Assembly) -> dict[str, list[Statement]]:
    """The statements of the platform's and one model's roles, without the hash of their logical ids."""
    return {
        logical_id[:-8]: [
            statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]
        ]
        for stack in ("platform", "flowers")
        for logical_id, role in assembly.resources("AWS::IAM::Role", stack).items()
        if "Policies" in role
    }


def wildcards(statements: list[Statement]) -> Iterator[tuple[str, str]]:
    for statement in statements:
        for resource in as_list(statement["Resource"]):
            ends = [text for text in walk(resource) if isinstance(text, str) and "*" in text]
            yield from ((" ".join(as_list(statement["Action"])), end) for end in ends)


def test_every_role_is_allowed_exactly_what_it_needs(assembly: Assembly) -> None:
    allowed = {
        role: {action for statement in statements for action in as_list(statement["Action"])}
        for role, statements in statements_by_role(assembly).items()
    }

    assert allowed == ALLOWED


def test_a_vpc_adds_what_its_network_interfaces_need_and_no_more(private: Assembly) -> None:
    allowed = {
        role: {action for statement in statements for action in as_list(statement["Action"])}
        for role, statements in statements_by_role(private).items()
    }

    assert allowed == {role: ALLOWED.get(role, set()) | added for role, added in IN_A_VPC.items()}


def test_interfaces_are_made_in_the_vpcs_subnets_with_the_groups_of_their_role(private: Assembly) -> None:
    for role, statements in statements_by_role(private).items():
        made = [each for each in statements if each["Action"] == "ec2:CreateNetworkInterface"]
        ends = [resource["Fn::Join"][1][-1] for each in made for resource in each["Resource"]]

        without = (
            "NetworkVpcFlowLogRole",
            "MonitorProcessingRole",
            "RetrainingStateMachineRole",
            "RetrainingTriggersRole",
        )
        assert len(ends) == (0 if role in without else 5)  # any interface, one group, three subnets
        assert [end for end in ends if isinstance(end, str)] == [":network-interface/*"] * len(made)


def test_a_functions_own_code_is_denied_what_lambda_does_with_its_role(private: Assembly) -> None:
    for role in (role for role, added in IN_A_VPC.items() if added is BY_LAMBDA):
        (denied,) = (each for each in statements_by_role(private)[role] if each["Effect"] == "Deny")

        assert set(denied["Action"]) == BY_LAMBDA
        assert denied["Resource"] == "*"
        assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_every_wildcard_of_a_vpc_is_one_that_ec2_needs(private: Assembly) -> None:
    statements = [each for found in statements_by_role(private).values() for each in found]
    of_ec2 = [each for each in statements if any(action.startswith("ec2:") for action in as_list(each["Action"]))]

    assert {end for _, end in wildcards(of_ec2)} == WILDCARDS_IN_A_VPC


def test_every_wildcard_resource_is_in_the_table(assembly: Assembly) -> None:
    found = {wildcard for statements in statements_by_role(assembly).values() for wildcard in wildcards(statements)}

    assert found == WILDCARDS.keys()


def test_no_action_is_a_wildcard(assembly: Assembly) -> None:
    actions = {
        action
        for statements in statements_by_role(assembly).values()
        for statement in statements
        for action in as_list(statement["Action"])
    }

    assert not {action for action in actions if "*" in action}


def test_policies_are_inside_their_roles_and_none_is_attached_beside(assembly: Assembly) -> None:
    for stack in assembly.stacks:
        assert assembly.resources("AWS::IAM::Policy", stack) == {}
        assert assembly.resources("AWS::IAM::ManagedPolicy", stack) == {}


def test_only_api_gateways_logging_role_uses_a_managed_policy(assembly: Assembly) -> None:
    managed = [
        logical_id
        for stack in assembly.stacks
        for logical_id, role in assembly.resources("AWS::IAM::Role", stack).items()
        if "ManagedPolicyArns" in role
    ]

    assert [logical_id[:-8] for logical_id in managed] == ["ApiLoggingRole"]


def test_a_loop_writes_the_pointer_of_its_own_package_and_no_other(assembly: Assembly) -> None:
    statements = statements_by_role(assembly)["RetrainingFunctionRole"]

    (pointer,) = (each["Resource"] for each in statements if "ssm:PutParameter" in as_list(each["Action"]))

    assert pointer["Fn::Join"][1][-1] == ":parameter/flyball/flowers/champion"


def test_roles_are_passed_to_sagemaker_alone_and_each_to_what_it_is_for(assembly: Assembly) -> None:
    passed = {
        role: (statement["Resource"]["Fn::GetAtt"][0][:-8], statement["Condition"])
        for role, statements in statements_by_role(assembly).items()
        for statement in statements
        if statement["Action"] == "iam:PassRole"
    }

    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert passed == {
        "MonitorFunctionRole": ("MonitorProcessingRole", to_sagemaker),
        "RetrainingFunctionRole": ("ModelExecutionRole", to_sagemaker),
        "RetrainingStateMachineRole": ("RetrainingJobsRole", to_sagemaker),
    }


def test_a_loop_starts_itself_and_nothing_else(assembly: Assembly) -> None:
    found = statements_by_role(assembly)

    (again,) = (each for each in found["RetrainingFunctionRole"] if each["Action"] == "states:StartExecution")
    (start,) = found["RetrainingTriggersRole"]

    assert again["Resource"]["Fn::Join"][1][-1] == ":stateMachine:flyball-flowers-retraining"
    assert start["Resource"]["Fn::GetAtt"][0].startswith("RetrainingStateMachine")


def test_an_endpoints_volumes_are_granted_to_sagemaker_where_the_key_encrypts_them(assembly: Assembly) -> None:
    for stack, granted in (("flowers", False), ("house-prices", True)):
        roles = assembly.resources("AWS::IAM::Role", stack)
        (role,) = (properties for name, properties in roles.items() if name.startswith("RetrainingFunctionRole"))
        statements = role["Policies"][0]["PolicyDocument"]["Statement"]

        grants = [each["Condition"] for each in statements if "kms:CreateGrant" in as_list(each["Action"])]

        assert grants == ([{"Bool": {"kms:GrantIsForAWSResource": "true"}}] if granted else [])


@pytest.mark.parametrize("stack", ["flowers", "house-prices"])
def test_a_gateway_invokes_its_own_endpoint_only(assembly: Assembly, stack: str) -> None:
    (endpoint,) = assembly.resources("AWS::SageMaker::Endpoint", stack)
    roles = assembly.resources("AWS::IAM::Role", stack)
    (policy,) = next(role for name, role in roles.items() if name.startswith("Gateway"))["Policies"]

    invoke = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == "sagemaker:InvokeEndpoint"]

    assert [statement["Resource"] for statement in invoke] == [{"Ref": endpoint}]


def test_the_pointers_function_writes_exactly_the_pointers(assembly: Assembly) -> None:
    (put,) = (
        statement
        for statement in statements_by_role(assembly)["ChampionPointersCreatorRole"]
        if statement["Action"] == "ssm:PutParameter"
    )

    parameters = sorted(resource["Fn::Join"][1][-1] for resource in put["Resource"])

    assert parameters == [":parameter/flyball/flowers/champion", ":parameter/flyball/house-prices/champion"]


def test_the_execution_role_reads_the_rollback_alarms_and_no_others(assembly: Assembly) -> None:
    (endpoint,) = assembly.resources("AWS::SageMaker::Endpoint", "flowers").values()
    rollback = endpoint["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    (describe,) = (
        statement
        for statement in statements_by_role(assembly)["ModelExecutionRole"]
        if statement["Action"] == "cloudwatch:DescribeAlarms"
    )

    named = {alarm["AlarmName"]["Ref"] for alarm in rollback}
    assert {resource["Fn::GetAtt"][0] for resource in describe["Resource"]} == named


def test_a_monitor_writes_metrics_of_ours_and_starts_jobs_under_its_own_role_alone(assembly: Assembly) -> None:
    statements = statements_by_role(assembly)["MonitorFunctionRole"]
    by_action = {action: statement for statement in statements for action in as_list(statement["Action"])}
    (role,) = (name for name in assembly.resources("AWS::IAM::Role", "flowers") if "ProcessingRole" in name)

    assert by_action["cloudwatch:PutMetricData"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Flyball"}}
    assert by_action["iam:PassRole"]["Resource"] == {"Fn::GetAtt": [role, "Arn"]}
    assert by_action["iam:PassRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }


def test_a_monitor_reads_the_log_of_its_own_gateway_alone(assembly: Assembly) -> None:
    statements = statements_by_role(assembly)["MonitorFunctionRole"]
    (gateway,) = (name for name in assembly.resources("AWS::Logs::LogGroup", "flowers") if name.startswith("Gateway"))

    (read,) = (statement for statement in statements if statement["Action"] == "logs:FilterLogEvents")

    assert read["Resource"] == {"Fn::GetAtt": [gateway, "Arn"]}
