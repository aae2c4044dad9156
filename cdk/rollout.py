"""How CloudFormation has SageMaker move traffic to a new endpoint config: what model_packages/serving.py says, as CDK
spells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import IResolvable, Token
from aws_cdk import aws_cloudwatch as cloudwatch

from model_packages import serving
from model_packages.discovery import ModelPackage


def deployment_config(package: ModelPackage, *, alarms: Sequence[cloudwatch.IAlarm]) -> IResolvable:
    """The same that the retraining loop tells UpdateEndpoint."""
    names = [alarm.alarm_name for alarm in alarms]
    return Token.as_any(_spelled(serving.deployment_config(package.config.rollout, alarms=names)))


def properties_of_the_new_config(package: ModelPackage) -> IResolvable:
    """What an update does not keep of the variant as it runs."""
    return Token.as_any(_spelled(serving.properties_of_the_new_config(package.config.endpoint)))


def _spelled(value: Any) -> Any:
    """`TerminationWaitInSeconds` is `terminationWaitInSeconds`, at any depth."""
    if isinstance(value, Mapping):
        return {name[0].lower() + name[1:]: _spelled(each) for name, each in value.items()}
    return [_spelled(each) for each in value] if isinstance(value, list) else value
