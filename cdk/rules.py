"""The rules that a synth keeps: cdk-nag's AwsSolutions, beside CDK's own validator. Every exception stands with the
construct it is for.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def apply_rules(app: App) -> None:
    """Makes a finding that nobody acknowledged stop the synth."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def acknowledge(construct: IConstruct, rule: str, *, reason: str) -> None:
    """Takes the finding `rule`, as the validator spells it, off `construct` and everything below it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def acknowledge_resource(construct: IConstruct, resource: str, *, reason: str) -> None:
    """Takes the finding off that a policy below `construct` names `resource`, an ARN with a wildcard in it."""
    acknowledge(
        construct, f"AwsSolutions-IAM5[Resource::{_spell(Stack.of(construct).resolve(resource))}]", reason=reason
    )


def _spell(resolved: Any) -> str:
    """A value of the template as cdk-nag writes it into a finding's name: `<Key.Arn>` for an attribute, and so on."""
    if isinstance(resolved, str):
        return resolved
    ((function, argument),) = resolved.items()
    if function == "Fn::Join":
        separator, parts = argument
        return str(separator).join(_spell(part) for part in parts)
    if function == "Fn::ImportValue":
        return _spell(argument)
    return f"<{argument if function == 'Ref' else '.'.join(argument)}>"
