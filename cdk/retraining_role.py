"""What SageMaker may do in the name of one package's training and evaluation: fetch image, data and models, store what
came of it, log.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.image import Image
from cdk.interfaces import Interfaces, acknowledge_interfaces
from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rules import acknowledge_resource
from cdk.statements import WRITE_LOGS, allow, arn, pull_from, put_metrics

JOB_LOGS = ("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs")  # SageMaker's choice


class RetrainingRole(iam.Role):
    """Assumed by SageMaker only, for jobs of the loop. The image's code has no network, and so none of this."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        image: Image,
        initial: s3_assets.Asset,
        platform: PlatformStack,
    ) -> None:
        self._policy = iam.PolicyDocument()
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            inline_policies={"jobs": self._policy},
        )
        self._names, self._platform = names, platform
        self._pull(image)
        self._read(initial)
        self._write()
        self._report()
        if platform.network.jobs is not None:
            self._attach(platform.network.jobs)

    @property
    def _objects(self) -> Mapping[str, str]:
        """What the jobs know of both buckets."""
        buckets, names = self._platform.buckets, self._names
        captures = self._platform.export_value(buckets.captures.bucket_arn)
        artifacts = self._platform.export_value(buckets.artifacts.bucket_arn)
        return {
            "datasets": f"{captures}/{names.datasets}*",
            "versions": f"{artifacts}/{names.artifacts}*",
            "runs": f"{artifacts}/{names.runs}*",
        }

    def _pull(self, image: Image) -> None:
        self._policy.add_statements(*pull_from(image.repository.repository_arn))
        acknowledge_resource(self, "*", reason="A registry's token and a metric have no resource that could be named.")

    def _read(self, initial: s3_assets.Asset) -> None:
        """A run's data and checkpoints, champions and challengers. SageMaker takes a URI for a prefix, and lists it."""
        first = initial.bucket.arn_for_objects(initial.s3_object_key)
        self._policy.add_statements(
            allow("s3:GetObject", on=[self._objects["datasets"], self._objects["versions"], first])
        )
        buckets = self._platform.buckets
        for bucket, prefix in ((buckets.captures, self._names.datasets), (buckets.artifacts, self._names.artifacts)):
            of_ours = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
            bucket_arn = self._platform.export_value(bucket.bucket_arn)
            self._policy.add_statements(allow("s3:ListBucket", on=[bucket_arn], conditions=of_ours))
        of_first = {"StringEqualsIfExists": {"s3:prefix": [initial.s3_object_key]}}
        self._policy.add_statements(allow("s3:ListBucket", on=[initial.bucket.bucket_arn], conditions=of_first))
        for resource in self._objects.values():
            acknowledge_resource(self, resource, reason="Objects of a run, which are named when it begins.")

    def _write(self) -> None:
        """Checkpoints beside the data, everything else with the run; volumes and objects are encrypted."""
        self._policy.add_statements(
            allow("s3:PutObject", on=[self._objects["datasets"], self._objects["runs"]]),
            allow("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", on=[self._platform.key.key_arn]),
        )

    def _report(self) -> None:
        """Allows to log, and to send metrics of the instances."""
        groups = [arn("logs", f"log-group:{name}") for name in JOB_LOGS]
        streams = [f"{group}:log-stream:*" for group in groups]
        self._policy.add_statements(allow(*WRITE_LOGS, on=[*groups, *streams]), put_metrics(list(JOB_LOGS)))
        for stream in streams:
            acknowledge_resource(self, stream, reason="SageMaker names a log stream by the job and its instances.")

    def _attach(self, interfaces: Interfaces) -> None:
        """Allows to give the jobs' hosts network interfaces in a VPC."""
        self._policy.add_statements(*interfaces.for_sagemaker())
        acknowledge_interfaces(self)
