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
from cdk.rules import acknowledge_resource
from cdk.statements import allow
from cdk.time_limits import gateway_seconds
from functions.gateway.settings import GatewaySettings

MEMORY_MB = 1024  # about half a CPU; parsing and checking a megabyte of JSON takes tens of milliseconds with it


class Gateway(PythonFunction):
    """Invokes its one endpoint, stores its labels, and nothing else; only the platform's API may invoke it, and only
    for its own paths.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: Endpoint, platform: PlatformStack) -> None:
        names = endpoint.names
        super().__init__(
            scope,
            construct_id,
            spec=_spec(names, endpoint=endpoint, platform=platform),
            key=platform.key,
            interfaces=platform.network.functions,
            settings=platform.settings,
        )
        for prefix in (names.labels, names.captures):
            resource = f"{platform.export_value(platform.buckets.captures.bucket_arn)}/{prefix}*"
            acknowledge_resource(self.role, resource, reason="Labels and captures are named when they are written.")
        platform.api.allow_invocation(self, function=self.function, path=f"/models/{names.package.name}/*")


def _spec(names: PackageNames, *, endpoint: Endpoint, platform: PlatformStack) -> FunctionSpec:
    package = names.package
    limits, capture, monitor = package.config.endpoint, package.config.capture, package.config.monitor
    settings = GatewaySettings(
        package=package.name,
        endpoint_name=endpoint.name,  # a reference, so that CloudFormation changes the endpoint first
        timeout_seconds=limits.timeout_seconds,
        maximum_body_bytes=limits.maximum_body_bytes,
        maximum_rows=limits.maximum_rows,
        captures_bucket=platform.buckets.captures.bucket_name,
        label_days=min(monitor.label_days, capture.retention_days),
        capture_percent=capture.percent if capture.by == "gateway" else 0,
        block=monitor.block,
    )
    return FunctionSpec(
        name=names.gateway_function,
        description=f"Checks and forwards requests to the endpoint {names.endpoint}",
        asset=platform.sources.function_asset("gateway", packages=[package]),
        environment=settings.to_environment(),
        timeout_seconds=gateway_seconds(limits),
        memory_mb=MEMORY_MB,
        statements=[
            allow("sagemaker:InvokeEndpoint", on=[endpoint.arn]),
            *_storing(names, platform=platform, captures=settings.capture_percent > 0),
        ],
    )


def _storing(names: PackageNames, *, platform: PlatformStack, captures: bool) -> list[iam.PolicyStatement]:
    """Labels always, captures where nobody else writes them; nothing is read back."""
    bucket = platform.export_value(platform.buckets.captures.bucket_arn)
    prefixes = [names.labels, names.captures] if captures else [names.labels]
    return [
        allow("s3:PutObject", on=[f"{bucket}/{prefix}*" for prefix in prefixes]),
        allow("kms:GenerateDataKey", on=[platform.key.key_arn]),
    ]
