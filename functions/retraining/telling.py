"""Tells how runs ended: metrics, the notification, and the run that puts the champion back where that is needed.

What is to be told is in the loop's state first. Whoever looks next tells what a process before it did not live to tell,
so that nothing is lost; people may hear something twice, where a process dies between telling and noting it, or where
two look at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import BotoCoreError, ClientError

from functions.monitor.publishing import Measurement, MetricsSink, publish
from functions.retraining import notices
from functions.retraining.failure_reports import FailureReports
from functions.retraining.loop_state import UNFINISHED, LoopState, LoopStore, Outcome, RunRecord
from functions.retraining.metrics import RetrainingMetric
from functions.retraining.notices import Notice
from functions.retraining.restoring import Restoring
from functions.retraining.settings import RetrainingSettings
from model_packages.errors import FlyballError

METRIC_OF: Mapping[Outcome, RetrainingMetric] = {
    Outcome.PROMOTED: RetrainingMetric.PROMOTED,
    Outcome.REJECTED: RetrainingMetric.REJECTED,
    Outcome.ROLLED_BACK: RetrainingMetric.ROLLED_BACK,
    Outcome.FAILED: RetrainingMetric.FAILED,
    Outcome.TIMED_OUT: RetrainingMetric.TIMED_OUT,
}


class Topic(Protocol):
    """As much of botocore's SNS client as is needed."""

    def publish(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Of one package."""

    store: LoopStore
    sns: Topic
    cloudwatch: MetricsSink
    failures: FailureReports
    restoring: Restoring
    settings: RetrainingSettings
    logger: Logger

    def tell(self, *, now: datetime) -> None:
        """Tells of every run of which nobody was told yet, oldest first. One that cannot be told stays owed, and keeps
        none after it back, unless AWS does not answer.

        Raises: what the first of those raised, at the end.
        """
        failed: list[Exception] = []
        for record in self.store.read().runs:
            if record.told:
                continue
            try:
                self._tell(record, now=now)
            except Exception as error:  # noqa: BLE001 - whatever it is, the runs after it are told, and it is raised
                self.logger.error("could not tell of a run", extra={"run": record.run, "cause": _cause(error)})  # noqa: TRY400
                failed.append(error)
                if isinstance(error, BotoCoreError):  # nobody answers: each later run would wait as long for nothing
                    break
        if failed:
            raise failed[0]

    def send(self, notice: Notice) -> None:
        self.sns.publish(TopicArn=self.settings.topic_arn, Subject=notice.subject, Message=notice.text)

    def count_skipped(self, *, now: datetime) -> None:
        self._publish(Measurement(RetrainingMetric.SKIPPED.value, 1.0, now), now=now)

    def _tell(self, record: RunRecord, *, now: datetime) -> None:
        if record.restores:
            self.restoring.start(record)
        seconds = (record.ended - record.started).total_seconds()
        self._publish(
            Measurement(METRIC_OF[record.outcome].value, 1.0, record.ended),
            Measurement(RetrainingMetric.SECONDS.value, seconds, record.ended),
            now=now,
        )
        failure = self.failures.read(record.run) if record.outcome in UNFINISHED else None
        self.send(notices.ended(record, package=self.settings.package, failure=failure))
        self.store.change(lambda state: _as_told(state, record.run))

    def _publish(self, *measurements: Measurement, now: datetime) -> None:
        publish(self.cloudwatch, measurements, package=self.settings.package, now=now)


def _cause(error: Exception) -> str:
    """Not another error's message: it may quote what a report quotes."""
    is_sayable = isinstance(error, BotoCoreError | ClientError | FlyballError)
    return str(error) if is_sayable else type(error).__qualname__


def _as_told(state: LoopState, run: str) -> LoopState:
    runs = tuple(replace(record, told=True) if record.run == run else record for record in state.runs)
    return replace(state, runs=runs)
