"""The event buses of one account and region: matches events with rules, and sees each delivery through.

A delivery that fails is tried again, as AWS does, with growing pauses of the cloud's time and within the target's
RetryPolicy (24 hours and 185 times where it has none); what cannot get better is not. Then it is a dead letter where
the target has a queue for it, and a line in this process's log. Deliveries that wait are lost when the cloud ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from local.services.events.event import Document, Event, event_time, scheduled_event
from local.services.events.inputs import InputRefused, Surroundings, target_input
from local.services.events.targets import Target, TargetFailed, Targets
from local.timers import Timers

log = logging.getLogger(__name__)

MOST_ATTEMPTS: Final = 185
LONGEST_AGE: Final = timedelta(hours=24)
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 600.0


class Clock(Protocol):
    """The cloud's time."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as it is when something happens."""

    name: str
    arn: str
    bus: str
    enabled: bool
    schedule: str | None
    targets: tuple[Target, ...]
    matches: Callable[[Document], bool]
    """Whether the rule's pattern fits; a rule without one fits nothing."""


Rules = Callable[[], Iterable[Rule]]
"""Every rule of the account and region."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose events these are."""

    account: str
    region: str


class EventBus:
    """All buses. Belongs to the event loop of `timers`; `targets` are set once those who are reached exist."""

    def __init__(self, *, rules: Rules, clock: Clock, timers: Timers, place: Place) -> None:
        self._rules, self._clock, self._timers, self._place = rules, clock, timers, place
        self.targets: Targets | None = None

    def put_event(self, event: Event) -> None:
        """Take an event of a service's own, such as an alarm's change of state; its rules' targets get it soon."""
        self.put_document(event.bus, event.document(account=self._place.account, region=self._place.region))

    def put_document(self, bus: str, document: Mapping[str, Any]) -> None:
        """Take an event that has its final form."""
        found = dict(document)
        for rule in list(self._rules()):
            if rule.enabled and rule.bus == bus and rule.matches(found):
                self._send(rule, found)

    def fire(self, rule: Rule, due: datetime) -> None:
        """A rule's schedule is due."""
        event = scheduled_event(rule_arn=rule.arn, due=due)
        self._send(rule, event.document(account=self._place.account, region=self._place.region))

    def _send(self, rule: Rule, document: Document) -> None:
        """Begin to deliver to each of a rule's targets."""
        for target in rule.targets:
            self._timers.begin(self._see_through(rule, target, document))

    async def _see_through(self, rule: Rule, target: Target, document: Document) -> None:
        begun, attempts = self._clock.now(), 0
        text, failure = self._input(rule, target, document)
        while failure is None and self.targets is not None:
            attempts += 1
            try:
                await self.targets.deliver(target, text, rule_arn=rule.arn, hand_on=self._hand_on)
            except TargetFailed as found:
                pause = _pause(target, found, attempts=attempts, age=self._clock.now() - begun)
                if isinstance(pause, str):
                    await self._give_up(rule, target, text, found, attempts=attempts, condition=pause)
                    return
                await self._timers.sleep(pause)
            else:
                return
        if failure is not None:
            await self._give_up(rule, target, text, failure, attempts=attempts, condition="")

    def _input(self, rule: Rule, target: Target, document: Document) -> tuple[str, TargetFailed | None]:
        around = Surroundings(rule.arn, rule.name, event_time(self._clock.now()))
        try:
            return target_input(target, document, around), None
        except InputRefused as refused:
            return "{}", TargetFailed("INVALID_INPUT", str(refused), is_final=True)

    def _hand_on(self, bus: str, document: Mapping[str, Any]) -> None:
        self.put_document(bus, document)

    async def _give_up(
        self, rule: Rule, target: Target, text: str, failure: TargetFailed, *, attempts: int, condition: str
    ) -> None:
        log.warning("rule %s did not reach %s: %s", rule.name, target["Arn"], failure)
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue is None or self.targets is None:
            return
        attributes = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": str(target["Arn"]),
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": str(failure),
            "RETRY_ATTEMPTS": str(max(0, attempts - 1)),
            **({"EXHAUSTED_RETRY_CONDITION": condition} if condition else {}),
        }
        try:
            await self.targets.send(queue, text, rule_arn=rule.arn, attributes=attributes)
        except TargetFailed as lost:
            log.warning("the dead letter of rule %s did not reach %s: %s", rule.name, queue, lost)


def _pause(target: Target, failure: TargetFailed, *, attempts: int, age: timedelta) -> float | str:
    """Seconds until the next attempt, or why there is none; empty where none could help."""
    policy = target.get("RetryPolicy") or {}
    if failure.is_final:
        return ""
    if attempts > int(policy.get("MaximumRetryAttempts", MOST_ATTEMPTS)):
        return "MaximumRetryAttempts"
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempts - 1), LONGEST_PAUSE_SECONDS)
    oldest = timedelta(seconds=int(policy.get("MaximumEventAgeInSeconds", LONGEST_AGE.total_seconds())))
    return "MaximumEventAgeInSeconds" if age + timedelta(seconds=pause) > oldest else pause
