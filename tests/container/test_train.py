"""The verb `train`: what SageMaker lays out goes in, a version and its metrics come out, or a reason."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from container.evaluation import Evaluation
from container.inference import load_predictor
from container.train import train
from container.training_job import TrainingJob
from model_packages.dataset import Record, write_records
from model_packages.errors import OperatorError, PackageError
from model_packages.profile.baseline import Baseline
from model_packages.profile.quality_baseline import QualityBaseline

DEADLINE_SECONDS = 60.0
FILE_CHANNEL = {"TrainingInputMode": "File"}


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Training sets the process's environment and torch's global state, as it may in a process of its own."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    torch.use_deterministic_algorithms(mode=False)


def points(count: int, *, seed: int) -> list[Record]:
    draw = random.Random(seed)  # noqa: S311
    xs = [draw.uniform(-1, 1) for _ in range(count)]
    return [{"request": {"x": x, "side": "left" if x < 0 else "right"}, "label": {"y": 2 * x + 1}} for x in xs]


def lay_out(
    ml_root: Path,
    *,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, Any] | None = None,
    holdout: bool = True,
    hosts: Sequence[str] = ("algo-1",),
    current_host: str = "algo-1",
) -> Path:
    """What SageMaker mounts below /opt/ml."""
    config = ml_root / "input" / "config"
    config.mkdir(parents=True)
    write_records(points(40, seed=1), ml_root / "input" / "data" / "training" / "records.jsonl")
    if holdout:
        write_records(points(20, seed=2), ml_root / "input" / "data" / "holdout" / "records.jsonl.gz")
    names = ["training", "holdout"] if holdout else ["training"]
    documents = {
        "hyperparameters": hyperparameters,
        "inputdataconfig": channels or dict.fromkeys(names, FILE_CHANNEL),
        "resourceconfig": {"current_host": current_host, "hosts": list(hosts), "network_interface_name": "lo"},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    return ml_root


def test_hyperparameters_are_decoded_where_they_are_json_scalars(tmp_path: Path) -> None:
    given = {"a": "1", "b": "0.5", "c": "true", "d": '"text"', "e": "text", "f": "[1, 2]", "g": "NaN", "h": "null"}

    job = TrainingJob.read(lay_out(tmp_path, hyperparameters=given))

    assert job.hyperparameters == {
        **{"a": 1, "b": 0.5, "c": True, "d": "text"},
        **{"e": "text", "f": "[1, 2]", "g": "NaN", "h": "null"},
    }


def test_the_variables_of_awss_toolkit_are_set(tmp_path: Path) -> None:
    job = TrainingJob.read(lay_out(tmp_path, hyperparameters={"rate": "0.5"}, hosts=["algo-1", "algo-2"]))

    found = job.environment(gpus=2)

    assert found["SM_MODEL_DIR"] == str(tmp_path / "model")
    assert found["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "output" / "data")
    assert found["SM_CHECKPOINT_DIR"] == str(tmp_path / "checkpoints")
    assert found["SM_CHANNEL_TRAINING"] == str(tmp_path / "input" / "data" / "training")
    assert found["SM_CHANNEL_HOLDOUT"] == str(tmp_path / "input" / "data" / "holdout")
    assert found["SM_NUM_GPUS"] == "2"
    assert json.loads(found["SM_HOSTS"]) == ["algo-1", "algo-2"]
    assert found["SM_CURRENT_HOST"] == "algo-1"
    assert json.loads(found["SM_HPS"]) == {"rate": 0.5}
    assert found["SM_HP_RATE"] == "0.5"


def test_a_job_without_training_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"the job has the channels \[\]; allowed: one called 'training'"):
        TrainingJob.read(tmp_path)


def test_a_channel_in_pipe_mode_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={}, channels={"training": {"TrainingInputMode": "Pipe"}})

    with pytest.raises(OperatorError, match="'training' is in Pipe mode"):
        TrainingJob.read(tmp_path)


def test_a_version_is_trained_measured_and_described(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={"seed": "3"})

    found = train("linear", TrainingJob.read(tmp_path))

    manifest = json.loads((tmp_path / "model" / "flyball.json").read_text())
    assert found.metrics["r_squared"] > 0.99
    assert set(found.slices) == {"side=left", "side=right"}
    assert manifest["package"] == "linear"
    assert manifest["records"] == {"training": 40, "holdout": 20}
    assert manifest["metrics"] == found.metrics
    assert manifest["torch"] == torch.__version__
    assert len(manifest["schema_hash"]) == 12
    assert json.loads((tmp_path / "output" / "data" / "metrics.json").read_text())["metrics"] == found.metrics
    [answer] = load_predictor("linear", tmp_path / "model").predict([{"x": 1.0, "side": "right"}])
    assert answer["y"] == pytest.approx(3.0, abs=0.05)


def test_the_same_data_and_seed_give_the_same_version(tmp_path: Path) -> None:
    for name in ("a", "b"):
        train("linear", TrainingJob.read(lay_out(tmp_path / name, hyperparameters={"seed": "3", "rate": "0.01"})))

    models = [tmp_path / name / "model" for name in ("a", "b")]
    contents = [
        {path.relative_to(model): path.read_bytes() for path in model.rglob("*") if path.is_file()} for model in models
    ]

    assert contents[0] == contents[1]


def test_another_seed_gives_another_version(tmp_path: Path) -> None:
    weights = []
    for seed in ("3", "4"):
        root = lay_out(tmp_path / seed, hyperparameters={"seed": seed, "rate": "0.01"})
        train("linear", TrainingJob.read(root))
        weights.append(torch.load(root / "model" / "line.pt", weights_only=True)["linear.weight"].item())

    assert weights[0] != weights[1]


def test_a_seed_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="'seed' is -1"):
        train("linear", TrainingJob.read(lay_out(tmp_path, hyperparameters={"seed": "-1"})))


def test_without_a_holdout_the_version_has_no_metrics(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={}, holdout=False)

    found = train("linear", TrainingJob.read(tmp_path))

    assert found == Evaluation(metrics={}, slices={})
    assert json.loads((tmp_path / "model" / "flyball.json").read_text())["records"] == {"training": 40, "holdout": 0}


def test_the_version_has_a_baseline_of_its_data_beside_it(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={})

    train("linear", TrainingJob.read(tmp_path))

    folder = tmp_path / "model" / "baseline"
    baseline = Baseline.from_json((folder / "baseline.json").read_text())
    assert (baseline.rows, baseline.tally.responses) == (60, 20)
    assert json.loads((folder / "statistics.json").read_text())["dataset"] == {"item_count": 60}
    assert {field["name"] for field in json.loads((folder / "constraints.json").read_text())["features"]} >= {"x", "y"}
    assert json.loads((tmp_path / "model" / "flyball.json").read_text())["baseline"] == baseline.identity
    for path in folder.iterdir():
        assert (tmp_path / "output" / "data" / "baseline" / path.name).read_bytes() == path.read_bytes()


def test_the_version_s_quality_on_its_holdout_is_beside_the_baseline(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={})

    evaluation = train("linear", TrainingJob.read(tmp_path))

    quality = QualityBaseline.from_json((tmp_path / "model" / "baseline" / "quality.json").read_text())
    assert (quality.fields.prediction, quality.fields.label, quality.rows) == ("y", "y", 20)
    assert quality.metrics["r2"].value == pytest.approx(evaluation.metrics["r_squared"], abs=1e-4)


def test_without_a_holdout_there_is_no_quality_to_compare_with(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={}, holdout=False)

    train("linear", TrainingJob.read(tmp_path))

    assert not (tmp_path / "model" / "baseline" / "quality.json").exists()


def test_without_a_holdout_the_answers_are_those_to_the_training_data(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={}, holdout=False)

    train("linear", TrainingJob.read(tmp_path))

    baseline = Baseline.from_json((tmp_path / "model" / "baseline" / "baseline.json").read_text())
    assert (baseline.rows, baseline.tally.responses) == (40, 40)


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (0.5, "found float; allowed: a dict of metrics"),
        ({"accuracy": "high"}, "evaluate.accuracy: found 'high'; allowed: a number"),
        ({"accuracy": np.nan}, "evaluate.accuracy: found nan; allowed: a finite number"),
        ({"slices": {"a": 1}}, "evaluate.slices: found"),
    ],
)
def test_an_evaluation_that_is_no_metrics_is_the_packages_fault(
    tmp_path: Path, evaluating: Callable[[Any], None], result: Any, complaint: str
) -> None:
    evaluating(result)

    with pytest.raises(PackageError, match=complaint):
        train("linear", TrainingJob.read(lay_out(tmp_path, hyperparameters={})))


@pytest.fixture
def evaluating(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Makes the package's evaluate() return what a test says."""
    import model_packages.linear.train as package  # type: ignore[import-not-found]  # noqa: PLC0415

    return lambda result: monkeypatch.setattr(package, "evaluate", lambda _predict, _records: result)


