"""What Step Functions says of an execution: a lock counts for as long as its execution runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

RUNNING = ("RUNNING", "PENDING_REDRIVE")
ABSENT = "ABSENT"
"""Our word for one that Step Functions does not know any more."""


class ExecutionReader(Protocol):
    """As much of botocore's Step Functions client as is needed."""

    def describe_execution(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an execution is. `error` and `cause` as a Fail state, or whoever stopped it, has them."""

    status: str
    error: str = ""
    cause: str = ""

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING


def describe(states: ExecutionReader, execution: str) -> Ended:
    """`execution` is its ARN."""
    try:
        found = states.describe_execution(executionArn=execution)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return Ended(status=ABSENT)
        raise
    return Ended(status=found["status"], error=found.get("error", ""), cause=found.get("cause", ""))
