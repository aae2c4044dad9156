"""Whether a trigger starts a run now, has to wait, or is not acted on, and why. Pure: facts in, an Admission out.

The rules are package.toml's `[retraining]`; docs/decisions/when-to-retrain.md says where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from functions.retraining.loop_state import UNFINISHED, LoopState, RunRecord
from functions.retraining.staleness import Staleness, too_cheap
from functions.retraining.triggers import BY_ALARM, Trigger, TriggerKind
from model_packages.contract import Retraining

MONTH = timedelta(days=30)

Verdict = Literal["admitted", "deferred", "skipped", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the decision rests on beside the loop's own state."""

    new_labels: int = 0
    """Labelled predictions since the last run that weighed any."""
    labels_since_alarm: int = 0
    """Labelled ones of what was predicted since the alarm first asked, where one does."""
    alarming: frozenset[TriggerKind] = frozenset()
    """Kinds of trigger whose alarm is in ALARM now."""
    staleness: Staleness | None = None
    """What the errors since the last training cost; None where nobody asked, or nobody can know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """`nothing`: a look that found nothing to do. Everything but `admitted` has a reason."""

    verdict: Verdict
    trigger: Trigger
    """What the run acts on: a look's is the one that it found."""
    reason: str = ""
    dropped: str = ""
    """Why the deferred trigger is not waited for any longer; empty where it is, or where there is none."""
    waits: str = ""
    """Why it waits on, where a look found that."""


def decide(state: LoopState, trigger: Trigger, *, facts: Facts, settings: Retraining, now: datetime) -> Admission:
    """What becomes of a trigger at `now`. The state is one in which no lock of an ended execution is left."""
    if trigger.kind is TriggerKind.LOOK:
        return _look(state, trigger, facts=facts, settings=settings, now=now)
    if trigger.kind is TriggerKind.MANUAL:
        reason = _held(state)
        return Admission(verdict="skipped" if reason else "admitted", trigger=trigger, reason=reason)
    if trigger.kind.value not in settings.triggers:
        reason = f"retraining.triggers does not have {trigger.kind}; it has {_listed(settings)}"
        return Admission(verdict="skipped", trigger=trigger, reason=reason)
    reason = why_not_now(state, trigger.kind, facts=facts, settings=settings, now=now)
    if not reason:
        return Admission(verdict="admitted", trigger=trigger)
    return Admission(verdict="deferred" if trigger.kind in BY_ALARM else "skipped", trigger=trigger, reason=reason)


def why_not_now(state: LoopState, kind: TriggerKind, *, facts: Facts, settings: Retraining, now: datetime) -> str:
    """The first rule that stops a run of this kind, in one sentence; empty where none does."""
    rules: tuple[Callable[[], str], ...] = (
        lambda: why_not_yet(state, settings, now),
        lambda: _unseen(facts, settings) if kind in BY_ALARM else "",
        lambda: _unlabelled(facts, settings),
        lambda: too_cheap(facts.staleness, settings) if kind in BY_ALARM else "",
    )
    return next((reason for rule in rules if (reason := rule())), "")


def why_not_yet(state: LoopState, settings: Retraining, now: datetime) -> str:
    """The same of the rules that need no facts."""
    return _held(state) or _cooling(state, settings, now) or _spent(state, settings, now)


def training_runs(state: LoopState) -> Iterator[RunRecord]:
    """Newest first; going back to a version trains nothing."""
    return (record for record in reversed(state.runs) if not record.rolls_back)


def last_weighed(state: LoopState) -> RunRecord | None:
    """The last run that got as far as to judge what it trained: after another, the next need not wait for labels."""
    return next((record for record in training_runs(state) if record.outcome not in UNFINISHED), None)


def schedule_is_due(state: LoopState, settings: Retraining, now: datetime) -> bool:
    """Whether `schedule_days` have passed since the last run, or since the loop first looked."""
    last = next((record.started for record in training_runs(state)), state.begun)
    return (
        TriggerKind.SCHEDULE.value in settings.triggers
        and last is not None
        and now - last >= timedelta(days=settings.schedule_days)
    )


