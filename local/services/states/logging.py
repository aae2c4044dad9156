"""Writes the history of executions into the log group that their machine names, as its level wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from local.services.states.arguments import compact
from local.services.states.execution import Execution
from local.services.states.history import details_member
from local.services.states.machines import Machines, Revision

DATA: Final = frozenset({"input", "inputDetails", "output", "outputDetails", "parameters", "assignedVariables"})
FATAL: Final = frozenset({"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})

LogSink = Callable[[str, str, Sequence[str]], None]
"""(log group, stream, lines)"""


def logging_to(
    log: LogSink, machines: Machines, *, may: Callable[[str, str, str], str | None]
) -> Callable[[Execution], None]:
    """Told of an execution each time before it is kept, it writes what is new in its history."""

    def observe(execution: Execution) -> None:
        revision = machines.revision(execution.revision)
        fresh = [event for event in execution.events if event["id"] > execution.logged]
        execution.logged = execution.event_count
        lines = [_line(event, execution, revision) for event in fresh if _is_wanted(event, revision)]
        if lines and may(revision.role_arn, "logs:UpdateLogDelivery", "*") is None:
            log(_group(revision), _stream(execution), lines)

    return observe


def _is_wanted(event: Mapping[str, Any], revision: Revision) -> bool:
    kind = event["type"]
    match revision.logging.get("level", "OFF"):
        case "ALL":
            return True
        case "ERROR":
            return kind in FATAL or kind.endswith(("Failed", "TimedOut", "Aborted"))
        case "FATAL":
            return kind in FATAL
        case _:
            return False


def _line(event: Mapping[str, Any], execution: Execution, revision: Revision) -> str:
    details = dict(event.get(details_member(event["type"]), {}))
    if not revision.logging.get("includeExecutionData", False):
        details = {name: value for name, value in details.items() if name not in DATA}
    return compact(
        {
            "id": str(event["id"]),
            "type": event["type"],
            "details": details,
            "previous_event_id": str(event["previousEventId"]),
            "event_timestamp": str(int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)),
            "execution_arn": execution.arn,
            "redrive_count": "0",
        }
    )


def _group(revision: Revision) -> str:
    arn: str = revision.logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]
    return arn.rsplit(":log-group:", maxsplit=1)[-1].removesuffix(":*")


def _stream(execution: Execution) -> str:
    started = datetime.fromisoformat(execution.started)
    return f"states/{execution.machine_name}/{started:%Y-%m-%d-%H-%M}/{execution.revision[:8]}"
