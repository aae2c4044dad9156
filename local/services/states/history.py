"""The history of an execution: AWS's event types, each with its details, in a chain that branches where flows do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from local.services.states.arguments import compact
from local.services.states.execution import LONGEST_HISTORY, Execution, Position
from local.services.states.failures import StateFailed, runtime_failure
from local.services.states.integrations import Integration

WHOLE: Final = {"truncated": False}


def tell(
    execution: Execution,
    kind: str,
    *,
    now: datetime,
    position: Position | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Add an event behind the last one of the position's flow; its number.

    Raises: StateFailed once the history is full.
    """
    number = execution.event_count + 1
    if number >= LONGEST_HISTORY and not kind.startswith("Execution"):
        raise runtime_failure(f"The execution reached the maximum number of history events ({LONGEST_HISTORY}).")
    event: dict[str, Any] = {
        "timestamp": now.isoformat(),
        "type": kind,
        "id": number,
        "previousEventId": position.last_event if position is not None else 0,
    }
    if details is not None:
        event[details_member(kind)] = {name: value for name, value in details.items() if value is not None}
    execution.events.append(event)
    if position is not None:
        position.last_event = number
    return number


def details_member(kind: str) -> str:
    """The member of an event that has its details."""
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            return f"{suffix[0].lower()}{suffix[1:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


def task_event(integration: Integration, step: str) -> str:
    """The event type for a step of a task: a function that is named itself has types of its own."""
    return f"LambdaFunction{step}" if integration.function_arn is not None else f"Task{step}"


def scheduled(
    integration: Integration, arguments: Any, *, region: str, timeout: float | None, heartbeat: float | None
) -> dict[str, Any]:
    """The details of a task that is about to be called."""
    if integration.function_arn is not None:
        return {
            "resource": integration.function_arn,
            "input": compact(arguments),
            "inputDetails": WHOLE,
            "timeoutInSeconds": timeout,
        }
    return {
        **about(integration),
        "region": region,
        "parameters": compact(arguments),
        "timeoutInSeconds": timeout,
        "heartbeatInSeconds": heartbeat,
    }


def succeeded(integration: Integration, result: Any) -> dict[str, Any]:
    """The details of a task that has given its result, or whose call has begun something."""
    return {**about(integration), "output": compact(result), "outputDetails": WHOLE}


def failed(integration: Integration, failure: StateFailed) -> dict[str, Any]:
    """The details of a task that has failed."""
    return {**about(integration), "error": failure.error, "cause": failure.cause}


def about(integration: Integration) -> dict[str, Any]:
    """Which integration it is."""
    if integration.function_arn is not None:
        return {}
    return {"resourceType": integration.resource_type, "resource": integration.resource}