def _look(state: LoopState, look: Trigger, *, facts: Facts, settings: Retraining, now: datetime) -> Admission:
    """The deferred trigger first, then the schedule, then new labels: the first that may run now."""
    dropped, waiting, waits = _dropped(state, facts, settings), [], ""
    for trigger in _found(state, facts=facts, settings=settings, now=now, has_deferred=not dropped):
        reason = why_not_now(state, trigger.kind, facts=facts, settings=settings, now=now)
        if not reason:
            return Admission(verdict="admitted", trigger=trigger, dropped=dropped)
        waits = reason if trigger.kind in BY_ALARM else waits
        waiting.append(f"{trigger.kind}: {reason}")
    reason = "; ".join(waiting) or dropped or "nothing asks for a run"
    return Admission(verdict="nothing", trigger=look, reason=reason, dropped=dropped, waits=waits)


def _dropped(state: LoopState, facts: Facts, settings: Retraining) -> str:
    if state.deferred is None:
        return ""
    trigger = state.deferred.trigger
    if trigger.kind.value not in settings.triggers:
        return f"retraining.triggers does not have {trigger.kind} any more; it has {_listed(settings)}"
    if not any(kind.value in settings.triggers for kind in facts.alarming):  # it may wait for another's alarm by now
        return f"the alarm {trigger.alarm or trigger.kind} is not in ALARM any more"
    return ""


def _found(
    state: LoopState, *, facts: Facts, settings: Retraining, now: datetime, has_deferred: bool
) -> Iterator[Trigger]:
    """What a look could act on."""
    if has_deferred and state.deferred is not None:
        yield state.deferred.trigger
    if schedule_is_due(state, settings, now):
        reason = f"{settings.schedule_days} days have passed since the last run"
        yield Trigger(kind=TriggerKind.SCHEDULE, reason=reason)
    if TriggerKind.LABELS.value in settings.triggers and facts.new_labels >= settings.new_labels:
        reason = f"{facts.new_labels} predictions have got labels since the last run"
        yield Trigger(kind=TriggerKind.LABELS, reason=reason)


def _held(state: LoopState) -> str:
    if state.lock is None:
        return ""
    return f"the run {state.lock.run} has been under way since {moment(state.lock.since)}; one runs at a time"


def _cooling(state: LoopState, settings: Retraining, now: datetime) -> str:
    last = state.runs[-1] if state.runs else None
    hours = settings.cooldown_hours
    if last is None or now - last.ended >= timedelta(hours=hours):
        return ""
    return f"the last run ended {moment(last.ended)}, and retraining.cooldown_hours is {hours:g}"


def _spent(state: LoopState, settings: Retraining, now: datetime) -> str:
    runs = sum(1 for record in training_runs(state) if now - record.started < MONTH)
    if runs < settings.runs_per_month:
        return ""
    return (
        f"{runs} runs began in the last {MONTH.days} days, and retraining.runs_per_month is {settings.runs_per_month}"
    )


def _unlabelled(facts: Facts, settings: Retraining) -> str:
    if facts.new_labels >= settings.minimum_labels:
        return ""
    return (
        f"{facts.new_labels} predictions have got labels since the last run, "
        f"and retraining.minimum_labels is {settings.minimum_labels}"
    )


def _unseen(facts: Facts, settings: Retraining) -> str:
    """Of the world as it was before, no model learns what has changed, and none can be proven better."""
    if facts.labels_since_alarm >= settings.minimum_labels:
        return ""
    return (
        f"{facts.labels_since_alarm} predictions made since the alarm have got labels, "
        f"and retraining.minimum_labels is {settings.minimum_labels}"
    )


def _listed(settings: Retraining) -> str:
    return ", ".join(settings.triggers) or "none"


def moment(time: datetime) -> str:
    """As people read it."""
    return f"{time:%Y-%m-%d %H:%M} UTC"
