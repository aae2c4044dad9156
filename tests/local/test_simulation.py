"""`flyball simulate` from the command line's side: it starts the functions' simulation and passes on what that says."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from local.project import Project
from local.simulation import simulate
from local.training import BASELINE_FILES
from model_packages.dataset import read_records
from model_packages.errors import OperatorError
from model_packages.interface import load_interface
from model_packages.profile.learning import build_baseline

ROOT = Path(__file__).parents[2]
PACKAGE = "tumours"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Has the package, and of its version what a simulation reads."""
    project = Project(root=tmp_path)
    for folder in ("functions", "model_packages"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("digits", "payments", "__pycache__")
        )
    (project.version(PACKAGE) / "baseline").mkdir(parents=True)
    (project.version(PACKAGE) / "model.tar.gz").write_bytes(b"")
    manifest = {"schema_hash": "abc", "metrics": {}, "records": {}}
    (project.version(PACKAGE) / "flyball.json").write_text(json.dumps(manifest))
    requests = [record["request"] for record in read_records(ROOT / "model_packages" / PACKAGE / "data")]
    baseline = build_baseline(load_interface(PACKAGE), requests=requests, responses=[])
    for name in BASELINE_FILES:
        (project.version(PACKAGE) / "baseline" / name).write_text(baseline.to_json())
    return project


@pytest.mark.slow
def test_a_package_is_simulated_on_the_data_that_it_was_trained_on(project: Project) -> None:
    said = asyncio.run(simulate(PACKAGE, project=project, rows=100, sizes=[3.0], as_json=True))

    found = json.loads(said)
    assert found["package"] == PACKAGE
    assert found["window_rows"] == 100
    assert found["false_alarms"][0]["alarms"] == 0
    assert len(found["detections"]) == 30


@pytest.mark.slow
def test_what_cannot_be_read_is_one_sentence(project: Project) -> None:
    with pytest.raises(OperatorError, match="holds no captured row"):
        asyncio.run(simulate(PACKAGE, project=project, captures=project.packages))


def test_a_package_without_a_version_says_how_to_make_one(project: Project) -> None:
    shutil.rmtree(project.version(PACKAGE))

    with pytest.raises(OperatorError, match="flyball train tumours"):
        asyncio.run(simulate(PACKAGE, project=project))


def test_training_data_on_s3_needs_captured_files(project: Project) -> None:
    settings = project.packages / PACKAGE / "package.toml"
    settings.write_text(settings.read_text().replace('data = "data"', 'data = "s3://bucket/data"'))

    with pytest.raises(OperatorError, match="without --captures"):
        asyncio.run(simulate(PACKAGE, project=project))
