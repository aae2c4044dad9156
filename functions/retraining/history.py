"""What `flyball history` shows: a row for each run, and what is under way, waits, or was not acted on. Pure."""

from __future__ import annotations

from typing import Any

from functions.retraining.loop_state import LoopState, RunRecord
from functions.retraining.promotion import previous_champion
from functions.shared.champion import label_of


def history(state: LoopState) -> dict[str, Any]:
    """JSON values, newest first. A value is None where there is nothing to say."""
    return {
        "running": _running(state),
        "waiting": _waiting(state),
        "approval": _approval(state),
        "champion": label_of(state.champions[-1].arn) if state.champions else None,
        "previous": previous_champion(state),
        "runs": [_row(record) for record in reversed(state.runs)],
        "champions": [
            {
                "version": label_of(record.arn),
                "arn": record.arn,
                "config": record.config,
                "since": record.since.isoformat(),
                "run": record.run or None,
            }
            for record in reversed(state.champions)
        ],
        "skipped": [
            {"at": skipped.at.isoformat(), "trigger": skipped.kind.value, "why": skipped.reason}
            for skipped in reversed(state.skipped)
        ],
    }


def _row(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.run,
        "started": record.started.isoformat(),
        "ended": record.ended.isoformat(),
        "trigger": record.kind.value,
        "trigger_reason": record.why or None,
        "outcome": record.outcome.value,
        "version": label_of(record.version) if record.version else None,
        "arn": record.version or None,
        "champion": label_of(record.champion) if record.champion else None,
        "metric": record.metric or None,
        "champion_metric": record.champion_metric,
        "challenger_metric": record.challenger_metric,
        "alarm": record.alarm or None,
        "why": record.summary,
        "reasons": [
            {"rule": each.rule, "passed": each.passed, "found": each.found, "allowed": each.allowed}
            for each in record.reasons
        ],
        "manifest_uri": record.manifest_uri or None,
    }


def _running(state: LoopState) -> dict[str, Any] | None:
    if state.lock is None:
        return None
    lock = state.lock
    return {
        "run": lock.run,
        "since": lock.since.isoformat(),
        "trigger": lock.trigger.kind.value,
        "phase": lock.phase,
        "execution": lock.execution,
    }


def _waiting(state: LoopState) -> dict[str, Any] | None:
    if state.deferred is None:
        return None
    deferred = state.deferred
    return {"trigger": deferred.trigger.kind.value, "since": deferred.since.isoformat(), "why": deferred.reason}


def _approval(state: LoopState) -> dict[str, Any] | None:
    """Without the token: who may answer reads it from the state itself."""
    if state.approval is None:
        return None
    approval = state.approval
    return {"run": approval.run, "version": label_of(approval.version), "asked": approval.asked.isoformat()}
