"""Joins labels with the predictions that they are for, an hour of predictions at a time.

An hour that got new labels is joined anew as a whole, so that it does not matter how often, or in which order, labels
come. Nothing is written but what could not be read: documents and state go out with the run that made them, or not at
all (docs/decisions/monitor-state.md).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from functions.monitor.captures import Capture, read_captures
from functions.monitor.folding import READERS, Block, block_keys, unreadable_key, unreadable_lines
from functions.monitor.label_lines import Label, newest, order_of, read_labels
from functions.monitor.listing import hour_of, start_of
from functions.monitor.objects import Bucket, list_objects
from functions.monitor.quality_hours import HourRecord
from functions.monitor.seen import record_digests
from functions.shared import layout
from model_packages.profile.quality import Judge, Labelled, QualityTally

HOURS_A_RUN = 48
"""Joined at most in one run; the others come next, and none is passed over."""
HOUR = timedelta(hours=1)

_OWN_ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$")
"""The gateway names a captured file by its one inference id; SageMaker's own names hold an id of another version."""


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
        files = self._list(now)
        due = _due(state, digests={hour: _digest(keys) for hour, keys in files.items()}, retry=self._retry(now))
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

    def _list(self, now: datetime) -> dict[str, list[str]]:
        """Files of labels by the hour of their predictions, as old as a label may be."""
        first = layout.hour_path(now - timedelta(days=self.label_days) - HOUR)
        files: dict[str, list[str]] = defaultdict(list)
        prefix = layout.labels_prefix(self.endpoint)
        for key in self._keys(prefix, start_after=f"{prefix}{first}"):
            if hour := hour_of(key, prefix=prefix):
                files[hour].append(key)
        return dict(files)

    def _keys(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        listed = list_objects(self.s3, bucket=self.bucket_name, prefix=prefix, start_after=start_after)
        return (found["Key"] for found in listed)

    def _retry(self, now: datetime) -> str:
        """From this hour on, a prediction that is not captured yet may still be."""
        return layout.hour_path(now - self.late - HOUR)

    def _join(self, hour: str, keys: Sequence[str], *, pool: ThreadPoolExecutor) -> HourRecord:
        labels, lines, unreadable = self._labels(hour, keys, pool=pool)
        wanted = {inference_id for inference_id, _ in labels}
        captures: dict[str, Capture] = {}
        for moment in _likely_hours(hour):
            captures |= self._captures(moment, wanted - captures.keys(), pool=pool)
            if captures.keys() == wanted:
                break
        rows, unmatched = match(labels, captures)
        judged = self.judge.judge(rows)
        return HourRecord(
            hour=hour,
            labels=len(labels),
            repeated=lines - len(labels),
            unreadable=unreadable,
            unmatched=unmatched,
            skipped=judged.skipped,
            tally=judged.tally,
            digests=record_digests(judged.keys),
            losses=judged.losses,
            blocks=self._blocks(judged.keys, captures),
            metrics=self.judge.metrics(judged.tally),
        )

    def _labels(
        self, hour: str, keys: Sequence[str], *, pool: ThreadPoolExecutor
    ) -> tuple[dict[tuple[str, int | None], Label], int, int]:
        """One label a prediction, from how many lines, and how many lines are none."""
        labels, unreadable = [], 0
        for key, content in zip(keys, pool.map(self._bucket.get, keys), strict=True):
            contents = read_labels(content)
            labels += contents.labels
            if contents.unreadable:
                unreadable += len(contents.unreadable)
                kept = unreadable_key(self.endpoint, source=key, hour=hour, kind="labels-")
                self._bucket.put(kept, unreadable_lines(contents.unreadable, source=key))
        return newest(labels), len(labels), unreadable

    def _captures(self, hour: str, wanted: set[str], *, pool: ThreadPoolExecutor) -> dict[str, Capture]:
        """The captured predictions of one hour's files, as far as they are asked for."""
        if not wanted:
            return {}
        prefix = f"{layout.captures_prefix(self.endpoint, layout.VARIANT)}{hour}/"
        keys = [key for key in self._keys(prefix) if _may_hold(key, wanted)]
        return {
            capture.inference_id: capture
            for content in pool.map(self._bucket.get, keys)
            for capture in read_captures(content).captures
            if capture.inference_id in wanted
        }

    def _blocks(self, keys: Sequence[str], captures: Mapping[str, Capture]) -> NDArray[np.int64]:
        """int64[rows]: as the monitor counts the rows of a window in blocks."""
        single = [captures[key.partition("/")[0]]._replace(rows=({},)) for key in keys]
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
    def _bucket(self) -> Bucket:
        return Bucket(self.s3, self.bucket_name)


def match(
    labels: Mapping[tuple[str, int | None], Label], captures: Mapping[str, Capture]
) -> tuple[list[Labelled], int]:
    """Each labelled prediction that was captured, in the order of their ids, and how many labels have none.

    A label without a row is the one row's; of a request with several rows nobody knows which was meant.
    """
    found: dict[tuple[str, int], Label] = {}
    unmatched = 0
    for (inference_id, row), label in labels.items():
        rows = captures[inference_id].rows if inference_id in captures else ()
        if (row is None and len(rows) > 1) or (row or 0) >= len(rows):
            unmatched += 1
            continue
        place = (inference_id, row or 0)
        if place not in found or order_of(label) > order_of(found[place]):
            found[place] = label
    matched = [
        Labelled(f"{inference_id}/{row}", captures[inference_id].rows[row]["response"], label.label)
        for (inference_id, row), label in sorted(found.items())
    ]
    return matched, unmatched


def _due(state: LabelState, *, digests: Mapping[str, str], retry: str) -> list[str]:
    """The hours to join now: with other files than before, or with labels whose predictions may have come since."""
    due = [
        hour
        for hour, digest in sorted(digests.items())
        if (mark := state.hours.get(hour)) is None or mark.digest != digest or (mark.unmatched and hour >= retry)
    ]
    behind = [hour for hour in due if hour > state.cursor]
    return [*behind, *due[: len(due) - len(behind)]][:HOURS_A_RUN]


def _digest(keys: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(sorted(keys)).encode(), digest_size=8).hexdigest()


def _likely_hours(hour: str) -> list[str]:
    """Where a prediction of this hour was captured: a file may be begun later, and clocks differ."""
    moment = start_of(hour)
    return [hour, layout.hour_path(moment + HOUR), layout.hour_path(moment - HOUR)]


def _may_hold(key: str, wanted: set[str]) -> bool:
    """Whether a captured file may hold one of these predictions."""
    found = _OWN_ID.search(key)
    return found is None or found[1] in wanted
