"""Trains a package's first version on this machine: the image's own `train` verb, run as a process.

It lays out what SageMaker would mount below /opt/ml, runs the verb, and packs what it left into model.tar.gz. The
same data and seed give the same archive, byte for byte. A package that asks for several instances gets as many
processes, each with folders of its own; the first one makes the version.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.ports import LOOPBACK, free_port
from local.processes import Child, Children
from local.project import Project
from local.requirements import check_requirements
from model_packages.dataset import read_records, split_holdout, write_records
from model_packages.discovery import ModelPackage, discover, select
from model_packages.errors import OperatorError, ProcessDied
from model_packages.interface import load_interface

ARTIFACT = "model.tar.gz"
MANIFEST = "flyball.json"
BASELINE = "baseline"
"""The folder of what the version's data looked like; it is in the archive too."""
BASELINE_FILES = ("baseline.json", "constraints.json", "statistics.json")
MANIFEST_KEYS = frozenset({"schema_hash", "metrics", "records"})
"""What is read of a manifest here."""


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A package's trained version: its archive, and what training said of it (`flyball.json`)."""

    package: str
    artifact: Path
    manifest: dict[str, Any]


class TrainingFailed(OperatorError):
    """A package's training ended with a failure; `reason` is what SageMaker would show, with the traceback."""

    def __init__(self, package: str, reason: str) -> None:
        self.package, self.reason = package, reason
        super().__init__(f"training of {package} failed: {reason}")


async def train_all(
    names: Sequence[str], *, project: Project, say: Callable[[str], None], only_missing: bool = False
) -> list[TrainedVersion]:
    """Trains the packages called `names` (all where none is), as many at a time as there are cores.

    With `only_missing`, a package keeps the version it has, if that was made from the schema that it has.

    Raises: PackageError, OperatorError for an unknown name, and what train() raises.
    """
    selected = select(discover(project.packages), names)
    check_requirements(selected)
    packages = [package for package in selected if not (only_missing and is_current(package.name, project=project))]
    seats = asyncio.Semaphore(os.cpu_count() or 1)

    async def train_one(package: ModelPackage, children: Children) -> TrainedVersion:
        async with seats:
            say(f"training {package.name} ...")
            version = await train(package, project=project, children=children, on_line=_ignore)
            say(f"trained {package.name}: {_summary(version.manifest)}")
            return version

    async with Children() as children:
        return list(await asyncio.gather(*(train_one(package, children) for package in packages)))


