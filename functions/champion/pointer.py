"""A CloudFormation custom resource over one SSM parameter: put if absent, never overwrite, never delete.

Create and Update do the same, so that a repeated or a late event changes nothing. Delete keeps the parameter: it says
which version serves, and a stack that is deployed again must find it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.shared.champion import NO_CHAMPION
from functions.shared.custom_resource import Outcome, Put, ResourceEvent, answer, attempt
from model_packages.errors import OperatorError


class ParameterStore(Protocol):
    """As much of botocore's SSM client as the pointer needs."""

    def put_parameter(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class ChampionPointers:
    """Answers CloudFormation's events."""

    parameters: ParameterStore
    put: Put

    def handle(self, event: ResourceEvent) -> Outcome:
        """Does what the event asks."""
        outcome = attempt(physical_id=_known_id(event), act=lambda: self._act(event))
        answer(self.put, event, outcome)
        return outcome

    def _act(self, event: ResourceEvent) -> Outcome:
        if event["RequestType"] == "Delete":
            name = _known_id(event)
        else:
            name = _parameter_name(event)
            self._create_if_absent(name)
        return Outcome(status="SUCCESS", physical_id=name, data={"ParameterName": name})

    def _create_if_absent(self, name: str) -> None:
        description = "Which model version serves; written by the retraining loop, read at each deploy."
        try:
            self.parameters.put_parameter(
                Name=name, Value=NO_CHAMPION, Type="String", Overwrite=False, Description=description
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise


def _parameter_name(event: ResourceEvent) -> str:
    name = event.get("ResourceProperties", {}).get("ParameterName")
    if not isinstance(name, str) or not name:
        raise OperatorError(f"ResourceProperties.ParameterName: found {name!r}; allowed: an SSM parameter's name")
    return name


def _known_id(event: ResourceEvent) -> str:
    """The id that CloudFormation already has: an answer with another one would make it replace the resource."""
    properties = event.get("ResourceProperties", {})
    return str(event.get("PhysicalResourceId") or properties.get("ParameterName") or event["LogicalResourceId"])
