"""Decides on a trigger and takes the lock for its run. Called twice for the same run, it answers the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from functions.retraining.admission import Admission, decide, moment
from functions.retraining.champion import Champion, Champions
from functions.retraining.facts import FactsSource, Gathered
from functions.retraining.jobs import job_name
from functions.retraining.loop_state import (
    Deferred,
    LabelCount,
    Lock,
    LoopState,
    LoopStore,
    LostRaces,
    Skipped,
)
from functions.retraining.settings import RetrainingSettings
from functions.retraining.settling import Settling
from functions.retraining.telling import Telling
from functions.retraining.triggers import BY_ALARM, Trigger
from model_packages.contract import PackageConfig

ATTEMPTS = 5
"""At deciding: facts are gathered for one state, and count for no other."""


class Moved(Exception):
    """The state is not the one that the facts were gathered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call of the step."""

    run: str
    execution: str
    trigger: Trigger
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitting:
    """Of one package."""

    store: LoopStore
    facts: FactsSource
    champions: Champions
    settling: Settling
    telling: Telling
    settings: RetrainingSettings
    config: PackageConfig
    logger: Logger

    def admit(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The step: what the run is to do, or `{"admitted": false, "reason"}`."""
        asked = Asked(
            run=event["run"],
            execution=event["execution"],
            trigger=Trigger.from_json(event.get("trigger") or {}),
            now=datetime.fromisoformat(event["now"]),
        )
        self._tell_what_is_owed(asked.now)
        for _ in range(ATTEMPTS):
            state = self.settling.release(now=asked.now)
            champion = self.champions.now()
            if (answer := self._known(state, asked.run, champion)) is not None:
                return answer
            try:
                return self._decide(state, asked, champion)
            except Moved:
                continue
        raise LostRaces(f"the loop's state changed {ATTEMPTS} times while the facts were gathered")

    def _decide(self, state: LoopState, asked: Asked, champion: Champion) -> dict[str, Any]:
        """Raises: Moved if somebody else was quicker."""
        asked = replace(asked, trigger=since_when(state, asked.trigger, now=asked.now))
        gathered = self.facts.gather(state, asked.trigger, champion=champion, now=asked.now)
        admission = decide(state, asked.trigger, facts=gathered.facts, settings=self.config.retraining, now=asked.now)
        self.logger.info(
            "decided", extra={"verdict": admission.verdict, "kind": admission.trigger.kind, "why": admission.reason}
        )
        changed = _changed(state, admission, asked=asked, champion=champion, gathered=gathered)
        self.store.change(lambda found: _only_from(state, found, changed))
        if admission.verdict == "skipped":
            self.telling.count_skipped(now=asked.now)
        if changed.lock is not None and admission.verdict == "admitted":
            return self._admitted(changed.lock, champion)
        return _refused(admission.reason)

    def _known(self, state: LoopState, run: str, champion: Champion) -> dict[str, Any] | None:
        """The answer that this run got before; None where it is new."""
        if state.lock is not None and state.lock.run == run:
            return self._admitted(state.lock, champion)
        if (record := state.record_of(run)) is not None:
            return _refused(f"the run has ended as {record.outcome}: {record.summary}")
        reasons = [each.reason for each in state.skipped if each.run == run]
        if state.deferred is not None and state.deferred.run == run:
            reasons.append(state.deferred.reason)
        return _refused(reasons[-1]) if reasons else None

    def _admitted(self, lock: Lock, champion: Champion) -> dict[str, Any]:
        version = {"version": lock.trigger.rollback_to} if lock.trigger.rolls_back else {}
        return {
            "admitted": True,
            "rolls_back": lock.trigger.rolls_back,
            "trigger": lock.trigger.to_json(),
            "job": job_name(self.settings.endpoint_name, lock.run),
            "champion": {"arn": champion.arn, "model_uri": champion.model_uri, "label": champion.label},
            **version,
        }

    def _tell_what_is_owed(self, now: datetime) -> None:
        """Of runs before this one. What cannot be told now stays owed."""
        try:
            self.telling.tell(now=now)
        except (BotoCoreError, ClientError) as error:
            self.logger.error("could not tell how a run ended", extra={"cause": str(error)})  # noqa: TRY400


