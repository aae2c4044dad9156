"""Labelled captures: what the endpoint's predictions were of and what turned out to be true, joined as the monitor
joins them, as records of the one format that training data has.

The newest predictions come first, each once. What is left out is counted with its reason. Nothing is written here.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import ValidationError

from functions.monitor.captures import Capture
from functions.monitor.folding import READERS
from functions.monitor.joining import Join, Pair, Source, pair
from functions.monitor.label_lines import Label, newest
from functions.shared.moments import read_moment
from functions.shared.uuid7 import time_of
from model_packages.fields import Payload
from model_packages.interface import Interface

SKEW = timedelta(minutes=5)
"""Clocks differ by this much; the gateway allows an id of as near a future."""
MAXIMUM_BYTES = 256 << 20
"""Of records and their origins, which are held at once."""


Limit = Literal["", "rows", "bytes"]


class LeftOut(StrEnum):
    """Why a label became no record. The first four are faults; the others are nobody's."""

    UNREADABLE_LABEL = "unreadable-label"
    LABEL = "label-not-of-schema"
    REQUEST = "request-not-of-schema"
    TIME = "impossible-time"
    """The prediction is of the future, or younger than its label."""
    EARLIER_SCHEMA = "of-an-earlier-schema"
    """As REQUEST or LABEL, and older than all records that are in order."""
    NO_PREDICTION = "prediction-not-captured"
    REPLACED = "replaced-by-a-newer-label"
    BEYOND_LIMIT = "older-than-the-newest-that-fit"


FAULTS = (LeftOut.UNREADABLE_LABEL, LeftOut.LABEL, LeftOut.REQUEST, LeftOut.TIME)
"""Of what is written by the gateway there is none: somebody has changed the files, or the schema back and forth."""


