"""Makes a run's record of what the state machine knows at its end, and says what a run's end changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.retraining.failures import TIMEOUT, explain
from functions.retraining.loop_state import Deferred, Lock, LoopState, Outcome, Reason, RunRecord, Skipped
from functions.retraining.triggers import BY_ALARM, Trigger, TriggerKind
from functions.shared.champion import NO_CHAMPION, label_of
from model_packages.errors import OperatorError
from model_packages.evidence import Evidence

MAXIMUM_SUMMARY_CHARACTERS = 600
MAXIMUM_RULE_CHARACTERS = 200
AGAIN = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.REJECTED)
"""After these an alarm's trigger waits for another run, unless a person refused this one."""

Facts = Mapping[str, Any]
"""What the state machine has gathered; each may be absent or null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a run ended."""

    run: str
    outcome: Outcome
    facts: Facts
    now: datetime


def record_of(end: End, state: LoopState, *, evidence: Evidence | None = None, restores: bool = False) -> RunRecord:
    """The state is that from before the end."""
    lock = state.lock if state.is_held_by(end.run) else None
    trigger = lock.trigger if lock else _trigger(end.facts)
    version = version_of(end.facts) or trigger.rollback_to
    compared = evidence.compared if evidence else None
    return RunRecord(
        run=end.run,
        kind=trigger.kind,
        why=why(trigger),
        started=lock.since if lock else end.now,
        ended=end.now,
        outcome=end.outcome,
        summary=summary_of(end, state, version=version)[:MAXIMUM_SUMMARY_CHARACTERS],
        version=version,
        number=_number(version),
        champion=lock.champion if lock else _text(end.facts.get("champion") or {}, "arn"),
        alarm=_text(end.facts, "alarm"),
        reasons=reasons_of(end.facts),
        metric=evidence.compare if evidence else "",
        champion_metric=compared.champion if compared else None,
        challenger_metric=compared.challenger if compared else None,
        manifest_uri=str((end.facts.get("data") or {}).get("manifest_uri", "")),
        rolls_back=trigger.rolls_back,
        labels=lock.labels if lock else None,
        restores=restores,
    )


def with_end(state: LoopState, record: RunRecord, *, waits_again: bool) -> LoopState:
    """With the run's record, and without its lock, its question and the trigger that it acted on. Twice is once.

    `waits_again`: an alarm's trigger waits for another run, which begins if the alarm is still there.
    """
    if state.record_of(record.run) is not None:
        return state
    lock = state.lock if state.lock and state.lock.run != record.run else None
    approval = state.approval if state.approval and state.approval.run != record.run else None
    deferred = _deferred_after(state, record, waits_again=waits_again)
    ended = replace(state.with_run(record), lock=lock, approval=approval, deferred=deferred)
    own = state.lock if state.is_held_by(record.run) else None
    if own is None or deferred is None or own.trigger.kind not in BY_ALARM or not waits_again:
        return ended
    if not _gives_way(state, own):
        return ended
    reason = f"the trigger {deferred.trigger.kind} waits in its place: {deferred.reason}"
    return ended.with_skipped(Skipped(at=record.ended, kind=own.trigger.kind, reason=reason, run=record.run))


def waits_again(end: End) -> bool:
    """Whether another run may do better: with other labels, or once what failed is mended."""
    return end.outcome in AGAIN and not _is_refused(end)


def why(trigger: Trigger) -> str:
    """Why the run began, in a few words."""
    by = f"by {trigger.by}" if trigger.by else ""
    return ", ".join(part for part in (trigger.reason, trigger.alarm, by) if part)


def version_of(facts: Facts) -> str:
    """The version's ARN, whether the state machine has it alone or with its number; empty before there is one."""
    version = facts.get("version") or ""
    return str(version.get("version", "")) if isinstance(version, Mapping) else str(version)


def summary_of(end: End, state: LoopState, *, version: str) -> str:
    """One sentence, which quotes no request, no label and no line of a container's log."""
    label = _label(version)
    decision, reason = _text(end.facts.get("decision") or {}, "summary"), _text(end.facts, "reason")
    if end.outcome is Outcome.PROMOTED:
        return f"{label} serves" + (f": {decision}" if decision else "")
    if end.outcome is Outcome.ROLLED_BACK:
        alarm = _text(end.facts, "alarm")
        told = f"the alarm {alarm}" if alarm else reason or "SageMaker, which does not tell why"
        return f"{label} was rolled back by {told}; the champion serves"
    if end.outcome is Outcome.REJECTED:
        return _rejected(end, label=label, decision=decision, reason=reason)
    return _unfinished(end, state, label=label, reason=reason)


def _rejected(end: End, *, label: str, decision: str, reason: str) -> str:
    if _is_refused(end):
        return f"{label} was not approved" + (f": {reason}" if reason else "")
    problems = [str(problem) for problem in (end.facts.get("check") or {}).get("problems") or ()]
    if problems:
        more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
        return f"the training data were stopped: {problems[0]}{more}"
    return decision or reason or "the challenger was rejected"


def _unfinished(end: End, state: LoopState, *, label: str, reason: str) -> str:
    error, cause = _text(end.facts, "error"), _text(end.facts, "cause")
    if error == TIMEOUT and state.approval is not None and state.approval.run == end.run:
        return f"nobody approved {label} in time"
    if error or cause:
        return explain(error, cause).sentence
    if end.outcome is Outcome.TIMED_OUT:
        return reason or f"the rollout of {label} did not end in time"
    return reason or "it ended without saying why"


def _label(version: str) -> str:
    if not version:
        return "the challenger"
    return "the initial version" if version == NO_CHAMPION else f"version {label_of(version)}"


def _deferred_after(state: LoopState, record: RunRecord, *, waits_again: bool) -> Deferred | None:
    """What waits once this run has ended."""
    lock = state.lock
    if lock is None or lock.run != record.run or lock.trigger.kind not in BY_ALARM:
        return state.deferred
    if _gives_way(state, lock):
        return state.deferred
    if not waits_again:
        return None
    since = state.deferred.since if state.deferred else record.started
    reason = f"the run {record.run} ended as {record.outcome}"
    return Deferred(trigger=lock.trigger, since=since, reason=reason, run=record.run)


def _gives_way(state: LoopState, lock: Lock) -> bool:
    """Whether a trigger of another kind came while the run was under way: the newest waits."""
    return state.deferred is not None and state.deferred.trigger.kind is not lock.trigger.kind


def _is_refused(end: End) -> bool:
    """Whether a person did not approve what the gate would have promoted."""
    decision = end.facts.get("decision") or {}
    return end.outcome is Outcome.REJECTED and bool(decision.get("promote"))


def _trigger(facts: Facts) -> Trigger:
    """Of a run that never got the lock."""
    try:
        return Trigger.from_json(facts.get("trigger") or {})
    except OperatorError:  # which is why it never got it
        return Trigger(kind=TriggerKind.MANUAL)


def reasons_of(facts: Facts) -> tuple[Reason, ...]:
    found = (facts.get("decision") or {}).get("reasons") or ()
    return tuple(
        Reason(
            rule=_short(reason.get("rule")),
            passed=bool(reason.get("passed")),
            found=_short(reason.get("found")),
            allowed=_short(reason.get("allowed")),
        )
        for reason in found
    )


def _short(value: Any) -> str:
    return str(value)[:MAXIMUM_RULE_CHARACTERS]


def _number(version: str) -> int | None:
    last = version.rpartition("/")[2]
    return int(last) if last.isdigit() else None


def _text(facts: Facts, name: str) -> str:
    value = facts.get(name)
    return "" if value is None else str(value)
