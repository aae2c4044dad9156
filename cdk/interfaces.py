"""Where functions and models have their network interfaces in a VPC, and what their roles need to have them there.

The named actions of AWS's own policy for it, on the resources that each action can be bounded to.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from constructs import IConstruct

from cdk.rules import acknowledge_resource
from cdk.statements import allow, arn

ANY_INTERFACE = arn("ec2", "network-interface/*")
ANYTHING = arn("ec2", "*/*")

DESCRIBED_BY_LAMBDA = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
CHANGED_BY_LAMBDA = ("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses")
DESCRIBED_BY_SAGEMAKER = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
CHANGED_BY_SAGEMAKER = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The subnets in which somebody's network interfaces are made, and their security groups."""

    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]

    def for_lambda(self) -> list[iam.PolicyStatement]:
        """What Lambda does with a function's role; the function's own code is denied all of it."""
        everything = ("ec2:CreateNetworkInterface", *CHANGED_BY_LAMBDA, *DESCRIBED_BY_LAMBDA)
        return [
            self._create(),
            # Lambda asks for it on all resources of the account before it creates the function.
            allow(*CHANGED_BY_LAMBDA, on=[ANYTHING]),
            allow(*DESCRIBED_BY_LAMBDA, on=["*"]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=list(everything),
                resources=["*"],
                # Only calls by a function's code say which function they come from.
                conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
            ),
        ]

    def for_sagemaker(self) -> list[iam.PolicyStatement]:
        """What SageMaker does with a model's execution role."""
        return [
            self._create(),
            allow(*CHANGED_BY_SAGEMAKER, on=[ANY_INTERFACE]),
            allow(*DESCRIBED_BY_SAGEMAKER, on=["*"]),
        ]

    def _create(self) -> iam.PolicyStatement:
        subnets = [arn("ec2", f"subnet/{subnet_id}") for subnet_id in self.subnet_ids]
        groups = [arn("ec2", f"security-group/{group_id}") for group_id in self.security_group_ids]
        return allow("ec2:CreateNetworkInterface", on=[*subnets, *groups, ANY_INTERFACE])


def acknowledge_interfaces(role: IConstruct) -> None:
    """Takes the findings off that these statements have wildcards."""
    for resource in (ANY_INTERFACE, ANYTHING):
        acknowledge_resource(role, resource, reason="EC2 names a network interface when the service makes it.")
    acknowledge_resource(role, "*", reason="EC2 knows no resources for the calls that describe a network.")
