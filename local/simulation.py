"""Tries the monitor's settings on a package's own traffic: the functions' own simulation, run as a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.processes import Children
from local.project import Project
from local.training import BASELINE, load_version
from model_packages.discovery import discover, select
from model_packages.errors import OperatorError


async def simulate(
    package: str,
    *,
    project: Project,
    captures: Path | None = None,
    rows: int | None = None,
    sizes: Sequence[float] = (),
    as_json: bool = False,
) -> str:
    """What it prints about the traffic in `captures`, or else about the data that the package was trained on.

    Raises: OperatorError for an unknown or untrained package, and for traffic that cannot be read.
    """
    found = select(discover(project.packages), [package])[0]
    if captures is None and found.config.training.data.startswith("s3://"):
        raise OperatorError(
            f"{package}/package.toml: training.data is {found.config.training.data}; allowed without --captures: a "
            "folder of the package"
        )
    version = load_version(package, project=project)
    traffic = ["--records", str(found.path / found.config.training.data)]
    lines: list[str] = []
    async with Children() as children:
        child = await children.start(
            [
                *[sys.executable, "-m", "functions.monitor.simulate", package],
                *["--baseline", str(version.artifact.parent / BASELINE / "baseline.json")],
                *(traffic if captures is None else ["--captures", str(captures.resolve())]),
                *([] if rows is None else ["--rows", str(rows)]),
                *[f"--size={size}" for size in sizes],
                *(["--json"] if as_json else []),
            ],
            name=f"simulation of {package}",
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(project.root), "OMP_NUM_THREADS": "1"},
            cwd=project.root,
            on_line=lines.append,
        )
        if await child.wait() == 2 and lines:
            raise OperatorError(lines[-1])
        if child.exit_code:
            raise child.died()
    return "\n".join(lines)
