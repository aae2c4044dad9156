"""What watches one model: the function, what starts it, and the little that it may read and write."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.endpoint import Endpoint
from cdk.gateway import Gateway
from cdk.instances import has_local_disks
from cdk.libraries import Libraries
from cdk.platform_stack import PlatformStack
from cdk.processing_role import ProcessingRole
from cdk.python_function import FunctionSpec, PythonFunction
from cdk.rules import acknowledge_resource
from cdk.spark import Spark
from cdk.statements import allow, arn, pass_to_sagemaker, put_metrics
from cdk.time_limits import MONITOR_SECONDS
from functions.gateway.metrics import NAMESPACE
from functions.monitor.settings import MonitorSettings

MEMORY_MB = 2048  # more than one CPU, and room for a window of 100,000 records


class Monitor(Construct):
    """Runs once a window, and when the endpoint begins or ends to change.

    The function reserves no concurrency: two runs at once do no harm, because one of them loses the compare-and-swap,
    and a new account has none to give away.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: Endpoint,
        gateway: Gateway,
        libraries: Libraries,
        platform: PlatformStack,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names, self._platform = endpoint.names, platform
        self._gateway_logs = gateway.log_group
        self.libraries = libraries
        self.captures_bucket_name = platform.buckets.captures.bucket_name
        package, sources = self._names.package, platform.sources
        self.baseline = s3_assets.Asset(self, "Baseline", path=str(sources.initial_baseline(package)))
        spark = Spark(self, "Spark", sources=sources)
        self._processing_role = ProcessingRole(
            self, "ProcessingRole", names=self._names, spark=spark, platform=platform
        )
        runs = PythonFunction(
            self,
            "Function",
            spec=FunctionSpec(
                name=self._names.monitor_function,
                description=f"Watches what goes in and out of the endpoint {self._names.endpoint}",
                asset=sources.function_asset("monitor", packages=[package]),
                layers=[libraries],
                environment=self._settings(endpoint, spark).to_environment(),
                timeout_seconds=MONITOR_SECONDS,
                memory_mb=MEMORY_MB,
                statements=[*self._data(), *self._versions(), *self._jobs(), *self._telemetry()],
            ),
            key=platform.key,
            interfaces=platform.network.functions,
            settings=platform.settings,
        )
        self.function, self.log_group = runs.function, runs.log_group
        self._acknowledge(runs.role)
        self._start()

    def _settings(self, endpoint: Endpoint, spark: Spark) -> MonitorSettings:
        monitor = self._names.package.config.monitor
        return MonitorSettings(
            package=self._names.package.name,
            endpoint_name=endpoint.name,
            captures_bucket=self._platform.buckets.captures.bucket_name,
            initial_baseline_uri=self.baseline.s3_object_url,
            champion_parameter=self._names.champion_parameter,
            gateway_log_group=self._gateway_logs.log_group_name,
            processing_role_arn=self._processing_role.role_arn,
            processing_image_uri=spark.image_uri,
            processing_app_uri=spark.app.s3_object_url,
            processing_code_uri=spark.code.s3_object_url,
            key_arn="" if has_local_disks(monitor.processing_instance_type) else self._platform.key.key_arn,
        )

    def _start(self) -> None:
        """The schedule, whose event's time is the run's now, and what SageMaker says of the endpoint."""
        target = targets.LambdaFunction(self.function)
        minutes = self._names.package.config.monitor.window_minutes
        events.Rule(
            self,
            "Schedule",
            description=f"Starts the monitor of {self._names.endpoint} once a window",
            schedule=events.Schedule.rate(Duration.minutes(minutes)),
            targets=[target],
        )
        events.Rule(
            self,
            "EndpointChanges",
            description=f"Tells the monitor when {self._names.endpoint} begins or ends to change",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Endpoint State Change"],
                detail={"EndpointName": [self._names.endpoint]},
            ),
            targets=[target],
        )

    @property
    def _objects(self) -> Mapping[str, str]:
        """What of the captures' bucket is this model's."""
        bucket = self._platform.export_value(self._platform.buckets.captures.bucket_arn)
        names = self._names
        prefixes = {"captures": names.captures, "labels": names.labels, "monitored": names.monitored}
        return {name: f"{bucket}/{prefix}*" for name, prefix in prefixes.items()}

    @property
    def _registered(self) -> str:
        """What lies in the artifacts' bucket of this package's registered versions."""
        artifacts = self._platform.export_value(self._platform.buckets.artifacts.bucket_arn)
        return f"{artifacts}/{self._names.package.aws_name}/*"

    @property
    def _version_arns(self) -> str:
        return arn("sagemaker", f"model-package/{self._names.model_package_group}/*")

    @property
    def _job_arns(self) -> str:
        return arn("sagemaker", f"processing-job/{self._names.jobs}*")

    def _data(self) -> list[iam.PolicyStatement]:
        """Captures, labels and baselines in; windows, reports and the state in and out."""
        objects, names, key = self._objects, self._names, self._platform.key
        baseline = self.baseline.bucket.arn_for_objects(self.baseline.s3_object_key)
        # Where the prefix is not asked about, S3 only wants to know whether it may say that an object is not there.
        own = {
            "StringLikeIfExists": {
                "s3:prefix": [f"{each}*" for each in (names.captures, names.labels, names.monitored)]
            }
        }
        bucket = self._platform.export_value(self._platform.buckets.captures.bucket_arn)
        return [
            allow("s3:GetObject", on=[*objects.values(), baseline, self._registered]),
            allow("s3:PutObject", on=[objects["monitored"]]),
            allow("s3:ListBucket", on=[bucket], conditions=own),
            allow("kms:Decrypt", "kms:GenerateDataKey", on=[key.key_arn]),
        ]

    def _versions(self) -> list[iam.PolicyStatement]:
        """Which version is champion, and where its baseline lies."""
        return [
            allow("ssm:GetParameter", on=[arn("ssm", f"parameter{self._names.champion_parameter}")]),
            allow("sagemaker:DescribeModelPackage", on=[self._version_arns]),
        ]

    def _jobs(self) -> list[iam.PolicyStatement]:
        """Spark, for large windows, under its own role and no other."""
        return [
            allow("sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", on=[self._job_arns]),
            pass_to_sagemaker(self._processing_role),
        ]

    def _telemetry(self) -> list[iam.PolicyStatement]:
        """How many requests there were and which were refused; the metrics of a window."""
        return [
            allow("logs:FilterLogEvents", on=[self._gateway_logs.log_group_arn]),
            allow("cloudwatch:GetMetricData", on=["*"]),
            put_metrics(NAMESPACE),
        ]

    def _acknowledge(self, role: iam.Role) -> None:
        for resource in (*self._objects.values(), self._registered):
            acknowledge_resource(role, resource, reason="Objects of this model, which are named when they are written.")
        for resource in (self._version_arns, self._job_arns):
            acknowledge_resource(role, resource, reason="Versions and jobs of this model, which come later.")
        acknowledge_resource(role, "*", reason="A metric has no resource that could be named; writing has a namespace.")
