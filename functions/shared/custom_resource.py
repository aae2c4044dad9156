"""Answers CloudFormation's custom resource events, whatever happens: else it waits for an hour."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from model_packages.errors import FlyballError, OperatorError

MAXIMUM_REASON_CHARACTERS = 1000  # CloudFormation takes answers of 4 KB

ResourceEvent = Mapping[str, Any]
"""What CloudFormation hands over (RequestType, ResponseURL, StackId, RequestId, LogicalResourceId, ...)."""
Put = Callable[[str, bytes], None]
"""Sends bytes to a presigned URL."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event. `data` is what templates may read with GetAtt."""

    status: Literal["SUCCESS", "FAILED"]
    physical_id: str
    reason: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def attempt(*, physical_id: str, act: Callable[[], Outcome]) -> Outcome:
    """What `act` comes to. A failure has `physical_id`: with another than it has, CloudFormation would replace it."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - the boundary: CloudFormation is told, and shows it to the operator
        return Outcome(status="FAILED", physical_id=physical_id, reason=_reason(error))


def answer(put: Put, event: ResourceEvent, outcome: Outcome) -> None:
    """Tells CloudFormation."""
    copied = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    reason = {"Reason": outcome.reason[:MAXIMUM_REASON_CHARACTERS]} if outcome.reason else {}
    document = {"Status": outcome.status, "PhysicalResourceId": outcome.physical_id, "Data": dict(outcome.data)}
    put(event["ResponseURL"], json.dumps({**document, **copied, **reason}).encode())


def put_by(http: Any) -> Put:
    """Through a pool of urllib3's; the URL was signed without a content type, so none is sent."""

    def put(url: str, content: bytes) -> None:
        found = http.request("PUT", url, body=content, headers={"Content-Type": ""}, retries=3, timeout=10)
        if found.status >= 400:
            raise OperatorError(f"CloudFormation's response URL answered {found.status}; it waits until the timeout")

    return put


def _reason(error: Exception) -> str:
    told = isinstance(error, FlyballError | BotoCoreError | ClientError)
    return str(error) if told else f"{type(error).__qualname__}: {error}"
