"""Joins labels with the predictions that they are for, an hour of predictions at a time.

An hour that got new labels is joined anew as a whole, so that it does not matter how often, or in which order, labels
come. Nothing is written but what could not be read: documents and state go out with the run that made them, or not at
all (docs/decisions/monitor-state.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from functions.monitor.captures import Unreadable
from functions.monitor.folding import READERS, Block, block_keys, unreadable_key, unreadable_lines
from functions.monitor.joining import HOUR, Join, Pair, Source, pair
from functions.monitor.label_lines import newest
from functions.monitor.listing import start_of
from functions.monitor.objects import Bucket
from functions.monitor.quality_hours import HourRecord
from functions.monitor.seen import record_digests
from functions.shared import layout
from model_packages.profile.quality import Judge, Labelled, QualityTally

HOURS_A_RUN = 48
"""Joined at most in one run; the others come next, and none is passed over."""


@dataclass(frozen=True, slots=True)
class HourMark:
    """What is known of one hour's files of labels: a digest of their names, and labels without a prediction."""

    digest: str
    unmatched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelState:
    """What the monitor remembers of labels between runs."""

    hours: Mapping[str, HourMark] = field(default_factory=dict)
    cursor: str = ""
    """The hour that was joined last; the next run goes on behind it, so that no hour waits for ever."""
    judged_by: str = ""
    """How predictions were judged; another way joins every hour anew."""
    version: str = ""
    since: str = ""
    """The hour in which this version was first seen: earlier predictions may be another's. Empty: it is the first."""
    detector: Mapping[str, Any] | None = None
    """The sequential test on the losses, as decision.py writes it."""
    recent: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The tallies of the hours that the recent quality is of, so that a look reads none of them again."""
    untold: Mapping[str, Any] | None = None
    """The newest live quality that no window has told yet, as quality.py writes it."""

    def facing(self, *, version: str, judged_by: str, now: datetime) -> LabelState:
        """The state with this version in service. Another one begins without evidence."""
        state = self
        if version != state.version:
            since = layout.hour_path(now) if state.version else ""
            state = replace(state, version=version, since=since, detector=None, untold=None)
        if judged_by == state.judged_by:
            return state
        return replace(state, judged_by=judged_by, hours={}, detector=None, recent={}, untold=None)

    def to_json(self) -> dict[str, Any]:
        hours = {hour: [mark.digest, mark.unmatched] for hour, mark in sorted(self.hours.items())}
        return {**{each.name: getattr(self, each.name) for each in fields(self)}, "hours": hours}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        hours = {hour: HourMark(digest, unmatched) for hour, (digest, unmatched) in document["hours"].items()}
        return cls(**{**document, "hours": hours})


@dataclass(frozen=True, slots=True)
class Joined:
    """What a look at the labels came to."""

    state: LabelState
    records: tuple[HourRecord, ...]
    """Of the hours that were joined anew."""
    losses: NDArray[np.float64]
    """Of predictions of this version that had no label before, each once."""
    blocks: NDArray[np.int64]
    """Of the same predictions, which of them are one observation together."""
    fresh: int
    """Predictions that had no label before, whichever version made them."""
    recent: QualityTally
    """The newest labelled predictions of this version; none where no hour was joined anew."""
    since: datetime | None
    """They begin here."""

    @property
    def unmatched(self) -> int:
        """Labels, of the hours that were joined anew, whose prediction was not captured."""
        return sum(record.unmatched for record in self.records)

    @property
    def unreadable(self) -> int:
        """Lines, of the same hours, that are no labels."""
        return sum(record.unreadable for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJoin:
    """Reads labels and captures of one endpoint. `late` is how long a capture may take to appear."""

    s3: Any
    bucket_name: str
    endpoint: str
    judge: Judge
    label_days: int
    late: timedelta
    block: Block
    block_minutes: int
    recent_rows: int
    """Of so many labelled predictions the recent quality is, where there are as many."""

    def look(self, state: LabelState, *, version: str, now: datetime) -> Joined:
        """Joins what is new. The same state and the same objects give the same result."""
        state = state.facing(version=version, judged_by=repr(self.judge), now=now)
        files = self._source.list_labels(since=layout.hour_path(now - timedelta(days=self.label_days) - HOUR))
        due = _due(state, digests={hour: _digest(each) for hour, each in files.items()}, retry=self._retry(now))
        if not due:
            hours = {hour: mark for hour, mark in state.hours.items() if hour in files}
            return self._without_news(replace(state, hours=hours))
        with ThreadPoolExecutor(READERS) as pool:
            records = [self._join(hour, files[hour], pool=pool) for hour in due]
        befores = [self._read_record(hour) if hour in state.hours else None for hour in due]
        marks = {record.hour: HourMark(_digest(files[record.hour]), record.unmatched) for record in records}
        hours = {hour: mark for hour, mark in {**state.hours, **marks}.items() if hour in files}
        state = replace(state, hours=hours, cursor=due[-1])
        news = [record.are_new(before) for record, before in zip(records, befores, strict=True)]
        own = [(record, new) for record, new in zip(records, news, strict=True) if record.hour > state.since]
        tallies = self._recent(state, {record.hour: record.tally for record in records})
        recent, since = self._sum(tallies)
        return Joined(
            state=replace(state, recent={hour: tally.to_json() for hour, tally in tallies.items()}),
            records=tuple(records),
            losses=np.concatenate([np.empty(0), *(record.losses[new] for record, new in own)]),
            blocks=np.concatenate([np.empty(0, np.int64), *(record.blocks[new] for record, new in own)]),
            fresh=sum(int(new.sum()) for new in news),
            recent=recent,
            since=since,
        )

    def _without_news(self, state: LabelState) -> Joined:
        nothing, no_blocks = np.empty(0), np.empty(0, np.int64)
        return Joined(state, (), losses=nothing, blocks=no_blocks, fresh=0, recent=self.judge.empty(), since=None)

    def _retry(self, now: datetime) -> str:
        """From this hour on, a prediction that is not captured yet may still be."""
        return layout.hour_path(now - self.late - HOUR)

    def _join(self, hour: str, files: Sequence[Source], *, pool: ThreadPoolExecutor) -> HourRecord:
        found = self._source.labels(files, pool=pool)
        labels = newest(found.labels)
        wanted = {inference_id for inference_id, _ in labels}
        captures = self._source.captures(hour, wanted, pool=pool)
        pairs, unmatched = pair(labels, {capture.inference_id: capture for capture in captures})
        judged = self.judge.judge(_labelled(pairs))
        self._keep(hour, found.unreadable)
        return HourRecord(
            hour=hour,
            labels=len(labels),
            repeated=len(found.labels) - len(labels),
            unreadable=sum(map(len, found.unreadable.values())),
            unmatched=unmatched,
            skipped=judged.skipped,
            tally=judged.tally,
            digests=record_digests(judged.keys),
            losses=judged.losses,
            blocks=self._blocks(judged.keys, {each.key: each for each in pairs}),
            metrics=self.judge.metrics(judged.tally),
        )

    def _keep(self, hour: str, unreadable: Mapping[str, Sequence[Unreadable]]) -> None:
        """Writes down what is no label."""
        for source, lines in unreadable.items():
            kept = unreadable_key(self.endpoint, source=source, hour=hour, kind="labels-")
            self._bucket.put(kept, unreadable_lines(lines, source=source))

    def _blocks(self, keys: Sequence[str], pairs: Mapping[str, Pair]) -> NDArray[np.int64]:
        """int64[rows]: as the monitor counts the rows of a window in blocks."""
        single = [pairs[key].capture._replace(rows=({},)) for key in keys]
        blocks = block_keys(single, block=self.block, minutes=self.block_minutes) if single else None
        return np.arange(len(single)) if blocks is None else blocks

    def _recent(self, state: LabelState, joined: Mapping[str, QualityTally]) -> dict[str, QualityTally]:
        """Of the newest hours of this version, until they have rows enough. Only hours that are new here are read."""
        tallies: dict[str, QualityTally] = {}
        rows = 0
        for hour in sorted((hour for hour in state.hours if hour > state.since), reverse=True):
            tallies[hour] = joined[hour] if hour in joined else self._tally(hour, state.recent.get(hour))
            rows += tallies[hour].rows
            if rows >= self.recent_rows:
                break
        return tallies

    def _tally(self, hour: str, known: Mapping[str, Any] | None) -> QualityTally:
        if known is not None:
            return self.judge.read(known)
        record = self._read_record(hour)
        return self.judge.empty() if record is None else record.tally

    def _sum(self, tallies: Mapping[str, QualityTally]) -> tuple[QualityTally, datetime | None]:
        """All of them together, and since when there are rows."""
        total = self.judge.empty()
        for tally in tallies.values():
            total = total + tally  # type: ignore[operator]
        since = min((hour for hour, tally in tallies.items() if tally.rows), default=None)
        return total, start_of(since) if since else None

    def _read_record(self, hour: str) -> HourRecord | None:
        """What the last join of this hour came to; None where there was none, or predictions were judged otherwise."""
        content = self._bucket.find(layout.quality_key(self.endpoint, start_of(hour)))
        return None if content is None else HourRecord.from_json(content, judge=self.judge)

    @property
    def _source(self) -> Join:
        return Join(s3=self.s3, bucket_name=self.bucket_name, endpoint=self.endpoint)

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.s3, self.bucket_name)


def _labelled(pairs: Iterable[Pair]) -> list[Labelled]:
    return [Labelled(each.key, each.capture.rows[each.row]["response"], each.label.label) for each in pairs]


def _due(state: LabelState, *, digests: Mapping[str, str], retry: str) -> list[str]:
    """The hours to join now: with other files than before, or with labels whose predictions may have come since."""
    due = [
        hour
        for hour, digest in sorted(digests.items())
        if (mark := state.hours.get(hour)) is None or mark.digest != digest or (mark.unmatched and hour >= retry)
    ]
    behind = [hour for hour in due if hour > state.cursor]
    return [*behind, *due[: len(due) - len(behind)]][:HOURS_A_RUN]


def _digest(files: Iterable[Source]) -> str:
    return hashlib.blake2b("\n".join(sorted(file.key for file in files)).encode(), digest_size=8).hexdigest()
