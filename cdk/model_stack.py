"""One model in production: everything that changes, rolls back and is removed together."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk.champion import Champion
from cdk.dashboard import ModelDashboard
from cdk.deployment_guard import DeploymentGuard
from cdk.endpoint import Endpoint
from cdk.gateway import Gateway
from cdk.libraries import Libraries
from cdk.model import Model
from cdk.model_alarms import ModelAlarms
from cdk.monitor import Monitor
from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.retraining_loop import RetrainingLoop
from cdk.scaling import Scaling
from model_packages.discovery import ModelPackage


class ModelStack(Stack):
    """A package's endpoint with its version, alarms and scaling, and its gateway, monitor and retraining loop."""

    def __init__(self, scope: Construct, *, package: ModelPackage, platform: PlatformStack) -> None:
        names = PackageNames(platform.settings.prefix, package)
        settings = platform.settings
        super().__init__(
            scope,
            names.stack,
            description=f"Flyball: {package.config.description}",
            env=settings.place,
            termination_protection=settings.termination_protection,
            tags={"application": settings.prefix, "environment": settings.name, "model-package": package.name},
        )
        self.add_stack_dependency(platform)  # the champion pointer and the exports come first
        champion = Champion(self, "Champion", names=names)
        alarms = ModelAlarms(self, "Alarms", names=names, topic=platform.alarm_topic, settings=settings)
        # Needs no retention: SageMaker refuses to delete a group that still has versions.
        sagemaker.CfnModelPackageGroup(self, "Registry", model_package_group_name=names.model_package_group)
        model = Model(self, "Model", names=names, champion=champion, alarms=alarms, platform=platform)
        endpoint = Endpoint(self, "Endpoint", names=names, model=model, alarms=alarms, platform=platform)
        Scaling(self, "Scaling", endpoint=endpoint)
        gateway = Gateway(self, "Gateway", endpoint=endpoint, platform=platform)
        libraries = Libraries(self, "Libraries", names=names, sources=platform.sources)
        monitor = Monitor(self, "Monitor", endpoint=endpoint, gateway=gateway, libraries=libraries, platform=platform)
        loop = RetrainingLoop(self, "Retraining", model=model, alarms=alarms, monitor=monitor, platform=platform)
        DeploymentGuard(self, "DeploymentGuard", endpoint=endpoint, loop=loop)
        ModelDashboard(self, "Dashboard", alarms=alarms, gateway=gateway, monitor=monitor, loop=loop)
        self._output(names, endpoint, loop)

    def _output(self, names: PackageNames, endpoint: Endpoint, loop: RetrainingLoop) -> None:
        outputs = {
            "Package": names.package.name,
            "EndpointName": endpoint.name,
            "GatewayFunction": names.gateway_function,
            "MonitorFunction": names.monitor_function,
            "RetrainingFunction": names.retraining_function,
            "StateMachine": loop.state_machine.attr_arn,
            "ChampionParameter": names.champion_parameter,
            "ModelPackageGroup": names.model_package_group,
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
