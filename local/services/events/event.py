"""An event as EventBridge carries it, and where in the account it happened."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

DEFAULT_BUS: Final = "default"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened. `time` is the cloud's; an id is made where none is given."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]
    time: datetime
    resources: Sequence[str] = ()
    bus: str = DEFAULT_BUS
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def document(self, *, account: str, region: str) -> Document:
        """The event as targets get it, its members in AWS's order."""
        return {
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": account,
            "time": event_time(self.time),
            "region": region,
            "resources": list(self.resources),
            "detail": dict(self.detail),
        }


def event_time(moment: datetime) -> str:
    """A moment as the member `time` has it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def scheduled_event(*, rule_arn: str, due: datetime) -> Event:
    """What a schedule's targets get."""
    return Event(
        source="aws.events", detail_type="Scheduled Event", detail={}, time=due, resources=(rule_arn,), bus=DEFAULT_BUS
    )
