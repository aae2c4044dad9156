"""What SageMaker may do in the name of one endpoint: fetch its image and its model, capture, log, read its alarms."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.image import Image
from cdk.interfaces import Interfaces, acknowledge_interfaces
from cdk.model_alarms import ModelAlarms
from cdk.names import ENDPOINT_LOGS, PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rules import acknowledge_resource
from cdk.statements import WRITE_LOGS, allow, arn, pull_from


class ExecutionRole(iam.Role):
    """Assumed by SageMaker only. It starts with nothing; each method adds what one purpose needs."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        self._policy = iam.PolicyDocument()
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            inline_policies={"endpoint": self._policy},
        )

    def pull(self, image: Image) -> None:
        """Allows to fetch the image."""
        self._policy.add_statements(*pull_from(image.repository.repository_arn))
        acknowledge_resource(self, "*", reason="A registry's token and a metric have no resource that could be named.")

    def read_models(self, initial: s3_assets.Asset, *, names: PackageNames, platform: PlatformStack) -> None:
        """Allows to fetch the initial artifact, and the artifacts of this package's later versions."""
        artifacts = platform.export_value(platform.buckets.artifacts.bucket_arn)
        versions = f"{artifacts}/{names.package.aws_name}/*"
        self._policy.add_statements(
            allow("s3:GetObject", on=[initial.bucket.arn_for_objects(initial.s3_object_key), versions]),
            allow("kms:Decrypt", "kms:GenerateDataKey", on=[platform.key.key_arn]),
        )
        acknowledge_resource(self, versions, reason="A version that is trained later has a key that no one knows yet.")

    def write_captures(self, *, names: PackageNames, platform: PlatformStack) -> None:
        """Allows to store what this endpoint saw and answered."""
        captures = f"{platform.export_value(platform.buckets.captures.bucket_arn)}/{names.captures}*"
        self._policy.add_statements(allow("s3:PutObject", on=[captures]))
        acknowledge_resource(self, captures, reason="SageMaker names captures by time, below this prefix.")

    def report(self, *, names: PackageNames, alarms: ModelAlarms) -> None:
        """Allows to log, to send metrics, and to read the alarms that stop a rollout."""
        log_group = arn("logs", f"log-group:{names.endpoint_log_group}")
        log_streams = f"{log_group}:log-stream:*"
        namespaces = {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker*", f"{ENDPOINT_LOGS}*"]}}
        self._policy.add_statements(
            allow(*WRITE_LOGS, on=[log_group, log_streams]),
            allow("cloudwatch:PutMetricData", on=["*"], conditions=namespaces),
            allow("cloudwatch:DescribeAlarms", on=[alarm.alarm_arn for alarm in alarms.rollback]),
        )
        acknowledge_resource(self, log_streams, reason="SageMaker names a log stream by the instance that it started.")

    def attach(self, interfaces: Interfaces) -> None:
        """Allows to give the model's hosts network interfaces in a VPC."""
        self._policy.add_statements(*interfaces.for_sagemaker())
        acknowledge_interfaces(self)
