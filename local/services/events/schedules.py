"""Fires the schedules of rules on the cloud's timers.

A rate counts from the moment at which its rule was made, changed or enabled, which is kept, so that a restart does not
move it. What was due while the cloud was down is not made up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from local.documents import Documents
from local.services.events.bus import EventBus, Rule, Rules
from local.services.events.schedule_expressions import Schedule, ScheduleRefused, parse_schedule
from local.timers import Phase, Timer, Timers

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A schedule that fires: what it says, since when it counts, and its timer."""

    expression: str
    anchor: datetime
    timer: Timer | None


class Schedules:
    """The schedules of one account and region. Belongs to the event loop of `timers`."""

    def __init__(
        self,
        *,
        rules: Rules,
        bus: EventBus,
        timers: Timers,
        now: Callable[[], datetime],
        documents: Documents,
    ) -> None:
        self._rules, self._bus, self._timers, self._now = rules, bus, timers, now
        self._documents = documents
        self._kept: dict[str, Kept] = {}

    def refresh(self) -> None:
        """Look at the rules again: begin what is new, end what is gone, disabled or another one now."""
        wanted = {rule.arn: rule for rule in self._rules() if rule.schedule and rule.enabled}
        for arn, kept in list(self._kept.items()):
            rule = wanted.get(arn)
            if rule is None or rule.schedule != kept.expression:
                self._end(arn)
        for arn, rule in wanted.items():
            if arn not in self._kept:
                self._begin(rule)

    def _begin(self, rule: Rule) -> None:
        expression = str(rule.schedule)
        record = self._documents.get(rule.arn)
        if record is not None and record["expression"] == expression:
            anchor = datetime.fromisoformat(record["anchor"])
        else:
            anchor = self._now().replace(second=0, microsecond=0)  # what is made in one deployment fires together
            self._documents.put(rule.arn, {"expression": expression, "anchor": anchor.isoformat()})
        try:
            schedule: Schedule = parse_schedule(expression, anchor=anchor)
        except ScheduleRefused as refused:  # PutRule refuses it; a rule may be older than that
            log.warning("the schedule of rule %s never fires: %s", rule.name, refused)
            self._kept[rule.arn] = Kept(expression, anchor, None)
            return

        async def fire(due: datetime) -> None:
            self._fire(rule.arn, due)

        timer = self._timers.recurring(schedule.next_after, fire, phase=Phase.SCHEDULE)
        self._kept[rule.arn] = Kept(expression, anchor, timer)

    def _end(self, arn: str) -> None:
        kept = self._kept.pop(arn)
        self._documents.delete(arn)
        if kept.timer is not None:
            kept.timer.cancel()

    def _fire(self, arn: str, due: datetime) -> None:
        """Send to the targets that the rule has now."""
        rule = next((rule for rule in self._rules() if rule.arn == arn and rule.enabled), None)
        if rule is not None:
            self._bus.fire(rule, due)