async def train(
    package: ModelPackage, *, project: Project, children: Children, on_line: Callable[[str], None]
) -> TrainedVersion:
    """Trains `package` and puts model.tar.gz, flyball.json and baseline/ into build/models/<name>/, all or nothing.

    Raises: OperatorError for data that cannot be read here; TrainingFailed; ProcessDied if the process was killed.
    """
    target = project.version(package.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{package.name}-", dir=target.parent) as scratch:
        hosts = [f"algo-{number}" for number in range(1, package.config.training.instances + 1)]
        roots = [Path(scratch) / host for host in sorted(hosts)]
        _lay_out_inputs(package, roots)
        await _run_verb(package, project=project, roots=roots, children=children, on_line=on_line)
        ml_root = roots[0]
        finished = Path(scratch) / "finished"
        finished.mkdir()
        pack(ml_root / "model", finished / ARTIFACT)
        shutil.copy(ml_root / "model" / MANIFEST, finished / MANIFEST)
        shutil.copytree(ml_root / "model" / BASELINE, finished / BASELINE)
        shutil.rmtree(target, ignore_errors=True)
        finished.rename(target)
    return load_version(package.name, project=project)


def load_version(package: str, *, project: Project) -> TrainedVersion:
    """The first version of `package` as it lies on disk.

    Raises: OperatorError if there is none.
    """
    version = _find_version(package, project=project)
    if version is None:
        raise OperatorError(f"{package} has no trained version; `flyball train {package}` makes one")
    return version


def is_trained(package: str, *, project: Project) -> bool:
    """Whether a whole first version lies on disk."""
    return _find_version(package, project=project) is not None


def is_current(package: str, *, project: Project) -> bool:
    """Whether a first version lies on disk that this package's schema fits.

    Raises: PackageError if the package's schema cannot be imported.
    """
    interface = load_interface(package)
    if not is_trained(package, project=project):
        return False
    return bool(load_version(package, project=project).manifest["schema_hash"] == interface.schema_hash)


def unpack(version: TrainedVersion, folder: Path) -> None:
    """Lays out what `pack` packed. Raises: OperatorError if the archive is damaged."""
    try:
        with tarfile.open(version.artifact) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise OperatorError(
            f"{version.artifact} is damaged ({type(error).__name__}); `flyball train {version.package}` makes it anew"
        ) from error


def pack(folder: Path, archive: Path) -> None:
    """Writes `folder` as a tar.gz without times or owners, so that equal contents give equal bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=_without_origin)
    archive.write_bytes(gzip.compress(content.getvalue(), mtime=0))


def _find_version(package: str, *, project: Project) -> TrainedVersion | None:
    """The first version on disk; None where something of it is missing, or its manifest is damaged."""
    folder = project.version(package)
    try:
        manifest: object = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    files = [folder / ARTIFACT, *(folder / BASELINE / name for name in BASELINE_FILES)]
    if not isinstance(manifest, dict) or not manifest.keys() >= MANIFEST_KEYS or not all(map(Path.is_file, files)):
        return None
    return TrainedVersion(package=package, artifact=folder / ARTIFACT, manifest=manifest)


def _without_origin(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _lay_out_inputs(package: ModelPackage, roots: Sequence[Path]) -> None:
    """The folders and files that SageMaker mounts, on each host: channels, configuration, and the empty output folders.

    A root is called as its host is.
    """
    training = package.config.training
    if training.data.startswith("s3://"):
        raise OperatorError(
            f"{package.name}/package.toml: training.data is {training.data}; training on this machine reads a folder "
            "of the package: copy a sample there and name it"
        )
    learned, held_out = split_holdout(
        read_records(package.path / training.data),
        fraction=training.holdout_fraction,
        how=training.holdout,
        seed=training.seed,
    )
    for ml_root in roots:
        for folder in ("model", "output/data", "input/config"):
            (ml_root / folder).mkdir(parents=True)
        write_records(learned, ml_root / "input/data/training/records.jsonl")
        write_records(held_out, ml_root / "input/data/holdout/records.jsonl")
        _write_configuration(package, ml_root, hosts=[root.name for root in roots])


def _write_configuration(package: ModelPackage, ml_root: Path, *, hosts: Sequence[str]) -> None:
    hyperparameters = {"seed": package.config.training.seed, **package.config.training.hyperparameters}
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    documents: dict[str, Any] = {
        "hyperparameters": {key: json.dumps(value) for key, value in hyperparameters.items()},
        "inputdataconfig": {"training": channel, "holdout": channel},
        "resourceconfig": {"current_host": ml_root.name, "hosts": hosts, "network_interface_name": "lo"},
    }
    for name, document in documents.items():
        (ml_root / "input/config" / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


async def _run_verb(
    package: ModelPackage,
    *,
    project: Project,
    roots: Sequence[Path],
    children: Children,
    on_line: Callable[[str], None],
) -> None:
    """Runs the verb on each host. Where one fails the others are ended, for they wait for it."""
    port = free_port()
    started = [
        await children.start(
            [sys.executable, "-m", "container", "train"],
            name=f"training of {package.name}",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": str(project.root),
                "PYTHONUNBUFFERED": "1",
                # Small models train many times slower when their threads wait for each other on busy cores.
                "OMP_NUM_THREADS": "1",
                "FLYBALL_PACKAGE": package.name,
                "FLYBALL_ML_ROOT": str(ml_root),
                "MASTER_ADDR": LOOPBACK,
                "MASTER_PORT": str(port),
            },
            cwd=project.root,
            on_line=on_line,
        )
        for ml_root in roots
    ]
    ended = [asyncio.ensure_future(_ended(child, ml_root)) for child, ml_root in zip(started, roots, strict=True)]
    try:
        for each in asyncio.as_completed(ended):
            if (failure := await each) is not None:
                raise TrainingFailed(package.name, failure) if isinstance(failure, str) else failure
    finally:
        await asyncio.gather(*(child.kill() for child in started))


async def _ended(child: Child, ml_root: Path) -> str | ProcessDied | None:
    """How a host ended: the reason that it left or, where it was killed, its last lines; None where all went well."""
    if await child.wait() == 0:
        return None
    reason = ml_root / "output" / "failure"
    return reason.read_text(encoding="utf-8") if reason.is_file() else child.died()


def _summary(manifest: dict[str, Any]) -> str:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in manifest["metrics"].items())
    return f"{metrics} on {manifest['records']['holdout']} held-out records"


def _ignore(_line: str) -> None:
    """Training output is kept as the process's tail and shown when it fails."""
