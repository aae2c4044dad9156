"""A CloudFormation custom resource over one SSM parameter: put if absent, never overwrite, never delete.

Create and Update do the same, so that a repeated or a late event changes nothing. Delete keeps the parameter: it says
which version serves, and a stack that is deployed again must find it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from model_packages.errors import FlyballError, OperatorError

NO_CHAMPION = "none"
MAXIMUM_REASON_CHARACTERS = 1000  # CloudFormation takes answers of 4 KB

ResourceEvent = Mapping[str, Any]
"""What CloudFormation hands over (RequestType, ResponseURL, StackId, RequestId, LogicalResourceId, ...)."""


class ParameterStore(Protocol):
    """As much of botocore's SSM client as the pointer needs."""

    def put_parameter(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event."""

    status: Literal["SUCCESS", "FAILED"]
    physical_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChampionPointers:
    """Answers CloudFormation's events. `put` sends bytes to a presigned URL."""

    parameters: ParameterStore
    put: Callable[[str, bytes], None]

    def handle(self, event: ResourceEvent) -> Outcome:
        """Does what the event asks, and always tells CloudFormation how it went: else it waits for an hour."""
        outcome = self._attempt(event)
        self.put(event["ResponseURL"], json.dumps(_answer_to(event, outcome)).encode())
        return outcome

    def _attempt(self, event: ResourceEvent) -> Outcome:
        if event["RequestType"] == "Delete":
            return Outcome(status="SUCCESS", physical_id=_known_id(event))
        try:
            name = _parameter_name(event)
            self._create_if_absent(name)
        except Exception as error:  # noqa: BLE001 - the boundary: CloudFormation is told, and shows it to the operator
            return Outcome(status="FAILED", physical_id=_known_id(event), reason=_reason(error))
        return Outcome(status="SUCCESS", physical_id=name)

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


def _reason(error: Exception) -> str:
    told = isinstance(error, FlyballError | BotoCoreError | ClientError)
    text = str(error) if told else f"{type(error).__qualname__}: {error}"
    return text[:MAXIMUM_REASON_CHARACTERS]


def _answer_to(event: ResourceEvent, outcome: Outcome) -> dict[str, Any]:
    copied = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    reason = {"Reason": outcome.reason} if outcome.reason else {}
    data = {"ParameterName": outcome.physical_id} if outcome.status == "SUCCESS" else {}
    return {"Status": outcome.status, "PhysicalResourceId": outcome.physical_id, "Data": data, **copied, **reason}
