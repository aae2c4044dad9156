"""The rows of a replay: made by the package itself, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local.project import Project
from model_packages.dataset import Record, read_records
from model_packages.errors import OperatorError
from model_packages.shifting import Shift


async def make_rows(
    project: Project, *, package: str, rows: int, seed: int, shift: Shift | None, first: int
) -> list[Record]:
    """`rows` labelled requests; from number `first` on they are shifted.

    Raises: OperatorError with what the package's process says if it has none.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "model_packages.traffic", package),
            *("--rows", str(rows), "--seed", str(seed), "--out", str(path)),
            *_shift_options(shift, first),
            cwd=project.root,
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(project.root)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise OperatorError(errors.decode(errors="replace").strip() or f"{package} could make no requests")
        return read_records(Path(folder))


def _shift_options(shift: Shift | None, first: int) -> list[str]:
    if shift is None:
        return []
    size = [] if shift.size is None else ["--size", str(shift.size)]
    return ["--shift", shift.field, "--first", str(first), *size, *(["--missing"] if shift.missing else [])]
