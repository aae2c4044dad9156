"""What SageMaker may do in the name of the jobs that fold one model's large windows: read them, write counts, log."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rules import acknowledge_resource
from cdk.spark import Spark

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
        self._allow("s3:GetObject", on=[asset.bucket.arn_for_objects(asset.s3_object_key) for asset in assets])
        prefixes = {"StringEqualsIfExists": {"s3:prefix": [asset.s3_object_key for asset in assets]}}
        self._allow("s3:ListBucket", on=[assets[0].bucket.bucket_arn], conditions=prefixes)

    def _fold(self, *, names: PackageNames, platform: PlatformStack) -> None:
        """The order, its baseline and captures in, counts out; what is spooled lies on an encrypted volume."""
        bucket = platform.export_value(platform.buckets.captures.bucket_arn)
        captures, monitored = f"{bucket}/{names.captures}*", f"{bucket}/{names.monitored}*"
        self._allow("s3:GetObject", on=[captures, monitored])
        self._allow("s3:PutObject", on=[monitored])
        prefixes = {"StringLike": {"s3:prefix": [f"{names.captures}*", f"{names.monitored}*"]}}
        self._allow("s3:ListBucket", on=[bucket], conditions=prefixes)
        self._allow("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", on=[platform.key.key_arn])
        for resource in (captures, monitored):
            acknowledge_resource(self, resource, reason="Objects of this model, which are named when they are written.")

    def _run(self, spark: Spark) -> None:
        """Allows to fetch the image, to log, and to send metrics of the instances."""
        layers = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
        self._allow(*layers, on=[spark.repository_arn])
        self._allow("ecr:GetAuthorizationToken", on=["*"])
        log_group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{JOB_LOGS}"
        log_streams = f"{log_group}:log-stream:*"
        write_logs = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
        self._allow(*write_logs, on=[log_group, log_streams])
        namespaces = {"StringEquals": {"cloudwatch:namespace": JOB_LOGS}}
        self._allow("cloudwatch:PutMetricData", on=["*"], conditions=namespaces)
        acknowledge_resource(self, "*", reason="A registry's token and a metric have no resource that could be named.")
        acknowledge_resource(self, log_streams, reason="SageMaker names a log stream by the job and its instances.")

    def _allow(self, *actions: str, on: list[str], conditions: dict[str, Any] | None = None) -> None:
        self._policy.add_statements(iam.PolicyStatement(actions=list(actions), resources=on, conditions=conditions))
