"""A package's first version on disk: what counts as one, and how damage is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from local.processes import Children
from local.project import Project
from local.training import is_trained, load_version, pack, train, unpack
from model_packages.discovery import ROOT, read_package
from model_packages.errors import OperatorError

MANIFEST = {"schema_hash": "abc", "metrics": {"accuracy": 0.9}, "records": {"holdout": 3}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Has a version of `roses` with one file."""
    project = Project(root=tmp_path)
    folder, model = project.version("roses"), tmp_path / "model"
    folder.mkdir(parents=True)
    model.mkdir()
    (model / "weights").write_text("3")
    pack(model, folder / "model.tar.gz")
    (folder / "flyball.json").write_text(json.dumps(MANIFEST))
    (folder / "baseline").mkdir()
    for name in ("baseline.json", "constraints.json", "statistics.json"):
        (folder / "baseline" / name).write_text("{}")
    return project


def test_what_was_packed_is_unpacked(project: Project, tmp_path: Path) -> None:
    version = load_version("roses", project=project)

    unpack(version, tmp_path / "unpacked")

    assert version.manifest == MANIFEST
    assert (tmp_path / "unpacked" / "weights").read_text() == "3"


@pytest.mark.parametrize("manifest", ["", "{", "[]", "{}", '{"metrics": {}}'])
def test_a_version_with_a_damaged_manifest_is_none(project: Project, manifest: str) -> None:
    (project.version("roses") / "flyball.json").write_text(manifest)

    assert not is_trained("roses", project=project)
    with pytest.raises(OperatorError, match="flyball train roses"):
        load_version("roses", project=project)


@pytest.mark.parametrize("file", ["model.tar.gz", "flyball.json", "baseline/baseline.json"])
def test_half_a_version_is_none(project: Project, file: str) -> None:
    (project.version("roses") / file).unlink()

    assert not is_trained("roses", project=project)


@pytest.mark.parametrize("kept_bytes", [0, 5, 40])
def test_a_damaged_archive_says_how_to_make_it_anew(project: Project, tmp_path: Path, kept_bytes: int) -> None:
    version = load_version("roses", project=project)
    version.artifact.write_bytes(version.artifact.read_bytes()[:kept_bytes])

    with pytest.raises(OperatorError, match=r"model\.tar\.gz is damaged .*`flyball train roses`"):
        unpack(version, tmp_path / "unpacked")


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_package_on_several_instances_is_trained_by_as_many_processes(tmp_path: Path) -> None:
    for folder in ("container", "model_packages"):
        (tmp_path / folder).symlink_to(ROOT.parent / folder)
    project = Project(root=tmp_path)
    package = read_package(ROOT / "tumours")
    training = package.config.training.model_copy(update={"instances": 2})
    package = replace(package, config=package.config.model_copy(update={"training": training}))
    lines: list[str] = []

    async with Children() as children:
        version = await train(package, project=project, children=children, on_line=lines.append)

    assert version.manifest["metrics"]["balanced_accuracy"] >= package.config.gate.minimum, lines
    assert [path.name for path in project.version("tumours").parent.iterdir()] == ["tumours"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
