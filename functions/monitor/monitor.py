"""One run of the monitor: what is new since the last one is read, counted, compared once there is enough, and told.

A run counts whole or not at all: it changes nothing until it has replaced the state, and what it has to tell lies in
that state until it is told (docs/decisions/monitor-state.md). NOW is the event's time, never the process's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from aws_lambda_powertools.logging import Logger

from functions.monitor.baselines import Baselines
from functions.monitor.coverage import Coverage
from functions.monitor.folding import Files, Folded, Order, Reading, fold_here
from functions.monitor.labels import LabelState
from functions.monitor.latest import advance_latest
from functions.monitor.listing import CapturedFile, Listing, list_new
from functions.monitor.metrics import WindowMetric
from functions.monitor.objects import Bucket
from functions.monitor.processing import Processing, ProcessingFailed
from functions.monitor.progress import absorbing, beginning, closing, covering, expected_rows, facing
from functions.monitor.publishing import Measurement, MetricsSink, Name, endpoint_change, measured, publish
from functions.monitor.settings import MonitorSettings
from functions.monitor.state import LostRace, Outbox, Pending, State, StateStore, Stored
from functions.monitor.surroundings import Surroundings
from functions.monitor.window import Closed, Counted, Model, close, window_id
from functions.shared.moments import read_moment
from model_packages.contract import PackageConfig
from model_packages.errors import OperatorError
from model_packages.interface import Interface
from model_packages.profile.tally import Tally

ENDPOINT_CHANGE = "SageMaker Endpoint State Change"

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one run."""

    outcome: Literal["closed", "open", "folding", "superseded", "endpoint"]
    """`open`: too few rows for a window; `folding`: by a processing job; `superseded`: another run was quicker."""
    window: str | None = None
    rows: int = 0
    """Of the window, closed or open."""
    unreadable: int = 0
    late: int = 0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("outcome", "window", "rows", "unreadable", "late")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Captured files that were folded together, and when they were listed."""

    folded: Folded
    files: Sequence[CapturedFile]
    listed: datetime
    by_job: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Everything with a side effect is handed in: botocore's clients, or doubles."""

    settings: MonitorSettings
    config: PackageConfig
    interface: Interface
    s3: Any
    cloudwatch: MetricsSink
    baselines: Baselines
    surroundings: Surroundings
    processing: Processing
    logger: Logger

    def handle(self, event: Event) -> Run:
        """What an event asks for: a look at what is new, or a note that the endpoint changes.

        Raises: OperatorError for an event without a time, and for whatever else an operator has to mend.
        """
        now = _time_of(event)
        if event.get("detail-type") == ENDPOINT_CHANGE:
            self._publish((endpoint_change(event, time=now),), now=now)
            return Run(outcome="endpoint")
        try:
            return self._look(now)
        except LostRace:
            return Run(outcome="superseded")

    def _look(self, now: datetime) -> Run:
        stored = self._store.read() or self._store.create(beginning(now, late=self._late))
        stored = self._tell(stored, now=now)  # what a run before this one decided, and did not live to tell
        model = self._model()
        stored = Stored(facing(stored.state, champion=model.champion, baseline=model.baseline), stored.etag)
        if stored.state.pending is not None:
            return self._look_at_job(stored, stored.state.pending, model=model, now=now)
        listing = self._list(stored.state)
        if expected_rows(stored.state, size_bytes=listing.size_bytes) > self.config.monitor.processing_rows:
            return self._hand_over(stored, listing, model=model, now=now)
        order = self._order(stored.state, new=listing.new, late=listing.late)
        folded = fold_here(order, baseline=model.baseline, files=self._files)
        batch = Batch(folded=folded, files=(*listing.new, *listing.late), listed=now)
        return self._count(stored, batch, model=model, now=now)

    def _look_at_job(self, stored: Stored, pending: Pending, *, model: Model, now: datetime) -> Run:
        """Goes on with a window that a job folds. Nothing else is read before it is done: windows keep their order."""
        try:
            outcome = self.processing.outcome(pending.job)
            folded = self.processing.result(pending.job) if outcome == "completed" else None
        except ProcessingFailed:
            again = replace(pending, job=self._job_name(stored, now))
            self._store.commit(stored.but(pending=again))  # the next run starts it; this one still says what happened
            raise
        if folded is not None:
            files = (*pending.files, *pending.late)
            batch = Batch(folded=folded, files=files, listed=pending.listed, by_job=True)
            return self._count(stored, batch, model=model, now=now)
        if outcome == "absent":
            self._start(stored, pending, model=model)
        return self._wait(stored, now=now)

    def _hand_over(self, stored: Stored, listing: Listing, *, model: Model, now: datetime) -> Run:
        """Has a job fold the window. Its name is committed first, so that whoever goes on from here knows it."""
        pending = Pending(job=self._job_name(stored, now), files=listing.new, late=listing.late, listed=now)
        stored = self._store.commit(stored.but(pending=pending))
        self._start(stored, pending, model=model)
        return self._wait(stored, now=now)

    def _start(self, stored: Stored, pending: Pending, *, model: Model) -> None:
        order = self._order(stored.state, new=pending.files, late=pending.late)
        self.processing.start(pending, order=order, baseline=model.baseline)

    def _wait(self, stored: Stored, *, now: datetime) -> Run:
        """Tells that the monitor runs, and that this run has closed no window."""
        self._publish(measured({WindowMetric.ROWS: 0}, time=now), now=now)
        return Run(outcome="folding", rows=stored.state.reading.rows)

    def _count(self, stored: Stored, batch: Batch, *, model: Model, now: datetime) -> Run:
        """Takes in what was folded, closes the window if it has enough rows, commits, and tells."""
        state = absorbing(
            replace(stored.state, pending=None),
            batch.folded,
            files=batch.files,
            baseline=model.baseline,
            listed=batch.listed,
            late=self._late,
        )
        rows = state.reading.rows
        state, closed = self._conclude(state, batch, model=model, now=now)
        self._tell(self._store.commit(Stored(state, stored.etag)), now=now)
        reading = batch.folded.reading
        return Run(
            outcome="closed" if closed else "open",
            window=closed.window if closed else None,
            rows=rows,
            unreadable=sum(reading.unreadable.values()),
            late=reading.late,
        )

    def _conclude(self, state: State, batch: Batch, *, model: Model, now: datetime) -> tuple[State, Closed | None]:
        """The state with all that this run has to tell, and the window if it closes."""
        coverage, covered = self.surroundings.coverage(state, listed=batch.listed)
        looked = self.surroundings.labels(state, model=model, now=now)
        at, closed = max(now, state.opened), None
        if state.tally is not None and state.reading.rows >= self.config.monitor.minimum_rows:
            counted = Counted(
                window=window_id(state.sequence + 1, at),
                tally=Tally.from_bytes(state.tally),
                reading=state.reading,
                closed=at,
                examples=state.examples,
                refused=self.surroundings.refused(state, until=at),
                coverage=coverage,
                set_aside=state.set_aside,
                quality=looked.quality if looked else None,
                folded_by_job=batch.by_job,
            )
            closed = close(counted, model=model, detectors=state.detectors, history=state.history)
            state = closing(state, closed, at=at)
        told = _of_each_run(batch.folded.reading, coverage=coverage, is_closed=closed is not None)
        outbox = Outbox(
            documents={**(looked.documents if looked else {}), **(closed.documents if closed else {})},
            latest=_latest(closed, sequence=state.sequence, at=at) if closed else None,
            measurements=(
                *measured(told, time=at),
                *(looked.measurements if looked else ()),
                *(closed.measurements if closed else ()),
            ),
        )
        labels = _labels(looked.state, is_told=closed is not None) if looked else state.labels
        return replace(covering(state, until=covered), labels=labels, outbox=outbox), closed

    def _tell(self, stored: Stored, *, now: datetime) -> Stored:
        """Writes and publishes what the state has to tell, and then notes that it is told."""
        outbox = stored.state.outbox
        if outbox is None:
            return stored
        for key, text in outbox.documents.items():
            self._bucket.put(key, text.encode())
        if outbox.latest is not None:
            bucket, endpoint = self.settings.captures_bucket, self.settings.endpoint_name
            advance_latest(self.s3, bucket=bucket, endpoint=endpoint, content=outbox.latest)
        self._publish(outbox.measurements, now=now)
        return self._store.commit(stored.but(outbox=None))

    def _publish(self, measurements: Sequence[Measurement], *, now: datetime) -> None:
        too_old = publish(self.cloudwatch, measurements, package=self.settings.package, now=now)
        if too_old:
            self.logger.warning("left out", extra={"cause": "CloudWatch takes no metric this old", "metrics": too_old})

    def _list(self, state: State) -> Listing:
        return list_new(
            self.s3,
            bucket=self.settings.captures_bucket,
            endpoint=self.settings.endpoint_name,
            seen=state.seen,
            watermark=state.watermark,
            late=self._late,
        )

    def _order(self, state: State, *, new: Sequence[CapturedFile], late: Sequence[CapturedFile]) -> Order:
        monitor = self.config.monitor
        return Order(
            files=tuple(new),
            late=tuple(late),
            known=state.seen.all_records(),
            block=monitor.block,
            block_minutes=monitor.block_minutes,
        )

    def _model(self) -> Model:
        champion = self.baselines.champion()
        return Model(
            endpoint=self.settings.endpoint_name,
            interface=self.interface,
            champion=champion,
            baseline=self.baselines.read(champion),
            config=self.config,
        )

    def _job_name(self, stored: Stored, now: datetime) -> str:
        return self.processing.name(sequence=stored.state.sequence + 1, now=now)

    @property
    def _late(self) -> timedelta:
        return timedelta(minutes=self.config.monitor.late_minutes)

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.s3, self.settings.captures_bucket)

    @property
    def _store(self) -> StateStore:
        return StateStore(s3=self.s3, bucket=self.settings.captures_bucket, endpoint=self.settings.endpoint_name)

    @property
    def _files(self) -> Files:
        return Files(get=self._bucket.get, put=self._bucket.put, endpoint=self.settings.endpoint_name)


def _of_each_run(reading: Reading, *, coverage: Coverage | None, is_closed: bool) -> dict[Name, float | None]:
    """What every run tells. 0 rows where it closes no window: there is no evidence then, and the monitor runs."""
    return {
        **({} if is_closed else {WindowMetric.ROWS: 0}),
        WindowMetric.UNREADABLE: sum(reading.unreadable.values()),
        WindowMetric.LATE: reading.late,
        WindowMetric.COVERAGE: coverage.value if coverage else None,
    }


def _labels(state: LabelState, *, is_told: bool) -> dict[str, Any]:
    """What is kept of labels. A quality that a window has told is not told by the next one."""
    return (replace(state, untold=None) if is_told else state).to_json()


def _latest(closed: Closed, *, sequence: int, at: datetime) -> Mapping[str, Any]:
    documents = sorted(closed.documents)
    return {"window": closed.window, "sequence": sequence, "closed": at.isoformat(), "documents": documents}


def _time_of(event: Event) -> datetime:
    text = event.get("time")
    try:
        return read_moment(str(text)).astimezone(UTC)
    except ValueError:
        raise OperatorError(f"the event's time: found {text!r}; allowed: one like 2026-02-14T17:25:06Z") from None
