"""Rows for the benchmark of the fold: 20 numbers and 10 categories, as captured JSONL and as Parquet.

`python -m tests.benchmarks.fold_data FOLDER ROWS` writes FOLDER/reference.parquet, FOLDER/ROWS/rows.parquet and, up to
CAPTURED_ROWS, FOLDER/ROWS/*.jsonl. Needs PyArrow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS, CATEGORIES = 20, 10
REFERENCE_ROWS = 10_000
CHUNK_ROWS = 20_000
"""Of a captured file, which then has 17 MB, and of a row group in Parquet five times as many."""
CAPTURED_ROWS = 1_000_000
"""More rows than this are captured as this many, read again under other ids: a disk has an end."""
HOUR = datetime(2026, 2, 14, 12, tzinfo=UTC)

Columns = Mapping[str, Any]
NUMBER_NAMES = tuple(f"number_{field}" for field in range(NUMBERS))
CATEGORY_NAMES = tuple(f"category_{field}" for field in range(CATEGORIES))


def categories_of(field: int) -> list[str]:
    """Three of the first category field, twelve of the last."""
    return [f"kind-{code}" for code in range(3 + field)]


def columns(count: int, *, seed: int) -> Columns:
    """Normal, lognormal and whole numbers, and category codes; a little apart from the reference's, seed 0."""
    draw = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for field, name in enumerate(NUMBER_NAMES):
        latent = draw.standard_normal(count) + (0.05 * (field % 3) if seed else 0.0)
        kinds = (latent, np.exp(0.75 * latent), np.floor(6 * np.exp(0.5 * latent)))
        found[name] = np.round(kinds[0 if field < 10 else 1 if field < 16 else 2], 4)
    for field, name in enumerate(CATEGORY_NAMES):
        shares = 0.75 ** np.arange(3 + field)
        found[name] = draw.choice(3 + field, size=count, p=shares / shares.sum())
    return found


def texts(found: Columns) -> Columns:
    """With categories as strings."""
    names = {name: np.array(categories_of(field), dtype=object) for field, name in enumerate(CATEGORY_NAMES)}
    return {name: names[name][values] if name in names else values for name, values in found.items()}


def table(found: Columns) -> pa.Table:
    """Categories as Parquet keeps them: codes and a dictionary."""
    arrays = {name: pa.array(found[name]) for name in NUMBER_NAMES}
    for field, name in enumerate(CATEGORY_NAMES):
        arrays[name] = pa.DictionaryArray.from_arrays(pa.array(found[name], pa.int32()), categories_of(field))
    return pa.table(arrays)


def chunks(rows: int, *, size: int) -> Iterator[Columns]:
    for number, start in enumerate(range(0, rows, size), start=1):
        yield columns(min(size, rows - start), seed=number)


def write_parquet(path: Path, parts: Iterator[Columns]) -> None:
    writer: pq.ParquetWriter | None = None
    for part in parts:
        found = table(part)
        writer = writer or pq.ParquetWriter(path, found.schema)
        writer.write_table(found)
    if writer is not None:
        writer.close()


def write_captures(folder: Path, parts: Iterator[Columns]) -> None:
    """As SageMaker writes them: a line a request, its body as a string in it."""
    for number, part in enumerate(parts):
        (folder / f"{number:04}.jsonl").write_text("".join(_lines(texts(part), file=number)), encoding="utf-8")


def _lines(part: Columns, *, file: int) -> Iterator[str]:
    body = ", ".join(
        [f'\\"{name}\\": %s' for name in NUMBER_NAMES] + [f'\\"{name}\\": \\"%s\\"' for name in CATEGORY_NAMES]
    )
    kind, end = '"observedContentType":"application/json"', '"encoding":"JSON"}'
    answer = '"{\\"predictions\\": [{\\"score\\": 0.5}]}"'
    head = f'{{"captureData":{{"endpointInput":{{{kind},"mode":"INPUT","data":"{{{body}}}",{end},'
    head += f'"endpointOutput":{{{kind},"mode":"OUTPUT","data":{answer},{end}}},"eventMetadata":'
    for row, values in enumerate(zip(*(part[name].tolist() for name in (*NUMBER_NAMES, *CATEGORY_NAMES)), strict=True)):
        moment = HOUR + timedelta(milliseconds=100 * row)
        name = f"{file:04}-{row:028}"
        metadata = (
            f'{{"eventId":"a-{name}","customAttributes":["caller={row % 50:016x}"],"inferenceId":"b-{name}",'
            f'"inferenceTime":"{moment:%Y-%m-%dT%H:%M:%SZ}"}}'
        )
        yield f'{head % values}{metadata},"eventVersion":"0"}}\n'


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    place = folder / str(rows)
    place.mkdir(parents=True, exist_ok=True)
    write_parquet(folder / "reference.parquet", iter([columns(REFERENCE_ROWS, seed=0)]))
    write_parquet(place / "rows.parquet", chunks(rows, size=5 * CHUNK_ROWS))
    if rows <= CAPTURED_ROWS:
        write_captures(place, chunks(rows, size=CHUNK_ROWS))


if __name__ == "__main__":
    main()
