"""Folds, or profiles, one set of rows with one library, in an environment of the library's own; `fold.py` starts it.

`python fold_worker.py LIBRARY FORMAT FOLDER ROWS` prints seconds of reading and of counting, and megabytes, as JSON.
Seconds are the processor's, of all threads: they say the same on a machine that others use too. Before they are
counted, everything has been done once with few rows. Flyball's own code is imported for `flyball` alone.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COPIES = 1_000_000
"""Rows that were captured; more are these again, under other ids."""
WARM_ROWS = 2_000

Measured = dict[str, float]


def megabytes() -> float:
    """The most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def frame_of(kind: str, folder: Path, rows: int) -> Any:
    """A data frame, as one reads these files into pandas."""
    pandas = importlib.import_module("pandas")
    if kind == "parquet":
        return pandas.read_parquet(folder / str(rows) / "rows.parquet")
    orjson = importlib.import_module("orjson")
    found = []
    for path in sorted((folder / str(rows)).glob("*.jsonl")):
        with path.open("rb") as lines:
            found += [orjson.loads(orjson.loads(line)["captureData"]["endpointInput"]["data"]) for line in lines]
    return pandas.DataFrame(found)


def columns_of(frame: Any) -> tuple[list[str], list[str]]:
    numbers = [name for name in frame.columns if name.startswith("number")]
    return numbers, [name for name in frame.columns if name.startswith("category")]


def evidently(reference: Any, frame: Any) -> Callable[[], object]:
    """The data drift preset with nothing set."""
    library, presets = importlib.import_module("evidently"), importlib.import_module("evidently.presets")
    numbers, categories = columns_of(frame)
    definition = library.DataDefinition(numerical_columns=numbers, categorical_columns=categories)

    def score() -> object:
        sets = [library.Dataset.from_pandas(each, data_definition=definition) for each in (frame, reference)]
        return library.Report([presets.DataDriftPreset()]).run(*sets).dict()

    return score


def nannyml(reference: Any, frame: Any) -> Callable[[], object]:
    """The univariate drift calculator with nothing set but the columns; the window is one chunk. Fitted untimed."""
    library = importlib.import_module("nannyml")
    numbers, categories = columns_of(frame)
    calculator = library.UnivariateDriftCalculator(
        column_names=[*numbers, *categories], treat_as_categorical=categories, chunk_number=1
    ).fit(reference)
    return lambda: calculator.calculate(frame).to_df()


def whylogs(_reference: Any, frame: Any) -> Callable[[], object]:
    """A profile, which is not compared with anything."""
    library = importlib.import_module("whylogs")
    return lambda: library.log(pandas=frame).view().to_pandas()


def peer(library: str, kind: str, folder: Path, rows: int) -> Measured:
    make = {"evidently": evidently, "nannyml": nannyml, "whylogs": whylogs}[library]
    reference = importlib.import_module("pandas").read_parquet(folder / "reference.parquet")
    make(reference, reference.head(WARM_ROWS))()
    before, begun = megabytes(), time.process_time()
    frame = frame_of(kind, folder, rows)
    read = time.process_time()
    score = make(reference, frame)
    ready = time.process_time()
    score()
    done = time.process_time()
    return {"reading": read - begun, "counting": done - ready, "before": before, "peak": megabytes()}


def flyball_parquet(folder: Path, rows: int) -> Measured:
    """Row groups, folded one after another, and the distances at the end."""
    parquet = importlib.import_module("pyarrow.parquet")
    fold = importlib.import_module("model_packages.profile.fold")
    values = importlib.import_module("model_packages.profile.values")
    baseline, tally = flyball_baseline(folder)

    def counted(table: Any) -> Any:
        columns = {name: _column(table.column(name).combine_chunks(), values.Encoded) for name in table.column_names}
        return fold.fold_columns(baseline, request=columns)

    def read(file: Any, group: int) -> Any:
        return file.read_row_group(group, use_threads=False)

    _compared(baseline, counted(read(parquet.ParquetFile(folder / "reference.parquet"), 0)))
    before, reading, counting = megabytes(), 0.0, 0.0
    file = parquet.ParquetFile(folder / str(rows) / "rows.parquet")
    for group in range(file.num_row_groups):
        begun = time.process_time()
        table = read(file, group)
        ready = time.process_time()
        tally += counted(table)
        reading, counting = reading + ready - begun, counting + time.process_time() - ready
    counting += _compared(baseline, tally)
    assert tally.rows == rows
    return {"reading": reading, "counting": counting, "before": before, "peak": megabytes()}


