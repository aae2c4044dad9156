"""What SageMaker may do in the name of the jobs that fold one model's large windows: read them, write counts, log."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rules import acknowledge_resource
from cdk.spark import Spark
from cdk.statements import WRITE_LOGS, allow, arn, pull_from, put_metrics

JOB_LOGS = "/aws/sagemaker/ProcessingJobs"  # SageMaker's choice


class ProcessingRole(iam.Role):
    """Assumed by SageMaker only."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        spark: Spark,
        platform: PlatformStack,
    ) -> None:
        self._policy = iam.PolicyDocument()
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            inline_policies={"processing": self._policy},
        )
        self._read_assets(spark.app, spark.code)
        self._fold(names=names, platform=platform)
        self._run(spark)

    def _read_assets(self, *assets: s3_assets.Asset) -> None:
        """SageMaker takes an input's URI for a prefix, and lists it."""
        prefixes = {"StringEqualsIfExists": {"s3:prefix": [asset.s3_object_key for asset in assets]}}
        self._policy.add_statements(
            allow("s3:GetObject", on=[asset.bucket.arn_for_objects(asset.s3_object_key) for asset in assets]),
            allow("s3:ListBucket", on=[assets[0].bucket.bucket_arn], conditions=prefixes),
        )

    def _fold(self, *, names: PackageNames, platform: PlatformStack) -> None:
        """The order, its baseline and captures in, counts out; what is spooled lies on an encrypted volume."""
        bucket = platform.export_value(platform.buckets.captures.bucket_arn)
        captures, monitored = f"{bucket}/{names.captures}*", f"{bucket}/{names.monitored}*"
        prefixes = {"StringLike": {"s3:prefix": [f"{names.captures}*", f"{names.monitored}*"]}}
        self._policy.add_statements(
            allow("s3:GetObject", on=[captures, monitored]),
            allow("s3:PutObject", on=[monitored]),
            allow("s3:ListBucket", on=[bucket], conditions=prefixes),
            allow("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", on=[platform.key.key_arn]),
        )
        for resource in (captures, monitored):
            acknowledge_resource(self, resource, reason="Objects of this model, which are named when they are written.")

    def _run(self, spark: Spark) -> None:
        """Allows to fetch the image, to log, and to send metrics of the instances."""
        log_group = arn("logs", f"log-group:{JOB_LOGS}")
        log_streams = f"{log_group}:log-stream:*"
        self._policy.add_statements(
            *pull_from(spark.repository_arn),
            allow(*WRITE_LOGS, on=[log_group, log_streams]),
            put_metrics(JOB_LOGS),
        )
        acknowledge_resource(self, "*", reason="A registry's token and a metric have no resource that could be named.")
        acknowledge_resource(self, log_streams, reason="SageMaker names a log stream by the job and its instances.")
