"""What callers may ask of CloudFormation and the local cloud does not do: refused by name, never passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from local.deploy.documents import Json
from local.services.cloudformation.refusals import invalid


def _is_given(_value: Json) -> bool:
    return True


def _is(word: str) -> Callable[[Json], bool]:
    return lambda value: bool(value == word)


ABSENT: Mapping[str, tuple[Callable[[Json], bool], str]] = {
    "ChangeSetType": (_is("IMPORT"), "it imports no resources into stacks"),
    "DeletionMode": (_is("FORCE_DELETE_STACK"), "it forces no deletion; RetainResources names what shall stay"),
    "DeploymentConfig": (lambda value: value.get("Mode") == "EXPRESS", "it has no express mode"),
    "DeploymentMode": (_is_given, "it does not look for drift"),
    "ForceRollback": (bool, "it forces no rollback; ResourcesToSkip names what shall stay as it is"),
    "OnFailure": (_is("DELETE"), "it keeps the stack that failed, for you to delete"),
    "OnStackFailure": (_is("DELETE"), "it keeps the stack that failed, for you to delete"),
    "ResourcesToImport": (bool, "it imports no resources into stacks"),
    "RollbackConfiguration": (lambda value: bool(value.get("RollbackTriggers")), "it watches no rollback triggers"),
    "StackPolicyBody": (_is_given, "it has no stack policies"),
    "StackPolicyDuringUpdateBody": (_is_given, "it has no stack policies"),
    "StackPolicyDuringUpdateURL": (_is_given, "it has no stack policies"),
    "StackPolicyURL": (_is_given, "it has no stack policies"),
    "StackSetName": (_is_given, "it has no stack sets"),
    "TimeoutInMinutes": (_is_given, "it has no timeouts for stacks"),
}
"""By parameter: when it asks for something that is not there, and what to say then."""


def refuse_absent(arguments: Mapping[str, Json]) -> None:
    """Raises Refused for the first parameter that asks for what the local cloud does not do."""
    for name, value in arguments.items():
        if name in ABSENT and ABSENT[name][0](value):
            raise invalid(f"{name}: the local cloud does not do this: {ABSENT[name][1]}")
