"""Names that a first deploy would find taken: of a stack that is not there, a resource that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from cdk.preflight.account.clients import Account
from cdk.preflight.account.rules import NAME_TAKEN
from cdk.preflight.findings import Finding
from cdk.preflight.installation import Installation, Resource, Stack, name_of

Question: TypeAlias = Callable[[Account, str], dict[str, Any] | None]


def _log_group(account: Account, name: str) -> dict[str, Any] | None:
    """Describing log groups is a search by prefix; only the name itself is taken."""
    answer = account.ask("logs", "describe_log_groups", logGroupNamePrefix=name) or {"logGroups": []}
    return next((group for group in answer["logGroups"] if group["logGroupName"] == name), None)


QUESTIONS: Mapping[str, Question] = {
    "AWS::IAM::Role": lambda account, name: account.ask("iam", "get_role", RoleName=name),
    "AWS::Lambda::Function": lambda account, name: account.ask("lambda", "get_function", FunctionName=name),
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": lambda account, name: account.ask("s3", "head_bucket", Bucket=name),
    "AWS::SSM::Parameter": lambda account, name: account.ask("ssm", "get_parameter", Name=name),
    "AWS::SageMaker::Endpoint": lambda account, name: account.ask("sagemaker", "describe_endpoint", EndpointName=name),
    "AWS::SageMaker::ModelPackageGroup": lambda account, name: account.ask(
        "sagemaker", "describe_model_package_group", ModelPackageGroupName=name
    ),
}
"""How each type of resource that templates name is looked for, alarms excepted."""
ALARM_TYPES = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
ALARMS_A_CALL = 100


def check(account: Account, installation: Installation) -> Iterator[Finding]:
    """Raises: NotAsked if the account does not answer."""
    for stack in installation.stacks:
        if not is_deployed(account, stack):
            yield from _findings(account, stack)


def is_deployed(account: Account, stack: Stack) -> bool:
    """Whether CloudFormation has the stack, other than as a change set that nobody has executed."""
    answer = account.ask("cloudformation", "describe_stacks", StackName=stack.name)
    return answer is not None and answer["Stacks"][0]["StackStatus"] != "REVIEW_IN_PROGRESS"


def _findings(account: Account, stack: Stack) -> Iterator[Finding]:
    for resource in stack.resources(*QUESTIONS):
        name = name_of(resource, stack)
        if name is not None and QUESTIONS[resource.type](account, name) is not None:
            yield _taken(resource, name, stack)
    alarms = {name: alarm for alarm in stack.resources(*ALARM_TYPES) if (name := name_of(alarm, stack)) is not None}
    yield from (_taken(alarms[name], name, stack) for name in _existing_alarms(account, list(alarms)))


def _existing_alarms(account: Account, names: Sequence[str]) -> Iterator[str]:
    """A model has dozens: they are asked for together."""
    types = ["MetricAlarm", "CompositeAlarm"]
    for start in range(0, len(names), ALARMS_A_CALL):
        batch = list(names[start : start + ALARMS_A_CALL])
        answer = account.ask("cloudwatch", "describe_alarms", AlarmNames=batch, AlarmTypes=types) or {}
        for alarm in (*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])):
            yield alarm["AlarmName"]


def _taken(resource: Resource, name: str, stack: Stack) -> Finding:
    return NAME_TAKEN.broken(
        resource.where,
        found=f"{name}, which exists, while stack {stack.name} does not",
        allowed="a name that nothing has",
        change="remove it, import it into the stack (cdk import), or choose another prefix in cdk.json",
        package=stack.package_name,
    )