class LabelledRow(NamedTuple):
    """One row of a prediction as a record, with what is known of it beside."""

    time: datetime
    """When the prediction was made, to the millisecond."""
    prediction: str
    """Its inference id."""
    row: int
    digest: int
    """Of the request's content: equal requests have equal ones."""
    line: bytes
    """{"request": ..., "label": ..., "time": ...}, with the line's end."""
    origin: bytes
    """{"prediction": ..., "row": ..., "caller": ..., "response": ...}, with the line's end."""

    @property
    def order(self) -> tuple[datetime, str, int]:
        return (self.time, self.prediction, self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCaptures:
    """What was found."""

    rows: tuple[LabelledRow, ...]
    """Oldest first."""
    left_out: Mapping[str, int]
    labels: tuple[Source, ...]
    captures: tuple[Source, ...]
    limited_by: Limit
    """Which limit older predictions are beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReader:
    """Reads the labelled captures of one endpoint: at most the newest `maximum_rows`."""

    s3: Any
    bucket_name: str
    endpoint: str
    interface: Interface
    maximum_rows: int
    maximum_bytes: int = MAXIMUM_BYTES

    def read(self, *, now: datetime) -> LabelledCaptures:
        """As it was at `now`: a label that came later does not count yet. The same files give the same records."""
        join = Join(s3=self.s3, bucket_name=self.bucket_name, endpoint=self.endpoint)
        files = join.list_labels()
        gathered = _Gathered(self, now=now)
        with ThreadPoolExecutor(READERS) as pool:
            for hour in sorted(files, reverse=True):
                if gathered.limit:
                    break
                gathered.read_hour(join, hour, files[hour], pool=pool)
        rows = sorted(gathered.rows, key=lambda row: row.order)
        kept = _newest_predictions(rows, self.maximum_rows)
        return LabelledCaptures(
            rows=tuple(kept),
            left_out=gathered.reasons(kept, beyond=len(rows) - len(kept)),
            labels=tuple(sorted(gathered.labels)),
            captures=tuple(sorted(set(gathered.captures))),
            limited_by="rows" if len(kept) < len(rows) else gathered.limit,
        )


def request_digest(request: Any) -> int:
    """64 bits of the request's content, whatever the order of its fields."""
    text = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def is_of(payload: type[Payload], document: Any) -> bool:
    """Whether the package's schema has such a document."""
    try:
        payload.__pydantic_validator__.validate_python(document)
    except ValidationError:
        return False
    return True


@dataclass(slots=True)
class _Gathered:
    """What a reading has come to so far."""

    reader: LabelReader
    now: datetime = field(kw_only=True)
    rows: list[LabelledRow] = field(default_factory=list)
    size_bytes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    not_of_schema: list[tuple[datetime, LeftOut]] = field(default_factory=list)
    labels: list[Source] = field(default_factory=list)
    captures: list[Source] = field(default_factory=list)

    @property
    def limit(self) -> Limit:
        """Which one is reached; empty where none is."""
        if len(self.rows) >= self.reader.maximum_rows:
            return "rows"
        return "bytes" if self.size_bytes >= self.reader.maximum_bytes else ""

    def read_hour(self, join: Join, hour: str, files: Sequence[Source], *, pool: ThreadPoolExecutor) -> None:
        """Prediction by prediction, so that no more of them are held than become rows."""
        found = join.labels(files, pool=pool)
        self.labels += files
        self.left_out[LeftOut.UNREADABLE_LABEL] += sum(map(len, found.unreadable.values()))
        known = [label for label in found.labels if self.is_known(label)]
        waiting: dict[str, dict[tuple[str, int | None], Label]] = defaultdict(dict)
        for key, label in newest(known).items():
            waiting[key[0]][key] = label
        self.left_out[LeftOut.REPLACED] += len(known) - sum(map(len, waiting.values()))
        for capture in join.captures(hour, set(waiting), pool=pool, sources=self.captures):
            if self.limit == "bytes":
                break
            self._pair(waiting.pop(capture.inference_id), capture)
        left = LeftOut.BEYOND_LIMIT if self.limit == "bytes" else LeftOut.NO_PREDICTION
        self.left_out[left] += sum(map(len, waiting.values()))

    def _pair(self, labels: Mapping[tuple[str, int | None], Label], capture: Capture) -> None:
        pairs, unmatched = pair(labels, {capture.inference_id: capture})
        self.left_out[LeftOut.NO_PREDICTION] += unmatched
        self.left_out[LeftOut.REPLACED] += len(labels) - unmatched - len(pairs)
        for each in pairs:
            self.add(each)

    def is_known(self, label: Label) -> bool:
        """Whether the label was there at `now`. One without a time that can be read never was."""
        received = _moment(label.received)
        if received is None:
            self.left_out[LeftOut.UNREADABLE_LABEL] += 1
            return False
        return received <= self.now

    def add(self, found: Pair) -> None:
        request = found.capture.rows[found.row]["request"]
        if self._is_impossible(found):
            self.left_out[LeftOut.TIME] += 1
        elif not is_of(self.reader.interface.request, request):
            self.not_of_schema.append((found.capture.time, LeftOut.REQUEST))
        elif not is_of(self.reader.interface.label, found.label.label):
            self.not_of_schema.append((found.capture.time, LeftOut.LABEL))
        else:
            row = _row_of(found)
            self.rows.append(row)
            self.size_bytes += len(row.line) + len(row.origin)

    def reasons(self, kept: Sequence[LabelledRow], *, beyond: int) -> dict[str, int]:
        """How many labels were left out, by the reason."""
        counts = self.left_out + Counter({LeftOut.BEYOND_LIMIT.value: beyond})
        for time, reason in self.not_of_schema:
            counts[LeftOut.EARLIER_SCHEMA if not kept or time < kept[0].time else reason] += 1
        return {str(reason): count for reason, count in sorted(counts.items()) if count}

    def _is_impossible(self, found: Pair) -> bool:
        received = _moment(found.label.received)
        return found.capture.time > self.now + SKEW or (received is not None and received < _made(found) - SKEW)


def _row_of(found: Pair) -> LabelledRow:
    capture, row = found.capture, found.capture.rows[found.row]
    time = capture.time.astimezone(UTC)
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)
    text = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    origin = {
        "prediction": capture.inference_id,
        "row": found.row,
        "caller": capture.caller,
        "response": row["response"],
    }
    return LabelledRow(
        time=time,
        prediction=capture.inference_id,
        row=found.row,
        digest=request_digest(row["request"]),
        line=_line({"request": row["request"], "label": found.label.label, "time": text}),
        origin=_line(origin),
    )


def _line(document: Mapping[str, Any]) -> bytes:
    """Put together anew, because what orjson returns holds on to several kilobytes."""
    return orjson.dumps(document) + b"\n"


def _newest_predictions(rows: Sequence[LabelledRow], maximum: int) -> Sequence[LabelledRow]:
    """At most `maximum` rows of the newest whole predictions; `rows` are in order."""
    if len(rows) <= maximum:
        return rows
    first = len(rows) - maximum
    while first < len(rows) and rows[first].prediction == rows[first - 1].prediction:
        first += 1
    return rows[first:]


def _made(found: Pair) -> datetime:
    """When the gateway made the id; another caller's id tells no time, and the endpoint's clock does."""
    try:
        return time_of(found.capture.inference_id)
    except ValueError:
        return found.capture.time


def _moment(text: str) -> datetime | None:
    try:
        return read_moment(text)
    except ValueError:
        return None
