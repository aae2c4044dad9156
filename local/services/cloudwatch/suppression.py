"""When a composite alarm's actions wait for its suppressor: the documented rules of WaitPeriod and ExtensionPeriod.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Composite_Alarm_Suppression.html
"""

from __future__ import annotations

from dataclasses import dataclass

from local.services.cloudwatch.alarm import Suppression
from local.services.cloudwatch.evaluation import State

WAIT, HELD, EXTENSION = "WaitPeriod", "Alarm", "ExtensionPeriod"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What holds from now on, and whether the alarm's actions are to be taken now, for its present state."""

    suppression: Suppression | None
    acts: bool = False


def on_own_change(suppressor: State, *, wait_seconds: int, at: float) -> Outcome:
    """The composite alarm itself has changed its state: a former wait or extension is void."""
    if suppressor is State.ALARM:
        return Outcome(Suppression(HELD, at))
    if wait_seconds == 0:
        return Outcome(None, acts=True)
    return Outcome(Suppression(WAIT, at, at + wait_seconds))


def on_suppressor_change(held: Suppression | None, suppressor: State, *, extension_seconds: int, at: float) -> Outcome:
    """The suppressor has changed its state."""
    if held is None:
        return Outcome(None)
    if suppressor is State.ALARM:
        return Outcome(Suppression(HELD, held.since))
    if held.by != HELD:
        return Outcome(held)
    if extension_seconds == 0:
        return Outcome(None, acts=True)
    return Outcome(Suppression(EXTENSION, at, at + extension_seconds))


def on_time(held: Suppression | None, *, at: float) -> Outcome:
    """A moment has come at which a wait or an extension may be over."""
    if held is None or held.until is None or at < held.until:
        return Outcome(held)
    return Outcome(None, acts=True)
