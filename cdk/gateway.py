"""The Lambda function before one endpoint: it checks requests and answers with the package's schema.

It lives in the endpoint's stack and is updated after it, so that schema and model change together and go back together.
"""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.endpoint import Endpoint
from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.python_function import FunctionSpec, PythonFunction
from cdk.sources import Sources
from functions.gateway.settings import GatewaySettings

MEMORY_MB = 1024  # about half a CPU; parsing and checking a megabyte of JSON takes tens of milliseconds with it
MARGIN_SECONDS = 5  # the function outlives the endpoint's timeout, so that it can still say what happened


class Gateway(PythonFunction):
    """Invokes its one endpoint and nothing else; only the platform's API may invoke it, and only for its own paths."""

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: Endpoint, platform: PlatformStack) -> None:
        names = endpoint.names
        super().__init__(
            scope,
            construct_id,
            spec=_spec(names, endpoint=endpoint, sources=platform.sources),
            key=platform.key,
            interfaces=platform.network.functions,
            settings=platform.settings,
        )
        platform.api.allow_invocation(self, function=self.function, path=f"/models/{names.package.name}/*")


def _spec(names: PackageNames, *, endpoint: Endpoint, sources: Sources) -> FunctionSpec:
    package = names.package
    limits = package.config.endpoint
    settings = GatewaySettings(
        package=package.name,
        endpoint_name=endpoint.name,  # a reference, so that CloudFormation changes the endpoint first
        timeout_seconds=limits.timeout_seconds,
        maximum_body_bytes=limits.maximum_body_bytes,
        maximum_rows=limits.maximum_rows,
    )
    return FunctionSpec(
        name=names.gateway_function,
        description=f"Checks and forwards requests to the endpoint {names.endpoint}",
        asset=sources.function_asset("gateway", packages=[package]),
        environment=settings.to_environment(),
        timeout_seconds=limits.timeout_seconds + MARGIN_SECONDS,
        memory_mb=MEMORY_MB,
        statements=[iam.PolicyStatement(actions=["sagemaker:InvokeEndpoint"], resources=[endpoint.arn])],
    )
