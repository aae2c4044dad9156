"""Which model version a deploy puts into service: the champion, or, while there is none, the initial artifact."""

from __future__ import annotations

from aws_cdk import CfnCondition, CfnParameter, Fn, IResolvable
from constructs import Construct

from cdk.names import PackageNames
from functions.shared.champion import NO_CHAMPION


class Champion(Construct):
    """Reads the champion pointer when CloudFormation deploys, not when CDK synthesizes.

    `version_arn` is a version in the model registry (AWS calls it a model package), or `none`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: PackageNames) -> None:
        super().__init__(scope, construct_id)
        self.parameter = CfnParameter(
            self,
            "Pointer",
            type="AWS::SSM::Parameter::Value<String>",
            default=names.champion_parameter,
            description="SSM parameter with the ARN of the champion's version, or none",
        )
        self.version_arn = self.parameter.value_as_string
        self._exists = CfnCondition(
            self, "Exists", expression=Fn.condition_not(Fn.condition_equals(self.version_arn, NO_CHAMPION))
        )

    @property
    def version_number(self) -> str:
        """The 3 of arn:aws:sagemaker:...:model-package/flyball-digits/3; only where there is a champion."""
        return Fn.select(2, Fn.split("/", self.version_arn))

    def either(self, *, champion: object, initial: object) -> IResolvable:
        """`champion` where there is one, else `initial`; both as CloudFormation spells them."""
        return Fn.condition_if(self._exists.logical_id, champion, initial)
