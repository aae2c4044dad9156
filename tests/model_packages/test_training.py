"""Each package, trained for real with its own settings: the gate's metric, the golden pairs and the behaviours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import model_packages
from container.conformance import check
from container.settings import MANIFEST
from container.train import train
from container.training_job import HOLDOUT, TRAINING, TrainingJob
from model_packages.dataset import read_records, split_holdout, write_records
from model_packages.discovery import ROOT, ModelPackage, read_package
from model_packages.scaffold import scaffold

pytestmark = pytest.mark.slow
MARGINS = {"tumours": 0.02, "digits": 0.02, "payments": 0.05, "scaffolded": 0.05}


@dataclass(frozen=True)
class Version:
    """A package, trained as a training job would, but in this process."""

    package: ModelPackage
    model_dir: Path


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are quicker on one thread, above all where other processes want the cores too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=sorted(MARGINS))
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = ROOT / request.param
        if request.param == "scaffolded":
            folder = scaffold("scaffolded", tmp_path_factory.mktemp("packages"))
            monkeypatch.setattr(model_packages, "__path__", [*model_packages.__path__, str(folder.parent)])
        yield _train(read_package(folder), tmp_path_factory.mktemp(request.param))


def test_the_gates_metric_is_reached_with_a_margin(version: Version) -> None:
    gate = version.package.config.gate

    metrics = json.loads((version.model_dir / MANIFEST).read_text())["metrics"]

    assert metrics[gate.metric] >= gate.minimum + MARGINS[version.package.name]


def test_golden_pairs_behaviours_and_the_contract_hold(version: Version) -> None:
    failed = [finding for finding in check(version.package.name, version.model_dir) if not finding.passed]

    assert failed == []


def test_the_readme_states_the_metric_that_training_reaches(version: Version) -> None:
    """To two digits, as the README rounds it: a model card that drifts from its model is worse than none."""
    metrics = json.loads((version.model_dir / MANIFEST).read_text())["metrics"]
    value = metrics[version.package.config.gate.metric]

    readme = (version.package.path / "README.md").read_text(encoding="utf-8")

    assert any(f"{value:.{digits}f}" in readme for digits in (2, 3))


def _train(package: ModelPackage, ml_root: Path) -> Version:
    config = package.config.training
    training, holdout = split_holdout(
        read_records(package.path / config.data), fraction=config.holdout_fraction, how=config.holdout, seed=config.seed
    )
    channels = {TRAINING: ml_root / "input/data" / TRAINING, HOLDOUT: ml_root / "input/data" / HOLDOUT}
    write_records(training, channels[TRAINING] / "records.jsonl")
    write_records(holdout, channels[HOLDOUT] / "records.jsonl")
    job = TrainingJob(
        ml_root=ml_root,
        hyperparameters=config.hyperparameters,
        channels=channels,
        current_host="algo-1",
        hosts=("algo-1",),
    )
    train(package.name, job)
    return Version(package=package, model_dir=job.model_dir)
