"""What the retraining loop's function may do, by what its steps are for; and why some of it has no exact resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import IConstruct

from cdk.alarms import ROLLBACK_ALARMS
from cdk.instances import has_local_disks
from cdk.model import Model
from cdk.model_alarms import ModelAlarms
from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.retraining_role import JOB_LOGS
from cdk.retraining_triggers import BY_ALARM
from cdk.rules import acknowledge_resource
from cdk.statements import allow, arn, pass_to_sagemaker, put_metrics
from functions.gateway.metrics import NAMESPACE

SCHEME = "s3://"
STARTED_BY = tuple(name for names in BY_ALARM.values() for name in names)
"""Alarms whose trigger may wait, and is then acted on if they are still on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingPermissions:
    """Of one package's loop. `assets` are what its first version was made of, and its baseline."""

    names: PackageNames
    platform: PlatformStack
    alarms: ModelAlarms
    model: Model
    assets: Sequence[s3_assets.Asset]

    def statements(self) -> list[iam.PolicyStatement]:
        """All of them, in the order of a run."""
        return [
            *self._admitting(),
            *self._data(),
            *self._base_data(),
            *self._jobs(),
            *self._versions(),
            *self._rollout(),
            *self._telling(),
        ]

    def acknowledge(self, role: IConstruct) -> None:
        """Takes the findings off that the statements have wildcards."""
        for resource in (*self._captured.values(), *self._kept.values(), *self._foreign_data):
            acknowledge_resource(role, resource, reason="Objects of this model, which are named when they are written.")
        for resource in (*self._made.values(), *self._job_arns, *self._job_streams, self._executions):
            acknowledge_resource(role, resource, reason="Versions, jobs and runs of this model, which come later.")
        for resource in (self._any_model, self._any_config):
            acknowledge_resource(role, resource, reason="CloudFormation names what serves before the first promotion.")
        for resource in self._any_stream:
            acknowledge_resource(role, resource, reason="A group's streams are only listed all together.")
        acknowledge_resource(role, "*", reason="A metric has no resource that could be named; writing has a namespace.")

    def _admitting(self) -> list[iam.PolicyStatement]:
        """Who is champion, which alarms are on, what was asked, whether the run that has the lock still runs."""
        return [
            allow("ssm:GetParameter", "ssm:PutParameter", on=[self._pointer]),
            allow("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms", on=self._watched),
            allow("cloudwatch:GetMetricData", on=["*"]),
            allow("states:DescribeExecution", on=[self._executions]),
            # Only to put the champion back where a run has ended in the middle of its rollout.
            allow("states:StartExecution", on=[arn("states", f"stateMachine:{self.names.state_machine}")]),
        ]

    def _data(self) -> list[iam.PolicyStatement]:
        """Captures, labels and their quality in; a run's data, and what it leaves, in and out."""
        captured, kept, buckets = self._captured, self._kept, self.platform.buckets
        # Where the prefix is not asked about, S3 only wants to know whether it may say that an object is not there.
        ours = {"StringLikeIfExists": {"s3:prefix": [f"{prefix}*" for prefix in self._prefixes]}}
        of_package = {"StringLikeIfExists": {"s3:prefix": [f"{self.names.artifacts}*"]}}
        return [
            allow("s3:GetObject", on=[*captured.values(), kept["package"]]),
            allow("s3:PutObject", on=[captured["datasets"], kept["state"], kept["runs"]]),
            allow("s3:ListBucket", on=[self._exported(buckets.captures.bucket_arn)], conditions=ours),
            allow("s3:ListBucket", on=[self._exported(buckets.artifacts.bucket_arn)], conditions=of_package),
            allow("kms:Decrypt", "kms:GenerateDataKey", on=[self.platform.key.key_arn]),
        ]

    def _base_data(self) -> list[iam.PolicyStatement]:
        """What the package brings: packed with the template, or where package.toml says that it lies."""
        packed = [asset.bucket.arn_for_objects(asset.s3_object_key) for asset in self.assets]
        read = allow("s3:GetObject", on=[*packed, *self._foreign_data])
        if not self._foreign_data:
            return [read]
        bucket, _, prefix = self.names.package.config.training.data.removeprefix(SCHEME).partition("/")
        below = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
        return [read, allow("s3:ListBucket", on=[f"arn:{Aws.PARTITION}:s3:::{bucket}"], conditions=below)]

    def _jobs(self) -> list[iam.PolicyStatement]:
        """To stop a run's jobs, and to say what they logged last."""
        training, processing = self._job_arns
        return [
            allow("sagemaker:StopTrainingJob", on=[training]),
            allow("sagemaker:StopProcessingJob", on=[processing]),
            allow("logs:DescribeLogStreams", on=[*self._job_groups, *self._any_stream]),
            allow("logs:GetLogEvents", on=self._job_streams),
        ]

    def _versions(self) -> list[iam.PolicyStatement]:
        made = self._made
        return [
            allow("sagemaker:CreateModelPackage", on=[made["versions"], made["group"]]),
            allow("sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage", on=[made["versions"]]),
        ]

    def _rollout(self) -> list[iam.PolicyStatement]:
        """The endpoint, and the models and configs that the loop makes for it, under the endpoint's own role."""
        made, endpoint = self._made, arn("sagemaker", f"endpoint/{self.names.endpoint}")
        return [
            allow("sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpoint", on=[endpoint]),
            allow("sagemaker:UpdateEndpoint", on=[made["configs"]]),
            allow("sagemaker:CreateEndpointConfig", "sagemaker:DeleteEndpointConfig", on=[made["configs"]]),
            allow("sagemaker:CreateModel", "sagemaker:DeleteModel", on=[made["models"]]),
            allow("sagemaker:DescribeModel", on=[self._any_model]),
            allow("sagemaker:DescribeEndpointConfig", on=[self._any_config]),
            allow("sagemaker:ListEndpointConfigs", "sagemaker:ListModels", on=["*"]),
            pass_to_sagemaker(self.model.role),
            *self._disks(),
        ]

    def _disks(self) -> list[iam.PolicyStatement]:
        """Whoever updates an endpoint lets SageMaker use the key of its volumes."""
        if has_local_disks(self.names.package.config.endpoint.instance_type):
            return []
        for_sagemaker = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        return [allow("kms:CreateGrant", on=[self.platform.key.key_arn], conditions=for_sagemaker)]

    def _telling(self) -> list[iam.PolicyStatement]:
        return [
            put_metrics(NAMESPACE),
            allow("sns:Publish", on=[self._exported(self.platform.alarm_topic.topic_arn)]),
        ]

    @property
    def _prefixes(self) -> Sequence[str]:
        """What of the captures' bucket is this model's."""
        return (self.names.captures, self.names.labels, self.names.monitored, self.names.datasets)

    @property
    def _captured(self) -> Mapping[str, str]:
        bucket = self._exported(self.platform.buckets.captures.bucket_arn)
        named = zip(("captures", "labels", "monitored", "datasets"), self._prefixes, strict=True)
        return {name: f"{bucket}/{prefix}*" for name, prefix in named}

    @property
    def _kept(self) -> Mapping[str, str]:
        """What of the artifacts' bucket is this package's."""
        bucket, names = self._exported(self.platform.buckets.artifacts.bucket_arn), self.names
        prefixes = {"package": names.artifacts, "state": names.loop, "runs": names.runs}
        return {name: f"{bucket}/{prefix}*" for name, prefix in prefixes.items()}

    @property
    def _foreign_data(self) -> Sequence[str]:
        """The base data, where they lie in a bucket of somebody else's."""
        data = self.names.package.config.training.data
        return [f"arn:{Aws.PARTITION}:s3:::{data.removeprefix(SCHEME)}*"] if data.startswith(SCHEME) else []

    @property
    def _pointer(self) -> str:
        return arn("ssm", f"parameter{self.names.champion_parameter}")

    @property
    def _watched(self) -> list[str]:
        """The alarms that start a run, and those that take one back."""
        names = [*STARTED_BY, *(watch.name for watch in ROLLBACK_ALARMS)]
        return [arn("cloudwatch", f"alarm:{self.alarms.name_of(name)}") for name in names]

    @property
    def _executions(self) -> str:
        return arn("states", f"execution:{self.names.state_machine}:*")

    @property
    def _made(self) -> Mapping[str, str]:
        """What the loop makes in SageMaker, by the names that it gives."""
        names = self.names
        return {
            "versions": arn("sagemaker", f"model-package/{names.model_package_group}/*"),
            "group": arn("sagemaker", f"model-package-group/{names.model_package_group}"),
            "models": arn("sagemaker", f"model/{names.endpoint}-v*"),
            "configs": arn("sagemaker", f"endpoint-config/{names.endpoint}-v*"),
        }

    @property
    def _any_model(self) -> str:
        return arn("sagemaker", "model/*")

    @property
    def _any_config(self) -> str:
        return arn("sagemaker", "endpoint-config/*")

    @property
    def _job_arns(self) -> Sequence[str]:
        return [arn("sagemaker", f"{kind}-job/{self.names.jobs}*") for kind in ("training", "processing")]

    @property
    def _job_groups(self) -> list[str]:
        return [arn("logs", f"log-group:{group}") for group in JOB_LOGS]

    @property
    def _any_stream(self) -> list[str]:
        return [f"{group}:log-stream:*" for group in self._job_groups]

    @property
    def _job_streams(self) -> list[str]:
        return [f"{group}:log-stream:{self.names.jobs}*" for group in self._job_groups]

    def _exported(self, value: str) -> str:
        return str(self.platform.export_value(value))
