"""Turns captured files into counts: reads them, leaves out what came twice, folds the rest on the baseline's cells.

The seam between "here" and "elsewhere": what a run of this function folds and what a processing job folds is the same
`Folded`, made from the same `Order`. Nothing is written but what could not be read.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from functions.monitor.captures import Capture, Contents, Reason, Row, Unreadable, count_records, read_captures
from functions.monitor.listing import CapturedFile
from functions.monitor.seen import Digests, KnownDigests, first_comers, first_sightings, record_digests
from functions.shared import layout
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.tally import Tally

READERS = 16
"""Files that are fetched at once: where the gateway captures, each call of it is a file."""
BATCH_BYTES = 32 << 20
"""Of files that are fetched at once. One file is, however large."""
CHUNK_ROWS = 20_000
"""Rows that are held decoded at once, so that memory does not grow with the window."""
MAXIMUM_EXAMPLES = 200
MAXIMUM_EXAMPLE_BYTES = 4_000
MAXIMUM_EXTRA_FIELDS, MAXIMUM_NAME_CHARACTERS = 50, 100

Block = Literal["row", "time", "caller"]


class Listed(Protocol):
    """An object that S3 has listed."""

    @property
    def key(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


File = TypeVar("File", bound=Listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was found while files were read. Readings add up."""

    files: int = 0
    size_bytes: int = 0
    records: int = 0
    """Readable ones, each counted once."""
    rows: int = 0
    duplicates: int = 0
    late: int = 0
    """Records of files that came too late."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """By the reason."""
    extra_fields: Mapping[str, int] = field(default_factory=dict)
    """Rows with a field that no Request has, by its name."""
    by_hour: Mapping[str, int] = field(default_factory=dict)
    """Captured records, readable or not, by the hour of the request."""
    first: datetime | None = None
    last: datetime | None = None

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            files=self.files + other.files,
            size_bytes=self.size_bytes + other.size_bytes,
            records=self.records + other.records,
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            late=self.late + other.late,
            unreadable=_added(self.unreadable, other.unreadable),
            extra_fields=_added(self.extra_fields, other.extra_fields),
            by_hour=_added(self.by_hour, other.by_hour),
            first=min(filter(None, (self.first, other.first)), default=None),
            last=max(filter(None, (self.last, other.last)), default=None),
        )

    def to_json(self) -> dict[str, Any]:
        moments = {"first": self.first and self.first.isoformat(), "last": self.last and self.last.isoformat()}
        names = ("files", "size_bytes", "records", "rows", "duplicates", "late")
        counts = {name: dict(getattr(self, name)) for name in ("unreadable", "extra_fields", "by_hour")}
        return {**{name: getattr(self, name) for name in names}, **counts, **moments}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        moments = {name: datetime.fromisoformat(content[name]) for name in ("first", "last") if content[name]}
        return cls(**{**content, "first": None, "last": None, **moments})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """One captured row as it was, for a report to show. `digest` decides which rows are kept.

    While an order is folded, one that is too large to show keeps its place with empty texts: which rows are shown must
    not depend on how many were read at once.
    """

    digest: int
    inference_id: str
    request: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be folded: by this function, or by a processing job that reads it as JSON."""

    files: tuple[CapturedFile, ...]
    late: tuple[CapturedFile, ...]
    known: Digests
    """uint64[n], sorted: of the records that were read before."""
    block: Block
    block_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What an order came to."""

    tally: Tally
    reading: Reading
    digests: Mapping[str, Digests]
    """Those not known before, sorted, by the hour of the file in which they came first."""
    examples: tuple[KeptRow, ...] = ()

    def __add__(self, other: Folded) -> Folded:
        """Of two parts of an order whose records were told apart."""
        hours = {*self.digests, *other.digests}
        nothing = np.empty(0, dtype="<u8")
        return Folded(
            tally=self.tally + other.tally,
            reading=self.reading + other.reading,
            digests={
                hour: np.sort(np.concatenate([part.digests.get(hour, nothing) for part in (self, other)]))
                for hour in sorted(hours)
            },
            examples=tuple(kept([*self.examples, *other.examples])),
        )

    def finished(self) -> Folded:
        """The whole order's: without the examples that are too large to show."""
        return replace(self, examples=tuple(row for row in self.examples if row.request))

    def to_bytes(self) -> bytes:
        content = {
            "tally": base64.b64encode(self.tally.to_bytes()).decode(),
            "reading": self.reading.to_json(),
            "digests": {hour: base64.b64encode(found.tobytes()).decode() for hour, found in self.digests.items()},
            "examples": [_example_to_json(row) for row in self.examples],
        }
        return json.dumps(content).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        parts = json.loads(content)
        return cls(
            tally=Tally.from_bytes(base64.b64decode(parts["tally"])),
            reading=Reading.from_json(parts["reading"]),
            digests={
                hour: np.frombuffer(base64.b64decode(text), dtype="<u8") for hour, text in parts["digests"].items()
            },
            examples=tuple(KeptRow(**row) for row in parts["examples"]),
        )


