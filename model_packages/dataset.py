"""Labelled records: the one format that training data, holdouts and, later, labelled captures have.

A record is one line of JSON, `{"request": {...}, "label": {...}, "time": "..."}`; `time` (ISO 8601) is optional. A
dataset is a folder of *.jsonl and *.jsonl.gz files. Torch-free; a package's train.py reads its data with this.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

from model_packages.errors import OperatorError


class Record(TypedDict):
    """One request with the truth about it."""

    request: Mapping[str, Any]
    label: Mapping[str, Any]
    time: NotRequired[str]


def read_records(folder: Path) -> list[Record]:
    """Every record below `folder`, file by file in the order of their names.

    Raises: OperatorError if there is no record, or a line is none (it names the file and line).
    """
    files = sorted(path for pattern in ("*.jsonl", "*.jsonl.gz") for path in folder.rglob(pattern))
    records = [record for path in files for record in _read_file(path)]
    if not records:
        raise OperatorError(f"{folder} holds no record; allowed: *.jsonl or *.jsonl.gz files with a record a line")
    return records


def write_records(records: Iterable[Record], path: Path) -> None:
    """Writes a *.jsonl or *.jsonl.gz file; the same records give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def split_holdout(
    records: Sequence[Record], *, fraction: float, how: Literal["random", "latest"], seed: int
) -> tuple[list[Record], list[Record]]:
    """Splits `records` into (training, holdout): a seeded sample of `fraction`, or the latest by `time`.

    A time without an offset is UTC.
    Raises: OperatorError if either side would be empty, or a record has no such time where `how` is "latest".
    """
    times = [record.get("time") for record in records] if how == "latest" else None
    learned, held_out = split_positions(len(records), fraction=fraction, seed=seed, times=times)
    return [records[place] for place in learned], [records[place] for place in held_out]


def split_positions(
    count: int, *, fraction: float, seed: int, times: Sequence[object] | None = None
) -> tuple[list[int], list[int]]:
    """Where the records of either side stand among `count`, for whoever does not hold them: what `split_holdout` does.

    With the records' `times`, the latest are held out. Raises: OperatorError as `split_holdout` does.
    """
    held_out = round(count * fraction)
    if not 0 < held_out < count:
        raise OperatorError(f"{count} records cannot give a holdout of {fraction:.0%}; add records")
    ordered = random.Random(seed).sample(range(count), count) if times is None else _by_time(times)  # noqa: S311
    return ordered[:-held_out], ordered[-held_out:]


def _by_time(times: Sequence[object]) -> list[int]:
    return [index for _, index in sorted((_instant(time, index), index) for index, time in enumerate(times))]


def _instant(time: object, index: int) -> datetime:
    try:
        instant = datetime.fromisoformat(time)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise OperatorError(
            f'record {index} has the time {time!r}; allowed with holdout = "latest": an ISO 8601 time in every record'
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _read_file(path: Path) -> Iterator[Record]:
    content = _decompress(path) if path.suffix == ".gz" else path.read_bytes()
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield _parse(line, where=f"{path}:{number}")


def _decompress(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise OperatorError(f"{path}: found {error}; allowed: a whole gzip file") from error


def _parse(line: bytes, *, where: str) -> Record:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise OperatorError(f"{where}: found {error}; allowed: one JSON record a line") from error
    if not isinstance(record, dict) or not all(isinstance(record.get(part), dict) for part in ("request", "label")):
        raise OperatorError(f'{where}: found {line[:80]!r}; allowed: {{"request": {{...}}, "label": {{...}}}}')
    return cast(Record, record)