def run_verb(context: Path, ml_root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "container", "train"],
        cwd=context,
        env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1", "FLYBALL_PACKAGE": "linear", "FLYBALL_ML_ROOT": str(ml_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_the_verb_trains_and_exits_with_0(build_context: Callable[[str], Path], tmp_path: Path) -> None:
    ml_root = lay_out(tmp_path / "ml", hyperparameters={"seed": "0"})

    with run_verb(build_context("linear"), ml_root) as process:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 0, output
    assert json.loads(output.splitlines()[-1])["metrics"]["r_squared"] > 0.99
    assert sorted(path.name for path in (ml_root / "model").iterdir()) == ["baseline", "flyball.json", "line.pt"]
    assert not (ml_root / "output" / "failure").exists()


@pytest.mark.slow
def test_a_failure_says_its_reason_first(build_context: Callable[[str], Path], tmp_path: Path) -> None:
    ml_root = lay_out(tmp_path / "ml", hyperparameters={"fail": "the data smells"})

    with run_verb(build_context("linear"), ml_root) as process:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)

    reason, _, trace = (ml_root / "output" / "failure").read_text().partition("\n\n")
    assert process.returncode == 1
    assert reason == "ValueError: the data smells"
    assert trace.startswith("Traceback")
    assert json.loads(output.splitlines()[-1])["message"] == reason


@pytest.mark.slow
def test_sigterm_ends_training_with_a_reason(build_context: Callable[[str], Path], tmp_path: Path) -> None:
    ml_root = lay_out(tmp_path / "ml", hyperparameters={"wait": "1"})

    with run_verb(build_context("linear"), ml_root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 143
    assert (ml_root / "output" / "failure").read_text().startswith("Stopped: stopped by SIGTERM")
