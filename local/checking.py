"""Runs the conformance tests of a package on its trained version: the image's own `check` verb, as a process."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.processes import Children
from local.project import Project
from local.training import load_version, train_all, unpack
from model_packages.discovery import ModelPackage, discover, select


@dataclass(frozen=True, slots=True)
class Finding:
    """One conformance test of one package, and how it ended."""

    package: str
    check: str
    passed: bool
    detail: str


async def check_all(names: Sequence[str], *, project: Project, say: Callable[[str], None]) -> list[Finding]:
    """Every finding about the packages called `names` (all where none is); an untrained one is trained first.

    Raises: PackageError, OperatorError for an unknown name, and what train() and check() raise.
    """
    packages = select(discover(project.packages), names)
    await train_all(names, project=project, say=say, only_missing=True)
    async with Children() as children:
        return [finding for package in packages for finding in await check(package, project=project, children=children)]


async def check(package: ModelPackage, *, project: Project, children: Children) -> list[Finding]:
    """Every finding about `package`, passed or not.

    Raises: OperatorError if the package is not trained; ProcessDied if the process ends without its findings.
    """
    version = load_version(package.name, project=project)
    with tempfile.TemporaryDirectory(prefix=f"flyball-{package.name}-") as folder:
        unpack(version, Path(folder))
        lines: list[str] = []
        child = await children.start(
            [sys.executable, "-m", "container", "check", "--model-dir", folder, "--json"],
            name=f"check of {package.name}",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": str(project.root),
                "FLYBALL_PACKAGE": package.name,
            },
            cwd=Path(folder),
            on_line=lines.append,
        )
        exit_code = await child.wait()
    findings = list(_findings(package.name, lines))
    if not findings or (exit_code != 0 and all(finding.passed for finding in findings)):
        raise child.died()
    return findings


def _findings(package: str, lines: list[str]) -> list[Finding]:
    """The verb ends with one JSON list of findings; what the package's own code printed stands before it."""
    start = max((index for index, line in enumerate(lines) if line == "["), default=len(lines))
    try:
        documents = json.loads("\n".join(lines[start:]) or "[]")
    except ValueError:
        return []
    return [
        Finding(package=package, check=found["check"], passed=found["passed"], detail=found["detail"])
        for found in documents
    ]
