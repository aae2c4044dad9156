"""Runs `app.py` as the CDK command line would, and only when something that goes into it has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.processes import Children
from local.project import Project
from model_packages.errors import OperatorError

DIGEST_FILE = ".flyball-inputs"
REVIEW_FILE = "preflight.txt"  # cdk/preflight/review.py writes it
SOURCES = ("app.py", "cdk.json", "cdk", "functions", "container", "model_packages", "requirements/lock.txt")
LOCAL_CONTEXT: Mapping[str, Any] = {"local-cloud": True}
"""Templates for the local cloud: bound to no account and region, whatever the environment's are."""

CLI_CONTEXT: Mapping[str, Any] = {
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:bundling-stacks": ["**"],
}
"""What CDK's command line says, so that its `cdk deploy` finds nothing to change in what `flyball up` deployed."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Where the assembly lies, and whether it was made anew."""

    assembly: Path
    fresh: bool

    @property
    def review(self) -> str:
        """What the synth found out about the templates, and what they cost."""
        return (self.assembly / REVIEW_FILE).read_text(encoding="utf-8").rstrip()


async def synth(
    project: Project,
    *,
    say: Callable[[str], None],
    validate: bool = False,
    environment: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Synthesis:
    """What `flyball synth` does: synthesize() for an environment, and a word on what it is doing."""
    chosen = {**(context or {}), **({"environment": environment} if environment else {})}
    async with Children() as children:
        say("synthesizing the templates ...")
        return await synthesize(project=project, children=children, validate=validate, context=chosen)


async def synthesize(
    *, project: Project, children: Children, validate: bool = False, context: Mapping[str, Any] | None = None
) -> Synthesis:
    """Makes cdk.out from the project's sources; the old one stays if anything fails.

    `validate` runs aws-cdk-lib's template validator too, which takes several seconds a stack. `context` is the CDK's,
    beside and above that of cdk.json.

    Raises: OperatorError with the last lines of the synth if it fails.
    """
    context = {**CLI_CONTEXT, **(context or {})}
    digest = inputs_digest(project, context)
    if not validate and _is_current(project, digest):
        return Synthesis(assembly=project.assembly, fresh=False)
    project.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".synth-", dir=project.build) as scratch:
        out = Path(scratch) / "cdk.out"
        await _run_app(project, out=out, children=children, validate=validate, context=context)
        (out / DIGEST_FILE).write_text(_seal(digest, out), encoding="ascii")
        shutil.rmtree(project.assembly, ignore_errors=True)
        out.rename(project.assembly)
    return Synthesis(assembly=project.assembly, fresh=True)


def inputs_digest(project: Project, context: Mapping[str, Any]) -> str:
    """SHA-256 over the context and the names and contents of every file that a synth reads."""
    digest = hashlib.sha256(f"{sys.version}\0{json.dumps(context, sort_keys=True)}\0".encode())
    for path in _inputs(project):
        digest.update(str(path.relative_to(project.root)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _inputs(project: Project) -> Iterator[Path]:
    for name in SOURCES:
        path = project.root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)
    yield from sorted(project.build.glob("models/*/model.tar.gz"))
    yield from sorted(project.build.glob("models/*/baseline/*"))


def _is_current(project: Project, digest: str) -> bool:
    recorded = project.assembly / DIGEST_FILE
    return recorded.is_file() and recorded.read_text(encoding="utf-8", errors="replace") == _seal(
        digest, project.assembly
    )


def _seal(digest: str, assembly: Path) -> str:
    """Ties what went in to what lies there: a file that somebody removed or changed since, by hand or with the CDK's
    own command, breaks it. Python's bytecode does not count: model servers run in the assembly.
    """
    seal = hashlib.sha256(digest.encode())
    for path in sorted(assembly.rglob("*")):
        if path.is_file() and path.name != DIGEST_FILE and "__pycache__" not in path.parts:
            status = path.stat()
            seal.update(f"{path.relative_to(assembly)}\0{status.st_size} {status.st_mtime_ns}\0".encode())
    return seal.hexdigest()


async def _run_app(
    project: Project, *, out: Path, children: Children, validate: bool, context: Mapping[str, Any]
) -> None:
    shared = json.loads((project.root / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    node = Path(sys.executable).parent / "node"
    environment = {
        **os.environ,
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps({**shared, **context}),
        "CDK_VALIDATION": "true" if validate else "false",
        **({"JSII_NODE": str(node)} if node.is_file() else {}),
    }
    child = await children.start([sys.executable, "app.py"], name="synth", env=environment, cwd=project.root)
    if await child.wait() != 0:
        raise OperatorError(_reason(child.tail))


def _reason(tail: list[str]) -> str:
    """Our own errors end app.py with a message; anything else with a traceback, of which the end says most."""
    return "the synth failed:\n" + "\n".join(f"  {line}" for line in tail)
