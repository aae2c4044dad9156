"""Ends runs whose execution is over and which nobody concluded: stopped by hand, timed out, or lost with the cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.retraining.concluding import Concluding
from functions.retraining.executions import Ended, ExecutionReader, describe
from functions.retraining.jobs import JobStopper, job_name, stop_jobs
from functions.retraining.loop_state import Lock, LoopState, LoopStore, Outcome, RunRecord
from functions.retraining.recording import End
from functions.retraining.settings import RetrainingSettings

DETAIL_TYPE = "Step Functions Execution Status Change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Of one package."""

    store: LoopStore
    states: ExecutionReader
    sagemaker: JobStopper
    concluding: Concluding
    settings: RetrainingSettings

    def settle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """EventBridge's event: an execution has ended. Does nothing where its run was concluded and told."""
        detail = event["detail"]
        now = datetime.fromisoformat(event["time"])
        ended = Ended(status=detail["status"], error=detail.get("error") or "", cause=detail.get("cause") or "")
        state = self.store.read()
        if not ended.is_running and state.lock is not None and state.lock.execution == detail["executionArn"]:
            record = self._end(state.lock, ended, now)
            return {"settled": True, "outcome": record.outcome.value, "summary": record.summary}
        self.concluding.telling.tell(now=now)
        return {"settled": False}

    def release(self, *, now: datetime) -> LoopState:
        """The state, in which no lock of an execution that is over is left."""
        state = self.store.read()
        if state.lock is None or (ended := describe(self.states, state.lock.execution)).is_running:
            return state
        self._end(state.lock, ended, now)
        return self.store.read()

    def _end(self, lock: Lock, ended: Ended, now: datetime) -> RunRecord:
        stop_jobs(self.sagemaker, name=job_name(self.settings.endpoint_name, lock.run))
        return self.concluding.end(_end_of(lock, ended, now))


def _end_of(lock: Lock, ended: Ended, now: datetime) -> End:
    facts: dict[str, Any] = {"trigger": lock.trigger.to_json()}
    if ended.status == "TIMED_OUT":
        facts |= {"reason": "the whole run took longer than it may"}
        return End(run=lock.run, outcome=Outcome.TIMED_OUT, facts=facts, now=now)
    if ended.status == "FAILED" and ended.cause:
        return End(run=lock.run, outcome=Outcome.FAILED, facts={**facts, **_told(ended)}, now=now)
    words = {
        "ABORTED": "its execution was stopped",
        "ABSENT": "its execution is gone",
    }.get(ended.status, f"its execution ended as {ended.status} before the run was concluded")
    by = f": {ended.cause or ended.error}" if ended.cause or ended.error else ""
    return End(run=lock.run, outcome=Outcome.FAILED, facts={**facts, "reason": f"{words}{by}"}, now=now)


def _told(ended: Ended) -> dict[str, str]:
    return {"error": ended.error, "cause": ended.cause}
