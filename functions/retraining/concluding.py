"""Ends a run: cleans up after it, writes down how it ended, gives the lock back, and has people told.

The step may come twice, and the process may die at any point of it: the record and the lock change together or not at
all, what comes before them does no harm twice, and what comes after is owed until it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from functions.monitor.objects import Bucket
from functions.retraining.failure_reports import FailureReports
from functions.retraining.loop_state import UNFINISHED, ChampionRecord, LoopState, LoopStore, Outcome, RunRecord
from functions.retraining.recording import End, record_of, waits_again, with_end
from functions.retraining.restoring import Restoring
from functions.retraining.telling import Telling
from functions.retraining.unfinished import Unfinished
from functions.shared import layout
from model_packages.errors import OperatorError
from model_packages.evidence import EVIDENCE, Evidence


class Remover(Protocol):
    """Removes models and endpoint configs that a run made and nobody needs any more; says which."""

    def remove(self, state: LoopState, *, run: str) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluding:
    """Of one package."""

    store: LoopStore
    bucket: Bucket
    aws_name: str
    failures: FailureReports
    leftovers: Remover
    restoring: Restoring
    unfinished: Unfinished
    telling: Telling
    logger: Logger

    def conclude(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The step: `{"outcome", "summary"}` of the run, as it was concluded first."""
        end = End(
            run=event["run"],
            outcome=_outcome(event["outcome"]),
            facts=event.get("facts") or {},
            now=datetime.fromisoformat(event["now"]),
        )
        record = self.end(end)
        return {"outcome": record.outcome.value, "summary": record.summary}

    def end(self, end: End) -> RunRecord:
        """Concludes a run, however it ended."""
        record = self.store.read().record_of(end.run) or self._write_down(end)
        try:
            self.telling.tell(now=end.now)
        except (BotoCoreError, ClientError) as error:
            # How the run ended does not hang on the mail; whoever looks next sends it.
            self.logger.error("could not tell how a run ended", extra={"cause": str(error)})  # noqa: TRY400
        return record

    def _write_down(self, end: End) -> RunRecord:
        state = self.store.read()
        promoted = self.unfinished.promoted(state, end)
        if promoted is not None:
            end = replace(end, outcome=Outcome.PROMOTED, facts={**end.facts, "version": promoted.arn})
            state = state.with_champion(promoted)
        restores = end.outcome in UNFINISHED and self.restoring.is_needed(state, end.run)
        if end.outcome in UNFINISHED:
            self._without_harm("write down what failed", lambda: self.failures.write(end.run, end.facts))
        if not restores:  # else the run that puts the champion back removes what is left
            self._without_harm("remove what is left", lambda: self.leftovers.remove(state, run=end.run))
        record = record_of(end, state, evidence=self._evidence(end.run), restores=restores)
        changed = self.store.change(lambda now: _ended(now, record, promoted, waits_again=waits_again(end)))
        return changed.record_of(end.run) or record

    def _evidence(self, run: str) -> Evidence | None:
        """What the evaluation found; None where the run did not come to it."""
        content = self.bucket.find(layout.evaluation_prefix(self.aws_name, run) + EVIDENCE)
        try:
            return Evidence.from_json(content) if content else None
        except OperatorError as error:
            self.logger.warning("could not read the evidence", extra={"cause": str(error)})
            return None

    def _without_harm(self, what: str, act: Any) -> None:
        """A run that cannot clean up after itself still ends, and the next one cleans up."""
        try:
            act()
        except (BotoCoreError, ClientError) as error:
            self.logger.warning(f"could not {what}", extra={"cause": str(error)})


def _ended(state: LoopState, record: RunRecord, promoted: ChampionRecord | None, *, waits_again: bool) -> LoopState:
    if promoted is not None and state.is_held_by(record.run):
        state = state.with_champion(promoted)
    return with_end(state, record, waits_again=waits_again)


def _outcome(value: Any) -> Outcome:
    if value not in {each.value for each in Outcome}:
        raise OperatorError(f"outcome: found {value!r}; allowed: {', '.join(Outcome)}")
    return Outcome(value)
