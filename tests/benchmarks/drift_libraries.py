"""Whether Evidently and NannyML say what drift_rules.py says they do: each is asked about some windows of each kind.

Each library gets an environment of its own below build/bench/, because neither can live beside what the kit needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.drift_rules import EVIDENTLY_LIMIT, NANNYML_LIMIT, score_codes, score_numbers
from tests.benchmarks.drift_streams import CATEGORIES, NUMERIC, Stream

WORKER = Path(__file__).with_name("drift_library_worker.py")
REQUIREMENTS: Mapping[str, Sequence[str]] = {
    "evidently": ("evidently==0.7.23", "pandas<3.1"),
    "nannyml": ("nannyml==0.13.1", "statsmodels"),
}
"""Evidently fails to import with pandas 3.1; NannyML needs statsmodels and does not say so."""
LIMITS = {"evidently": EVIDENTLY_LIMIT, "nannyml": NANNYML_LIMIT}
CHECKED_WINDOWS = (0, 12, 19, 150)
"""Of the first stream of each kind."""
INSTALL_SECONDS, WORK_SECONDS = 1200.0, 600.0
NAMES = (*(f"number_{field}" for field in range(NUMERIC)), *(f"category_{field}" for field in range(CATEGORIES)))

Table = dict[str, NDArray[np.float32] | NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Between a library and its rule as it is written down here."""

    verdicts: int
    same: int
    largest_difference: float
    """Of two distances."""


def table(folder: Path, kinds: Sequence[str]) -> str:
    """For docs/benchmarks.md."""
    lines = ["| library | verdicts compared | the same | largest difference of a distance |", "|---|---:|---:|---:|"]
    for library in REQUIREMENTS:
        python = install(library, folder)
        if python is None:
            lines.append(f"| {library} | could not be installed | | |")
            continue
        found = [agreement(library, python, kind) for kind in kinds]
        verdicts, same = sum(one.verdicts for one in found), sum(one.same for one in found)
        lines.append(f"| {library} | {verdicts} | {same} | {max(one.largest_difference for one in found):.1g} |")
    return "\n".join(lines)


def install(library: str, folder: Path) -> Path | None:
    """The library's own Python, installed where it is not there yet; None where it cannot be installed."""
    python = folder / library / "bin" / "python"
    if imports(library, python):
        return python
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(folder / library)], check=False, timeout=WORK_SECONDS)
    wanted = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[library]]
    if made.returncode == 0:
        subprocess.run(wanted, check=False, timeout=INSTALL_SECONDS, stdout=sys.stderr)
    return python if imports(library, python) else None


def agreement(library: str, python: Path, kind: str) -> Agreement:
    """On CHECKED_WINDOWS of one stream."""
    stream = Stream(kind, 0)
    reference = {**_numbers(stream, None), **_codes(stream, None)}
    windows = [{**_numbers(stream, window), **_codes(stream, window)} for window in CHECKED_WINDOWS]
    said = _ask(library, python, {"reference": reference} | {f"window {n}": one for n, one in enumerate(windows)})
    ours = np.array([[_distance(library, name, one[name], reference[name]) for name in NAMES] for one in windows])
    theirs = np.array([[one[name] for name in NAMES] for one in said])
    same = (ours > LIMITS[library]) == (theirs > LIMITS[library])
    return Agreement(same.size, int(same.sum()), float(np.abs(ours - theirs).max()))


def imports(library: str, python: Path) -> bool:
    """Whether the library is installed there and can be imported."""
    if not python.exists():
        return False
    done = subprocess.run(
        [str(python), "-c", f"import {library}"], check=False, capture_output=True, timeout=WORK_SECONDS
    )
    return done.returncode == 0


def _ask(library: str, python: Path, tables: Mapping[str, Table]) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "windows.npz"
        arrays = {f"{name}/{column}": values for name, one in tables.items() for column, values in one.items()}
        np.savez(path, **arrays)  # type: ignore[arg-type]
        command = [str(python), str(WORKER), library, str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WORK_SECONDS)
    found: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _distance(library: str, name: str, values: NDArray[np.generic], reference: NDArray[np.generic]) -> float:
    sizes = np.array([len(values)])
    if name.startswith("number"):
        scores = score_numbers(values.astype(np.float32), sizes, reference.astype(np.float32))
    else:
        categories = 3 + int(name.removeprefix("category_"))
        scores = score_codes(values.astype(np.int64), sizes, reference.astype(np.int64), categories=categories)
    return float((scores.evidently if library == "evidently" else scores.nannyml)[0])


def _numbers(stream: Stream, window: int | None) -> Table:
    chosen = stream.window_of_row == window
    return {
        f"number_{field}": stream.reference_numbers(field) if window is None else stream.numbers(field)[chosen]
        for field in range(NUMERIC)
    }


def _codes(stream: Stream, window: int | None) -> Table:
    chosen = stream.window_of_row == window
    return {
        f"category_{field}": stream.reference_codes(field) if window is None else stream.codes(field)[chosen]
        for field in range(CATEGORIES)
    }
