"""Which AWS service sends an event to a function, and for which of its resources; the function's policy must let it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.services.lambda_function import InvocationRefused


class TriggerRefused(InvocationRefused):
    """The function's policy does not let the service in for this resource."""

    status = 403
    code = "AccessDeniedException"

    def __init__(self, sender: Sender, function_arn: str) -> None:
        super().__init__(
            f"{sender.service} is not authorized to perform: lambda:InvokeFunction on resource: {function_arn} for "
            f"{sender.source_arn} because no resource-based policy allows the lambda:InvokeFunction action"
        )


@dataclass(frozen=True, slots=True)
class Sender:
    """A service principal, and the topic or bucket in whose name it calls."""

    service: str
    source_arn: str


def sender_of(event: bytes) -> Sender | None:
    """The sender, by the form of its events; None for those that Lambda polls itself, and for what has no such form."""
    try:
        found = json.loads(event or b"{}")
    except ValueError:
        return None
    records = found.get("Records") if isinstance(found, Mapping) else None
    if not isinstance(records, list) or not records or not isinstance(records[0], Mapping):
        return None
    return _of_record(records[0])


def _of_record(record: Mapping[str, Any]) -> Sender | None:
    match record.get("EventSource") or record.get("eventSource"):
        case "aws:sns":
            return Sender("sns.amazonaws.com", record["Sns"]["TopicArn"])
        case "aws:s3":
            return Sender("s3.amazonaws.com", record["s3"]["bucket"]["arn"])
        case _:
            return None
