"""A Lambda function as every function of Flyball is deployed: its own role with its own few permissions, its own log
group, its code by the hash of its content. No AWS managed policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import AssetHashType, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.function_asset import FunctionAsset
from cdk.interfaces import Interfaces, acknowledge_interfaces
from cdk.log_group import EncryptedLogGroup
from cdk.settings import PlatformSettings
from cdk.statements import allow


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What sets one function apart. `name` only where somebody has to know it in advance."""

    description: str
    asset: FunctionAsset
    environment: Mapping[str, str]
    timeout_seconds: int
    memory_mb: int
    statements: Sequence[iam.PolicyStatement] = ()
    layers: Sequence[lambda_.LayerVersion] = ()
    name: str | None = None


class PythonFunction(Construct):
    """Python 3.14 on x86_64 (docs/decisions/lambda-runtime.md)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: FunctionSpec,
        key: kms.IKey,
        interfaces: Interfaces | None,
        settings: PlatformSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = EncryptedLogGroup(self, "Logs", key=key, settings=settings)
        self.role = self._role([*spec.statements, *(interfaces.for_lambda() if interfaces else ())])
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=spec.name,
            description=spec.description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.X86_64,
            code=lambda_.Code.from_asset(
                str(spec.asset.path), asset_hash=spec.asset.asset_hash, asset_hash_type=AssetHashType.CUSTOM
            ),
            handler=spec.asset.handler,
            layers=list(spec.layers),
            environment=dict(spec.environment),
            timeout=Duration.seconds(spec.timeout_seconds),
            memory_size=spec.memory_mb,
            role=self.role,
            log_group=self.log_group,
        )
        if interfaces:
            self._attach(interfaces)

    def _attach(self, interfaces: Interfaces) -> None:
        """By CloudFormation's own property: CDK's would want the VPC as one of its own constructs."""
        acknowledge_interfaces(self.role)
        function: Any = self.function.node.default_child
        function.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(interfaces.subnet_ids), security_group_ids=list(interfaces.security_group_ids)
        )

    def _role(self, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        write_logs = allow("logs:CreateLogStream", "logs:PutLogEvents", on=[self.log_group.log_group_arn])
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"function": iam.PolicyDocument(statements=[write_logs, *statements])},
        )