def flyball_jsonl(folder: Path, rows: int) -> Measured:
    """What the monitor does with captured files: read, leave out what came twice, fold by caller, pick examples."""
    folding, listing = (importlib.import_module(f"functions.monitor.{name}") for name in ("folding", "listing"))
    captures = importlib.import_module("functions.monitor.captures")
    numpy = importlib.import_module("numpy")
    baseline, _ = flyball_baseline(folder)
    order = folding.Order(
        files=tuple(
            listing.CapturedFile(key=f"{copy}:{path}", hour="2026/02/14/12", size_bytes=path.stat().st_size)
            for copy, path in _captured(folder, rows)
        ),
        late=(),
        known=numpy.empty(0, dtype="<u8"),
        block="caller",
        block_minutes=5,
    )
    files = folding.Files(get=_read, put=lambda _key, _content: None, endpoint="e")
    few = folding.Files(get=_first_lines, put=files.put, endpoint="e")
    warm = folding.fold_here(dataclasses.replace(order, files=order.files[:1]), baseline=baseline, files=few)
    _compared(baseline, warm.tally)
    before, begun = megabytes(), time.process_time()
    folded = folding.fold_here(order, baseline=baseline, files=files)
    done = time.process_time() + _compared(baseline, folded.tally)
    peak = megabytes()
    assert (folded.reading.rows, folded.reading.duplicates) == (rows, 0)
    again = time.process_time()
    for file in order.files[: COPIES // 20_000]:
        captures.read_captures(_read(file.key))
    reading = (time.process_time() - again) * max(1.0, rows / COPIES)
    return {"reading": reading, "counting": done - begun - reading, "before": before, "peak": peak}


def flyball_baseline(folder: Path) -> tuple[Any, Any]:
    text = (folder / "baseline.json").read_text(encoding="utf-8")
    baseline = importlib.import_module("model_packages.profile.baseline").Baseline.from_json(text)
    return baseline, importlib.import_module("model_packages.profile.tally").Tally.empty(baseline)


def _column(array: Any, encoded: Any) -> Any:
    if hasattr(array, "dictionary"):
        return encoded(array.indices.to_numpy(zero_copy_only=False), array.dictionary.to_pylist())
    return array.to_numpy(zero_copy_only=False)


def _compared(baseline: Any, tally: Any) -> float:
    distances = importlib.import_module("functions.monitor.distances")
    begun = time.process_time()
    distances.compare(baseline.columns, baseline=baseline.counts, window=tally.cells)
    return time.process_time() - begun


def _captured(folder: Path, rows: int) -> Iterator[tuple[int, Path]]:
    for copy in range(max(1, rows // COPIES)):
        for path in sorted((folder / str(min(rows, COPIES))).glob("*.jsonl")):
            yield copy, path


def _read(key: str) -> bytes:
    """A copy of a file has its ids changed: the first letter says which copy it is."""
    copy, _, path = key.partition(":")
    content = Path(path).read_bytes()
    if copy == "0":
        return content
    return content.replace(b'Id":"a-', b'Id":"%s-' % copy.encode()).replace(b'Id":"b-', b'Id":"%sb-' % copy.encode())


def _first_lines(key: str) -> bytes:
    return b"\n".join(_read(key).split(b"\n")[:WARM_ROWS])


def main() -> None:
    library, kind, folder, rows = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    if library != "flyball":
        found = peer(library, kind, folder, rows)
    else:
        found = (flyball_parquet if kind == "parquet" else flyball_jsonl)(folder, rows)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
