"""The retraining loop of one model: the function with its steps, the state machine that calls them, what starts it."""

from __future__ import annotations

from aws_cdk import Aws, Stack
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from cdk.log_group import EncryptedLogGroup
from cdk.model import Model
from cdk.model_alarms import ModelAlarms
from cdk.monitor import Monitor
from cdk.platform_stack import PlatformStack
from cdk.python_function import FunctionSpec, PythonFunction
from cdk.retraining_definition import Loop, retraining_definition
from cdk.retraining_jobs import Jobs
from cdk.retraining_permissions import RetrainingPermissions
from cdk.retraining_role import RetrainingRole
from cdk.retraining_triggers import RetrainingTriggers
from cdk.rules import acknowledge
from cdk.state_machine_role import StateMachineRole
from cdk.statements import arn
from cdk.time_limits import RETRAINING_MEMORY_MB, RETRAINING_SECONDS
from functions.retraining.settings import RetrainingSettings


class RetrainingLoop(Construct):
    """`function`, `log_group` and `state_machine`.

    Everything here knows the endpoint and the state machine by their names. So CloudFormation can make it before the
    endpoint, which waits for its answer at each deployment: cdk/deployment_guard.py.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model: Model,
        alarms: ModelAlarms,
        monitor: Monitor,
        platform: PlatformStack,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names = alarms.watched.names
        self._platform, self._model, self._alarms = platform, model, alarms
        self._baseline, self._libraries = monitor.baseline, monitor.libraries
        self._base_data = self._find_base_data()
        self._jobs_role = RetrainingRole(
            self, "JobsRole", names=names, image=model.image, initial=model.artifact, platform=platform
        )
        runs = self._function()
        self.function, self.log_group = runs.function, runs.log_group
        self.state_machine = self._state_machine()
        RetrainingTriggers(
            self,
            "Triggers",
            names=names,
            state_machine=self.state_machine,
            function=self.function,
            alarms=alarms,
        )

    @property
    def _state_machine_arn(self) -> str:
        """By its name: the function has to know it, and it has to know the function."""
        return arn("states", f"stateMachine:{self._names.state_machine}")

    def _find_base_data(self) -> s3_assets.Asset | None:
        """What the package brings to train on; None where it lies in S3 already."""
        package = self._names.package
        data = package.config.training.data
        if data.startswith("s3://"):
            return None
        return s3_assets.Asset(self, "BaseData", path=str(package.path / data))

    def _function(self) -> PythonFunction:
        names, platform = self._names, self._platform
        permissions = RetrainingPermissions(
            names=names,
            platform=platform,
            alarms=self._alarms,
            model=self._model,
            assets=[asset for asset in (self._base_data, self._baseline) if asset is not None],
        )
        made = PythonFunction(
            self,
            "Function",
            spec=FunctionSpec(
                name=names.retraining_function,
                description=f"The steps of the loop that retrains {names.endpoint}",
                asset=platform.sources.function_asset("retraining", packages=[names.package]),
                layers=[self._libraries],
                environment=self._settings().to_environment(),
                timeout_seconds=RETRAINING_SECONDS,
                memory_mb=RETRAINING_MEMORY_MB,
                statements=permissions.statements(),
            ),
            key=platform.key,
            interfaces=platform.network.functions,
            settings=platform.settings,
        )
        permissions.acknowledge(made.role)
        return made

    def _settings(self) -> RetrainingSettings:
        names, buckets, models = self._names, self._platform.buckets, self._platform.network.models
        alarms = self._alarms
        data = self._base_data.s3_object_url if self._base_data else names.package.config.training.data
        return RetrainingSettings(
            package=names.package.name,
            endpoint_name=names.endpoint,
            champion_parameter=names.champion_parameter,
            model_package_group=names.model_package_group,
            artifacts_bucket=buckets.artifacts.bucket_name,
            captures_bucket=buckets.captures.bucket_name,
            initial_model_uri=self._model.artifact.s3_object_url,
            initial_baseline_uri=self._baseline.s3_object_url,
            base_data_uri=data,
            image_uri=self._model.image.uri,
            execution_role_arn=self._model.role.role_arn,
            topic_arn=self._platform.alarm_topic.topic_arn,
            drift_alarm=alarms.name_of("Drift"),
            quality_alarm=alarms.name_of("QualityDrop"),
            rollback_alarms=tuple(alarm.alarm_name for alarm in alarms.rollback),
            state_machine_arn=self._state_machine_arn,
            key_arn=self._platform.key.key_arn,
            minimum_instances=names.package.config.endpoint.minimum_instances,
            maximum_instances=names.package.config.endpoint.maximum_instances,
            subnet_ids=models.subnet_ids if models else (),
            security_group_ids=models.security_group_ids if models else (),
        )

    def _state_machine(self) -> stepfunctions.CfnStateMachine:
        """What its executions know quotes no request, so that AWS's own key is enough for them."""
        names, platform, jobs = self._names, self._platform, self._platform.network.jobs
        logs = EncryptedLogGroup(
            self, "Executions", key=platform.key, settings=platform.settings, name=names.state_machine_log_group
        )
        role = StateMachineRole(
            self, "StateMachineRole", names=names, function=self.function, jobs_role=self._jobs_role
        )
        loop = Loop(
            package=names.package,
            function_arn=self.function.function_arn,
            partition=Aws.PARTITION,
            jobs=Jobs(
                image_uri=self._model.image.uri,
                role_arn=self._jobs_role.role_arn,
                key_arn=platform.key.key_arn,
                subnet_ids=jobs.subnet_ids if jobs else (),
                security_group_ids=jobs.security_group_ids if jobs else (),
            ),
        )
        properties = stepfunctions.CfnStateMachine
        machine = stepfunctions.CfnStateMachine(
            self,
            "StateMachine",
            state_machine_name=names.state_machine,
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=Stack.of(self).to_json_string(retraining_definition(loop)),
            logging_configuration=properties.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=True,
                destinations=[
                    properties.LogDestinationProperty(
                        cloud_watch_logs_log_group=properties.CloudWatchLogsLogGroupProperty(
                            log_group_arn=logs.log_group_arn
                        )
                    )
                ],
            ),
        )
        acknowledge(
            machine,
            "AwsSolutions-SF2",
            reason="A run is a few steps in a row, and its history shows each with its time: X-Ray adds nothing.",
        )
        return machine