@dataclass(frozen=True, slots=True)
class Files:
    """Where captured files are read from, and where what could not be read is kept: byte strings by their keys."""

    get: Callable[[str], bytes]
    put: Callable[[str, bytes], None]
    endpoint: str


def fold_here(order: Order, *, baseline: Baseline, files: Files, chunk_rows: int = CHUNK_ROWS) -> Folded:
    """Folds the order in this process, about `chunk_rows` rows at a time."""
    return fold_part(order, baseline=baseline, files=files, chunk_rows=chunk_rows).finished()


def fold_part(order: Order, *, baseline: Baseline, files: Files, chunk_rows: int = CHUNK_ROWS) -> Folded:
    """Folds a part of an order. Parts add up, if each was told what the parts before it came to know."""
    folding = _Folding(order=order, baseline=baseline, files=files, chunk_rows=chunk_rows)
    with ThreadPoolExecutor(READERS) as pool, _without_cycles():
        for file, content in fetched(order.files, pool=pool, get=files.get):
            folding.add(file, read_captures(content), size_bytes=len(content))
        for file, content in fetched(order.late, pool=pool, get=files.get):
            folding.set_aside(file, count_records(content))
    return folding.finish()


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Without Python's search for cycles among objects: decoded JSON has none, and it takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def block_keys(captures: Sequence[Capture], *, block: Block, minutes: int) -> NDArray[np.int64] | None:
    """int64[rows]: the block of each row, or None where each row is its own.

    Rows of which nobody says who asked are one caller's: that may cost power, and never a false alarm.
    """
    if block == "row":
        return None
    if block == "time":
        seconds = timedelta(minutes=minutes).total_seconds()
        keys = [int(capture.time.timestamp() // seconds) for capture in captures]
    else:
        callers = dict.fromkeys(capture.caller for capture in captures)
        numbers = dict(zip(callers, (record_digests(callers) >> np.uint64(1)).tolist(), strict=True))
        keys = [numbers[capture.caller] for capture in captures]
    return np.repeat(np.array(keys, dtype=np.int64), [len(capture.rows) for capture in captures])


@dataclass(slots=True)
class _Folding:
    """An order while it is folded."""

    order: Order
    baseline: Baseline
    files: Files
    chunk_rows: int
    tally: Tally = field(init=False)
    reading: Reading = field(default_factory=Reading)
    digests: dict[str, list[Digests]] = field(default_factory=dict)
    examples: list[KeptRow] = field(default_factory=list)
    known: KnownDigests = field(init=False)
    fields: frozenset[str] = field(init=False)
    _waiting: list[tuple[CapturedFile, Contents]] = field(default_factory=list)
    _waiting_rows: int = 0

    def __post_init__(self) -> None:
        self.tally, self.known = Tally.empty(self.baseline), KnownDigests([self.order.known])
        self.fields = frozenset(each.name for each in self.baseline.fields if each.side == "request")

    def add(self, file: CapturedFile, contents: Contents, *, size_bytes: int) -> None:
        self.reading += Reading(files=1, size_bytes=size_bytes)
        if contents.unreadable:
            self._keep(file, contents.unreadable)
        self._waiting.append((file, contents))
        self._waiting_rows += len(contents.captures)
        if self._waiting_rows >= self.chunk_rows:
            self._fold_waiting()

    def set_aside(self, file: CapturedFile, records: int) -> None:
        """Counts and notes a late file. It stays where it is."""
        self.reading += Reading(late=records)
        note = {"reason": Reason.LATE, "source": file.key, "records": records}
        self.files.put(self._unreadable_key(file), json.dumps(note).encode() + b"\n")

    def finish(self) -> Folded:
        self._fold_waiting()
        self.known = KnownDigests([])  # as large as what follows, and of no more use
        digests = {hour: _sorted(self.digests.pop(hour)) for hour in sorted(self.digests)}
        return Folded(tally=self.tally, reading=self.reading, digests=digests, examples=tuple(self.examples))

    def _keep(self, file: CapturedFile, unreadable: Sequence[Unreadable]) -> None:
        """Writes down what could not be read."""
        self.files.put(self._unreadable_key(file), unreadable_lines(unreadable, source=file.key))
        reasons = Counter(item.reason.value for item in unreadable)
        self.reading += Reading(unreadable=reasons, by_hour={file.hour: len(unreadable)})

    def _unreadable_key(self, file: CapturedFile) -> str:
        return unreadable_key(self.files.endpoint, source=file.key, hour=file.hour)

    def _fold_waiting(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        captures = [capture for _, contents in waiting for capture in contents.captures]
        if not captures:
            return
        hours = np.repeat([file.hour for file, _ in waiting], [len(contents.captures) for _, contents in waiting])
        events = record_digests([capture.event_id for capture in captures])
        inferences = record_digests([capture.inference_id for capture in captures])
        identifiers = np.stack([events, inferences])
        is_new = first_sightings([events, inferences], known=self.known)
        is_first = first_comers(identifiers, is_new=is_new)
        self._remember(hours, identifiers, is_new)
        fresh = [capture for capture, first in zip(captures, is_first.tolist(), strict=True) if first]
        identities = np.where(inferences != 0, inferences, events)[is_first]
        self._fold(fresh, identities)
        self.reading += Reading(duplicates=len(captures) - len(fresh))

    def _remember(self, hours: NDArray[Any], identifiers: NDArray[np.uint64], is_new: NDArray[np.bool_]) -> None:
        for hour in dict.fromkeys(hours.tolist()):
            is_of_hour = hours == hour
            if len(found := identifiers[:, is_of_hour][is_new[:, is_of_hour]]):
                self.digests.setdefault(hour, []).append(found)
        self.known.add(identifiers[is_new])

    def _fold(self, captures: Sequence[Capture], identities: Digests) -> None:
        if not captures:
            return
        rows = [row for capture in captures for row in capture.rows]
        keys = block_keys(captures, block=self.order.block, minutes=self.order.block_minutes)
        row_keys = _row_keys(captures, identities)
        self.tally += fold(self.baseline, rows, block_keys=keys, row_keys=row_keys)
        self.reading += _reading_of(captures, extra_fields=_extra_fields(rows, known=self.fields), rows=len(rows))
        self.examples = kept([*self.examples, *_candidates(captures, row_keys)])


def _sorted(parts: Sequence[Digests]) -> Digests:
    found = np.concatenate(parts)
    found.sort()
    return found


def kept(examples: Iterable[KeptRow]) -> list[KeptRow]:
    """Those of which the report may show some: a fair draw, and the same however the rows were split."""
    return sorted(examples, key=lambda row: row.digest)[:MAXIMUM_EXAMPLES]


def _candidates(captures: Sequence[Capture], row_keys: NDArray[np.uint64]) -> Iterator[KeptRow]:
    """The rows with the smallest keys; only those are written as JSON, and those that are too large are not kept."""
    rows = [(capture, row) for capture in captures for row in capture.rows]
    count = min(MAXIMUM_EXAMPLES, len(rows))
    for index in np.argpartition(row_keys, count - 1)[:count].tolist():
        capture, row = rows[index]
        request, response = (json.dumps(row[side], separators=(",", ":")) for side in ("request", "response"))
        if len(request) + len(response) > MAXIMUM_EXAMPLE_BYTES:
            request = response = ""
        yield KeptRow(
            digest=int(row_keys[index]), inference_id=capture.inference_id, request=request, response=response
        )


def _row_keys(captures: Sequence[Capture], identities: Digests) -> NDArray[np.uint64]:
    """uint64[rows]: the record's digest, and another for each further row of it."""
    sizes = np.array([len(capture.rows) for capture in captures])
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    steps = within.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: far from any other
    keys: NDArray[np.uint64] = np.repeat(identities, sizes) + steps
    return keys


def _extra_fields(rows: Sequence[Row], *, known: frozenset[str]) -> dict[str, int]:
    """Rows by the field that they have too much. Names are the caller's own, so that few are told and none is long."""
    counts: Counter[str] = Counter()
    for row in rows:
        if not known.issuperset(request := row["request"]):
            counts.update(name[:MAXIMUM_NAME_CHARACTERS] for name in request if name not in known)
    return dict(counts.most_common(MAXIMUM_EXTRA_FIELDS))


def _reading_of(captures: Sequence[Capture], *, extra_fields: Mapping[str, int], rows: int) -> Reading:
    moments = [capture.time for capture in captures]
    by_hour: dict[str, int] = {}
    hours, counts = np.unique([int(moment.timestamp() // 3600) for moment in moments], return_counts=True)
    for hour, count in zip(hours.tolist(), counts.tolist(), strict=True):
        by_hour[layout.hour_path(datetime.fromtimestamp(hour * 3600, tz=UTC))] = count
    return Reading(
        records=len(captures),
        rows=rows,
        extra_fields=extra_fields,
        by_hour=by_hour,
        first=min(moments),
        last=max(moments),
    )


def fetched(
    files: Sequence[File], *, pool: ThreadPoolExecutor, get: Callable[[str], bytes]
) -> Iterator[tuple[File, bytes]]:
    """Each file with its content, in order; a few are fetched ahead."""
    for some in _batches(files):
        yield from zip(some, pool.map(get, [file.key for file in some]), strict=True)


def _batches(files: Sequence[File]) -> Iterator[list[File]]:
    """Files in their order: as many at once as readers are kept busy with, and no more than fit into memory."""
    batch: list[File] = []
    for file in files:
        if batch and (len(batch) == 4 * READERS or sum(each.size_bytes for each in [*batch, file]) > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def unreadable_lines(unreadable: Iterable[Unreadable], *, source: str) -> bytes:
    """What could not be read of the object with the key `source`, as it was, a JSON object a line."""
    return b"".join(_unreadable_line(item, source=source) for item in unreadable)


def unreadable_key(endpoint: str, *, source: str, hour: str, kind: str = "") -> str:
    """Named by the file's hour, and by its whole key: the same file is always kept at the same place, so that keeping
    it twice is once.
    """
    name = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    return f"{layout.unreadable_prefix(endpoint)}{hour}/{kind}{name}.jsonl"


def _unreadable_line(item: Unreadable, *, source: str) -> bytes:
    try:
        raw = {"raw": item.raw.decode()}
    except UnicodeDecodeError:
        raw = {"raw_base64": base64.b64encode(item.raw).decode()}
    origin = {"reason": item.reason, "source": source, "line": item.line}
    return json.dumps({**origin, **raw}, ensure_ascii=False).encode() + b"\n"


def _example_to_json(row: KeptRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("digest", "inference_id", "request", "response")}


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({*one, *other})}
