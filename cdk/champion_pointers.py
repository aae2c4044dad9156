"""Creates each package's champion pointer, an SSM parameter, once, with the value `none`.

A custom resource and not AWS::SSM::Parameter, because CloudFormation must never write a pointer again:
docs/decisions/champion-pointer.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.names import PackageNames
from cdk.network import Network
from cdk.python_function import FunctionSpec, PythonFunction
from cdk.settings import PlatformSettings
from cdk.sources import Sources
from cdk.statements import allow, arn
from functions.champion.settings import to_environment

TIMEOUT_SECONDS = 60


class ChampionPointers(Construct):
    """One `Custom::ChampionPointer` a package, all made by the same function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sources: Sources,
        key: kms.IKey,
        network: Network,
        settings: PlatformSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        names = [PackageNames(settings.prefix, package) for package in sources.packages]
        creator = PythonFunction(
            self,
            "Creator",
            spec=FunctionSpec(
                description="Creates champion pointers that do not exist yet",
                asset=sources.function_asset("champion"),
                environment=to_environment(),
                timeout_seconds=TIMEOUT_SECONDS,
                memory_mb=256,
                statements=[_put_statement(names)] if names else [],
            ),
            key=key,
            interfaces=network.pointers,
            settings=settings,
        )
        # Its answers to CloudFormation take these ways, the one to its own deletion included.
        creator.function.node.add_dependency(*network.ways)
        for name in names:
            CustomResource(
                self,
                name.package.name,
                resource_type="Custom::ChampionPointer",
                service_token=creator.function.function_arn,
                # Without it, CloudFormation waits an hour for a function that never answers.
                service_timeout=Duration.seconds(2 * TIMEOUT_SECONDS),
                properties={"ParameterName": name.champion_parameter},
            )


def _put_statement(names: Sequence[PackageNames]) -> iam.PolicyStatement:
    return allow("ssm:PutParameter", on=[arn("ssm", f"parameter{name.champion_parameter}") for name in names])
