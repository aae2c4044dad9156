"""What CloudFormation refuses, in its own codes and words."""

from __future__ import annotations

from local.api_errors import ApiRefusal
from model_packages.errors import OperatorError


class Refused(OperatorError):
    """A call that CloudFormation answers with an error; `refusal` is that error."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        self.refusal = ApiRefusal(code, message, status)
        super().__init__(message)


def invalid(message: str) -> Refused:
    """ValidationError, CloudFormation's word for most of what is wrong."""
    return Refused("ValidationError", message)


def no_stack(name_or_id: str) -> Refused:
    """DescribeStacks and DeleteStack's own form."""
    return invalid(f"Stack with id {name_or_id} does not exist")


def no_stack_named(name_or_id: str) -> Refused:
    """The form of the calls that look into a stack."""
    return invalid(f"Stack [{name_or_id}] does not exist")


def no_change_set(name: str) -> Refused:
    """A change set that is not there."""
    return Refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)


def already_exists(stack_name: str) -> Refused:
    """CreateStack for a name that is taken."""
    return Refused("AlreadyExistsException", f"Stack [{stack_name}] already exists")


def lacks_capabilities(needed: list[str]) -> Refused:
    """A template that makes IAM resources, without the caller's word that it may."""
    return Refused("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(needed)}]")
