"""Statements that the policies of several roles have alike, and the ARNs in them; what one role alone needs stands with
that role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

WRITE_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
"""What SageMaker does to log, on a group and on its streams."""
READ_LAYERS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def arn(service: str, resource: str) -> str:
    """The ARN of something in this account and region."""
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"


def allow(*actions: str, on: Sequence[str], conditions: Mapping[str, Any] | None = None) -> iam.PolicyStatement:
    """Allows `actions` on resources, to whoever has the policy."""
    return iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=conditions)


def pull_from(repository_arn: str) -> list[iam.PolicyStatement]:
    """To fetch images of one repository; a registry's token has no resource that could be named."""
    return [allow(*READ_LAYERS, on=[repository_arn]), allow("ecr:GetAuthorizationToken", on=["*"])]


def put_metrics(namespaces: str | list[str]) -> iam.PolicyStatement:
    """To send metrics, which have no resource that could be named, of these namespaces alone."""
    ours = {"StringEquals": {"cloudwatch:namespace": namespaces}}
    return allow("cloudwatch:PutMetricData", on=["*"], conditions=ours)


def pass_to_sagemaker(role: iam.IRole) -> iam.PolicyStatement:
    """To start something in SageMaker that goes by `role`; to no other service."""
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    return allow("iam:PassRole", on=[role.role_arn], conditions=to_sagemaker)