def since_when(state: LoopState, trigger: Trigger, *, now: datetime) -> Trigger:
    """An alarm's trigger with the moment at which an alarm first asked: now, unless it joins one that waits already."""
    if trigger.kind not in BY_ALARM or trigger.since:
        return trigger
    joined = _joined(state, trigger)
    return replace(trigger, since=(joined.trigger.since if joined else "") or now.isoformat())


def _changed(
    state: LoopState, admission: Admission, *, asked: Asked, champion: Champion, gathered: Gathered
) -> LoopState:
    """What the decision makes of the state."""
    begun = replace(state, begun=state.begun or asked.now)
    if admission.dropped and begun.deferred is not None:
        dropped = Skipped(
            at=asked.now, kind=begun.deferred.trigger.kind, reason=admission.dropped, run=begun.deferred.run
        )
        begun = replace(begun.with_skipped(dropped), deferred=None)
    if admission.waits and begun.deferred is not None:
        begun = replace(begun, deferred=replace(begun.deferred, reason=admission.waits))
    if admission.verdict == "admitted":
        if admission.trigger.kind in BY_ALARM and begun.deferred is not None:
            begun = replace(begun, deferred=replace(begun.deferred, trigger=admission.trigger))  # its run answers both
        return replace(begun, lock=_lock(admission, asked, champion=champion, labels=gathered.labels))
    if admission.verdict == "skipped":
        skipped = Skipped(at=asked.now, kind=asked.trigger.kind, reason=admission.reason, run=asked.run)
        return begun.with_skipped(skipped)
    return _deferring(begun, admission, asked) if admission.verdict == "deferred" else begun


def _lock(admission: Admission, asked: Asked, *, champion: Champion, labels: LabelCount | None) -> Lock:
    return Lock(
        run=asked.run,
        execution=asked.execution,
        since=asked.now,
        trigger=admission.trigger,
        champion=champion.arn,
        labels=labels,
    )


def _joined(state: LoopState, trigger: Trigger) -> Deferred | None:
    """The alarm's trigger that waits and whose run will answer this one too.

    A run that is under way answers what waited for it, and perhaps not what comes meanwhile.
    """
    waiting = state.deferred
    if waiting is None or (state.lock is not None and waiting.trigger.kind is not trigger.kind):
        return None
    return waiting


def _deferring(state: LoopState, admission: Admission, asked: Asked) -> LoopState:
    """One trigger waits: the first, or the newest beside a run. The other one gives way, with the reason."""
    before, joined, kind = state.deferred, _joined(state, asked.trigger), asked.trigger.kind
    if joined is not None and joined.trigger.kind is not kind:
        waits = f"the trigger {joined.trigger.kind} has waited since {moment(joined.since)}, and its run answers both"
        skipped = Skipped(at=asked.now, kind=kind, reason=f"{waits}: {admission.reason}", run=asked.run)
        return replace(state.with_skipped(skipped), deferred=replace(joined, reason=admission.reason))
    if before is not None and joined is None:
        reason = f"the trigger {kind} waits in its place: {admission.reason}"
        state = state.with_skipped(Skipped(at=asked.now, kind=before.trigger.kind, reason=reason, run=before.run))
    since = joined.since if joined else asked.now
    return replace(state, deferred=Deferred(trigger=asked.trigger, since=since, reason=admission.reason, run=asked.run))


def _only_from(expected: LoopState, found: LoopState, changed: LoopState) -> LoopState:
    if found != expected:
        raise Moved
    return changed


def _refused(reason: str) -> dict[str, Any]:
    return {"admitted": False, "reason": reason}
