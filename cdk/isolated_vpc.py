"""A VPC without any way to the internet: private subnets, one route table, and a log of what flows.

Of CloudFormation's own resources, because CDK's Vpc adds a function of its own to empty the default security group,
which nothing here is in, and asks the account for its zones, which a synth without credentials cannot.
"""

from __future__ import annotations

import ipaddress

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.log_group import EncryptedLogGroup
from cdk.settings import PlatformSettings, Vpc
from cdk.statements import allow

QUARTERS = 2
"""Bits by which a subnet's prefix is longer than the VPC's: four parts, of which two or three are used."""


class IsolatedVpc(Construct):
    """`vpc_id`, `subnet_ids`, `route_table_id`, and `routes`, without which a subnet has the VPC's own route table."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, settings: PlatformSettings) -> None:
        super().__init__(scope, construct_id)
        vpc = ec2.CfnVPC(self, "Vpc", cidr_block=settings.vpc.cidr, enable_dns_support=True, enable_dns_hostnames=True)
        self.vpc_id = vpc.attr_vpc_id
        self.route_table_id = ec2.CfnRouteTable(self, "Routes", vpc_id=self.vpc_id).attr_route_table_id
        subnets = [self._subnet(index, cidr=cidr) for index, cidr in enumerate(_parts(settings.vpc))]
        self.subnet_ids = tuple(subnet.attr_subnet_id for subnet in subnets)
        self.routes = [self._associate(index, subnet) for index, subnet in enumerate(subnets)]
        self._log_flows(key=key, settings=settings)

    def _subnet(self, index: int, *, cidr: str) -> ec2.CfnSubnet:
        return ec2.CfnSubnet(
            self,
            f"Subnet{index}",
            vpc_id=self.vpc_id,
            cidr_block=cidr,
            availability_zone=Fn.select(index, Fn.get_azs()),
            map_public_ip_on_launch=False,
        )

    def _associate(self, index: int, subnet: ec2.CfnSubnet) -> ec2.CfnSubnetRouteTableAssociation:
        return ec2.CfnSubnetRouteTableAssociation(
            self, f"Route{index}", subnet_id=subnet.attr_subnet_id, route_table_id=self.route_table_id
        )

    def _log_flows(self, *, key: kms.IKey, settings: PlatformSettings) -> None:
        log_group = EncryptedLogGroup(self, "FlowLogs", key=key, settings=settings)
        ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_id=self.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=log_group.log_group_name,
            deliver_logs_permission_arn=self._flow_log_role(log_group).role_arn,
        )

    def _flow_log_role(self, log_group: EncryptedLogGroup) -> iam.Role:
        write = allow(
            "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", on=[log_group.log_group_arn]
        )
        of_this_account = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        return iam.Role(
            self,
            "FlowLogRole",
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com", conditions=of_this_account),
            inline_policies={"logs": iam.PolicyDocument(statements=[write])},
        )


def _parts(vpc: Vpc) -> list[str]:
    parts = ipaddress.IPv4Network(vpc.cidr).subnets(prefixlen_diff=QUARTERS)
    return [str(part) for part, _ in zip(parts, range(vpc.availability_zones), strict=False)]
