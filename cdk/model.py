"""The SageMaker model: the champion's version, or the image of this checkout with the initial artifact."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk.champion import Champion
from cdk.execution_role import ExecutionRole
from cdk.image import Image
from cdk.interfaces import Interfaces
from cdk.model_alarms import ModelAlarms
from cdk.names import PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rules import acknowledge
from model_packages.serving import environment, initial_version


class Model(Construct):
    """`name` changes with every version, because CloudFormation replaces a model to change it. `image`, `artifact` and
    `role` are the initial version's, and the role also that of every later one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        champion: Champion,
        alarms: ModelAlarms,
        platform: PlatformStack,
    ) -> None:
        super().__init__(scope, construct_id)
        package, sources = names.package, platform.sources
        self.image = Image(self, "Image", package=package, sources=sources)
        self.artifact = artifact = s3_assets.Asset(self, "InitialArtifact", path=str(sources.initial_artifact(package)))
        self.role = role = ExecutionRole(self, "ExecutionRole")
        role.pull(self.image)
        role.read_models(artifact, names=names, platform=platform)
        role.write_captures(names=names, platform=platform)
        role.report(names=names, alarms=alarms)
        interfaces = platform.network.models
        if interfaces is not None:
            role.attach(interfaces)
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            primary_container=champion.either(
                champion=_registered(package.name, champion), initial=_initial(package.name, self.image, artifact)
            ),
            enable_network_isolation=True,
            vpc_config=_vpc_config(interfaces),
        )
        acknowledge(
            model,
            "CloudFormation-Validate::F3031",
            reason="The validator takes the SSM parameter's name for the version's ARN that it holds.",
        )
        self.name = model.attr_model_name


def _registered(package: str, champion: Champion) -> dict[str, Any]:
    """A version of the model registry brings its own image and artifact."""
    return {
        "ModelPackageName": champion.version_arn,
        "Environment": environment(package, version=champion.version_number),
    }


def _initial(package: str, image: Image, artifact: s3_assets.Asset) -> dict[str, Any]:
    return {
        "Image": image.uri,
        "ModelDataUrl": artifact.s3_object_url,
        "Environment": environment(package, version=initial_version(artifact.asset_hash)),
    }


def _vpc_config(interfaces: Interfaces | None) -> sagemaker.CfnModel.VpcConfigProperty | None:
    """SageMaker fetches the artifact and stores captures through the VPC; the container stays without a network."""
    if interfaces is None:
        return None
    return sagemaker.CfnModel.VpcConfigProperty(
        subnets=list(interfaces.subnet_ids), security_group_ids=list(interfaces.security_group_ids)
    )
