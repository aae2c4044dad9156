"""The monitor's fold beside Evidently, NannyML and whylogs: rows a second and memory, from captured JSONL and Parquet.

30 fields, each library with what it does by default on the same rows, each measurement in a process of its own, in an
environment below build/bench/ that holds that library. A peer is not run where the run before it, of a tenth of the
rows, says that it would take too long or too much memory. `python -m tests.benchmarks.fold` prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import create_model

from model_packages.fields import Payload
from model_packages.interface import Interface
from model_packages.profile.learning import build_baseline

PROJECT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("fold_worker.py")
ENVIRONMENTS = PROJECT / "build" / "bench"
REQUIREMENTS: Mapping[str, Sequence[str]] = {
    "flyball": ("numpy==2.4.6", "orjson==3.13.0", "pyarrow==26.0.1"),
    "evidently": ("evidently==0.7.23", "pandas<3.1", "pyarrow", "orjson"),
    "nannyml": ("nannyml==0.13.1", "statsmodels", "pyarrow", "orjson"),
    "whylogs": ("whylogs==1.6.4", "numpy<2", "pandas<3", "pyarrow<21", "orjson"),
}
"""Evidently fails to import with pandas 3.1; NannyML needs statsmodels and does not say so; whylogs needs NumPy 1."""
PEERS = ("evidently", "nannyml", "whylogs")
FORMATS = ("parquet", "jsonl")
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LONGEST_SECONDS, MOST_MEGABYTES = 120.0, 10_000.0
"""Of a peer's run, as it is foreseen; our own runs are not spared."""
PROCESS_SECONDS = 1200.0
SHORT_SECONDS = 3.0
"""A run that is shorter is made three times, and the best counts: others use the machine too."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One process. Processor seconds of reading the rows and of counting them; megabytes before the first row, and at
    most.
    """

    reading: float
    counting: float
    before: float
    peak: float

    @property
    def seconds(self) -> float:
        return self.reading + self.counting


def environment(library: str) -> Path:
    """The library's own Python, made where it is not there yet."""
    folder = ENVIRONMENTS / f"fold-{library}"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder.relative_to(PROJECT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        wanted = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[library]]
        subprocess.run(wanted, check=True, stdout=sys.stderr)
    return python


def write_rows(folder: Path, sizes: Sequence[int]) -> None:
    """In the environment that has PyArrow."""
    for rows in sizes:
        command = [str(environment("flyball")), "-m", "tests.benchmarks.fold_data", str(folder), str(rows)]
        subprocess.run(command, check=True, cwd=PROJECT, env=_variables())


def write_baseline(folder: Path) -> None:
    """What the reference's rows look like, with the code that trains versions."""
    program = "import sys, pyarrow.parquet as pq, json; json.dump(pq.read_table(sys.argv[1]).to_pylist(), sys.stdout)"
    command = [str(environment("flyball")), "-c", program, str(folder / "reference.parquet")]
    rows: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    answers = [{"score": index / len(rows)} for index in range(len(rows))]
    baseline = build_baseline(interface_of(rows), requests=rows, responses=answers)
    (folder / "baseline.json").write_text(baseline.to_json(), encoding="utf-8")


def interface_of(rows: Sequence[Mapping[str, Any]]) -> Interface:
    """A schema for these rows: a field of strings is a category."""
    fields: dict[str, Any] = {}
    for name, value in rows[0].items():
        kinds = sorted({row[name] for row in rows}) if isinstance(value, str) else ()
        fields[name] = (Literal[tuple(kinds)] if kinds else float, ...)
    request = create_model("Request", __base__=Payload, **fields)
    response = create_model("Response", __base__=Payload, score=(float, ...))
    return Interface(package="rows", request=request, response=response, label=response)


def measure(library: str, kind: str, *, folder: Path, rows: int) -> Measured:
    """Each run in a process of its own."""
    first = _run(library, kind, folder=folder, rows=rows)
    if first.seconds > SHORT_SECONDS:
        return first
    again = [_run(library, kind, folder=folder, rows=rows) for _ in range(2)]
    return min(first, *again, key=lambda run: run.seconds)


def _run(library: str, kind: str, *, folder: Path, rows: int) -> Measured:
    command = [str(environment(library)), str(WORKER), library, kind, str(folder), str(rows)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PROCESS_SECONDS, cwd=folder, env=_variables()
    )
    if done.returncode != 0:
        raise RuntimeError(f"{library} failed on {rows} rows of {kind}: {done.stderr.strip()[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _variables() -> dict[str, str]:
    """Two of the peers would tell their makers that they were used."""
    silent = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": str(PROJECT), **silent}


def is_too_much(before: Measured | None, *, times: float) -> str:
    """Why a peer's run is not worth its while, from the one of fewer rows; empty if it is."""
    if before is None:
        return "not run"
    seconds = before.seconds * times
    megabytes = before.before + (before.peak - before.before) * times
    if seconds > LONGEST_SECONDS or megabytes > MOST_MEGABYTES:
        return f"not run: would take about {seconds:,.0f} s and {megabytes:,.0f} MB"
    return ""


def lines(kind: str, *, folder: Path, sizes: Sequence[int]) -> Iterator[str]:
    """The table of one format."""
    yield f"\nFrom {kind}:\n"
    yield "| rows | library | s | of it reading | rows/s | x flyball | counting alone, x flyball | peak MB | added MB |"
    yield "|---:|---|---:|---:|---:|---:|---:|---:|---:|"
    found: dict[str, Measured | None] = {}
    for place, rows in enumerate(sizes):
        ours = measure("flyball", kind, folder=folder, rows=rows)
        yield _line(rows, "flyball", ours, ours)
        for library in PEERS:
            reason = is_too_much(found[library], times=rows / sizes[place - 1]) if place else ""
            if reason:
                found[library] = None
                yield f"| {rows:,} | {library} | {reason} | | | | | | |"
                continue
            found[library] = theirs = measure(library, kind, folder=folder, rows=rows)
            yield _line(rows, library, theirs, ours)


def _line(rows: int, library: str, found: Measured, ours: Measured) -> str:
    return (
        f"| {rows:,} | {library} | {found.seconds:.3g} | {found.reading:.3g} | {rows / found.seconds:,.0f} "
        f"| {found.seconds / ours.seconds:.3g} | {found.counting / ours.counting:.3g} "
        f"| {found.peak:,.0f} | {found.peak - found.before:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--formats", choices=FORMATS, nargs="+", default=FORMATS)
    arguments = parser.parse_args()
    sizes: Sequence[int] = arguments.rows
    os.nice(10)
    with tempfile.TemporaryDirectory(dir=ENVIRONMENTS) as scratch:
        folder = Path(scratch)
        write_rows(folder, sizes)
        write_baseline(folder)
        for kind in arguments.formats:
            for line in lines(kind, folder=folder, sizes=sizes):
                print(line, flush=True)


if __name__ == "__main__":
    main()
