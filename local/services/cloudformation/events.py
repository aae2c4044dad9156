"""The events of every stack, in the order in which they happened, and what they say of each resource now."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from local.deploy.state import StackEvent, Status
from local.deploy.template import STACK_TYPE
from local.documents import Documents, Record


@dataclass(frozen=True)
class LoggedEvent:
    """A `StackEvent` of one stack and one operation. `time` is ISO 8601."""

    event_id: str
    stack_id: str
    stack_name: str
    time: str
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str
    token: str
    operation_id: str

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong."""
        return self.status.endswith("_FAILED")

    @property
    def is_of_stack(self) -> bool:
        """Whether it is about the stack itself."""
        return self.resource_type == STACK_TYPE and self.physical_id == self.stack_id


class EventLog:
    """Keeps events in `documents` and reads those once."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._events: dict[str, list[LoggedEvent]] = {}
        for _, record in documents.items():
            event = _event(record)
            self._events.setdefault(event.stack_id, []).append(event)

    def add(self, event: StackEvent, *, stack_id: str, token: str, operation_id: str) -> LoggedEvent:
        """Keeps one event; it is durable when this returns."""
        is_of_stack = event.resource_type == STACK_TYPE and event.logical_id == event.stack_name
        unique = str(uuid.uuid4())
        logged = LoggedEvent(
            event_id=unique if is_of_stack else f"{event.logical_id}-{event.status}-{unique}",
            stack_id=stack_id,
            stack_name=event.stack_name,
            time="",
            logical_id=event.logical_id,
            physical_id=stack_id if is_of_stack else event.physical_id,
            resource_type=event.resource_type,
            status=event.status.value,
            reason=event.reason,
            token=token,
            operation_id=operation_id,
        )
        with self._lock:
            events = self._events.setdefault(stack_id, [])
            logged = replace(logged, time=_after(events, event.time).isoformat())
            events.append(logged)
            self._documents.put(logged.event_id, asdict(logged))
        return logged

    def of(self, stack_id: str) -> list[LoggedEvent]:
        """A stack's events, the oldest first."""
        with self._lock:
            return list(self._events.get(stack_id, ()))

    def last_of_stack(self, stack_id: str, status: Status) -> LoggedEvent | None:
        """The newest event in which the stack itself came to `status`."""
        return next((event for event in self._newest(stack_id) if event.is_of_stack and event.status == status), None)

    def _newest(self, stack_id: str) -> Iterator[LoggedEvent]:
        return reversed(self.of(stack_id))


def _after(events: Sequence[LoggedEvent], time: datetime) -> datetime:
    """A time of its own: whoever sorts events knows milliseconds only, and must find them in order."""
    if not events:
        return time
    return max(time, datetime.fromisoformat(events[-1].time) + timedelta(milliseconds=1))


def _event(record: Record) -> LoggedEvent:
    return LoggedEvent(**record)
