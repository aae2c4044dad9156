"""The verb `evaluate`: two archives and a holdout in, evidence and the challenger's baseline out, or a reason."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from container.comparison import Effort
from container.evaluate import Contender, champion_of, evaluate, run
from container.evaluation_job import EvaluationJob
from container.settings import Settings
from container.version import ForeignVersion
from model_packages.dataset import Record, write_records
from model_packages.errors import OperatorError
from model_packages.evidence import Evidence
from model_packages.interface import load_interface

DEADLINE_SECONDS = 120.0
AT_ONCE = Effort(budget_seconds=0.0)
BASELINE_FILES = ("baseline.json", "constraints.json", "quality.json", "statistics.json")


def points(count: int = 80, *, noise: float = 0.5, slope: float = 2.0) -> list[Record]:
    """Around the line y = 2x + 1."""
    draw = random.Random(1)  # noqa: S311
    xs = [draw.uniform(-1, 1) for _ in range(count)]
    return [
        {
            "request": {"x": x, "side": "left" if x < 0 else "right"},
            "label": {"y": slope * x + 1 + draw.gauss(0, noise)},
        }
        for x in xs
    ]


def pack(archive: Path, *, slope: float = 2.0, **manifest: Any) -> Path:
    """A version of `linear` as training packs it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    described = {"package": "linear", "schema_hash": load_interface("linear").schema_hash} | manifest
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(archive, "w:gz") as tar:
        folder = Path(scratch)
        line = {"linear.weight": torch.tensor([[slope]]), "linear.bias": torch.tensor([1.0])}
        torch.save(line, folder / "line.pt")
        (folder / "flyball.json").write_text(json.dumps(described))
        (folder / "baseline").mkdir()
        for name in BASELINE_FILES:
            (folder / "baseline" / name).write_text(json.dumps({"of": slope}))
        tar.add(folder, arcname=".")
    return archive


@pytest.fixture
def ml_root(tmp_path: Path) -> Path:
    """What SageMaker mounts: a holdout and two folders for archives."""
    inputs = tmp_path / "ml" / "processing" / "input"
    write_records(points(), inputs / "holdout" / "part.jsonl.gz")
    for name in ("champion", "challenger"):
        (inputs / name).mkdir()
    return tmp_path / "ml"


def archive(ml_root: Path, name: str) -> Path:
    return ml_root / "processing" / "input" / name / "model.tar.gz"


def evidence_in(ml_root: Path) -> Evidence:
    return Evidence.from_json((ml_root / "processing" / "output" / "evidence.json").read_bytes())


@pytest.mark.slow
def test_a_better_challenger_is_told_from_its_champion(ml_root: Path) -> None:
    pack(archive(ml_root, "champion"), slope=1.0)
    pack(archive(ml_root, "challenger"), slope=2.0)

    told = evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    found = evidence_in(ml_root)
    assert (found.package, found.metric, found.compare, found.confidence) == ("linear", "r_squared", "r_squared", 0.95)
    assert found.rows == 80
    assert found.compared is not None
    assert found.champion is not None
    assert found.compared.champion == found.champion.metrics["r_squared"]
    assert found.compared.challenger == found.challenger.metrics["r_squared"]
    assert 0 < found.compared.low < found.compared.gain < found.compared.high
    assert set(found.slices) == {"side=left", "side=right"}
    assert found.slices["side=left"].low > 0
    assert told.startswith("r_squared is 0.8")
    assert "on 80 records: a gain of +0." in told


@pytest.mark.slow
def test_each_models_other_sides_are_in_the_evidence(ml_root: Path) -> None:
    pack(archive(ml_root, "champion"), slope=2.0)
    pack(archive(ml_root, "challenger"), slope=-2.0)

    told = evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    found = evidence_in(ml_root)
    assert found.champion is not None
    assert (found.champion.behaviours, found.champion.failed_behaviours) == (1, {})
    assert found.challenger.failed_behaviours == {"a_larger_x_gives_a_larger_y": "1.0 at 0 is not below -1.0 at 1"}
    assert "the challenger fails a_larger_x_gives_a_larger_y" in told
    assert found.challenger.size_bytes == archive(ml_root, "challenger").stat().st_size
    assert found.challenger.schema_hash == load_interface("linear").schema_hash
    assert found.challenger.calibration_error is None
    assert 0 < found.challenger.p99_latency_ms < 5_000
    assert found.compared is not None
    assert found.compared.high < 0


def test_the_challengers_baseline_is_beside_the_evidence(ml_root: Path) -> None:
    pack(archive(ml_root, "challenger"), slope=2.0)

    evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    baseline = ml_root / "processing" / "output" / "baseline"
    assert sorted(path.name for path in baseline.iterdir()) == sorted(BASELINE_FILES)
    assert json.loads((baseline / "baseline.json").read_text()) == {"of": 2.0}


def test_without_a_champion_the_challenger_is_measured_alone(ml_root: Path) -> None:
    pack(archive(ml_root, "challenger"))

    told = evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    found = evidence_in(ml_root)
    assert (found.champion, found.compared, found.slices) == (None, None, {})
    assert found.challenger.metrics["r_squared"] > 0.8
    assert told == "nothing is compared on 80 records: there is no champion"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: pack(path, schema_hash="0" * 12), "ForeignVersion: the version is of ('linear', '000000000000')"),
        (lambda path: path.write_bytes(b"no archive"), "OperatorError"),
    ],
    ids=["another schema", "a damaged archive"],
)
def test_a_champion_that_does_not_load_is_none_and_the_message_says_why(
    ml_root: Path, damage: Callable[[Path], Any], complaint: str
) -> None:
    pack(archive(ml_root, "challenger"))
    damage(archive(ml_root, "champion"))

    told = evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    assert evidence_in(ml_root).champion is None
    assert "the champion does not answer: " + complaint in told


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no space"), MemoryError(), torch.OutOfMemoryError("CUDA out of memory")], ids=repr
)
def test_a_machine_that_is_full_does_not_excuse_a_comparison(error: Exception) -> None:
    def load(_archive: Path) -> Contender:
        raise error

    with pytest.raises(type(error)):
        champion_of(Path("champion.tar.gz"), load)


def test_an_archive_may_have_any_name_and_has_to_be_the_only_one(ml_root: Path) -> None:
    first = pack(archive(ml_root, "challenger")).rename(archive(ml_root, "challenger").with_name("0123456789abcdef.gz"))

    evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    first.with_name("another.gz").write_bytes(first.read_bytes())
    with pytest.raises(
        OperatorError, match=r"challenger holds 0123456789abcdef\.gz, another\.gz; allowed: one archive"
    ):
        evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)


@pytest.mark.parametrize("side", ["champion", "challenger"])
def test_another_packages_archive_is_a_mistake(ml_root: Path, side: str) -> None:
    pack(archive(ml_root, "champion"))
    pack(archive(ml_root, "challenger"))
    archive(ml_root, side).unlink()
    pack(ml_root / "elsewhere" / "model.tar.gz", package="digits").rename(archive(ml_root, side))

    with pytest.raises(OperatorError, match=f"{side}/model.tar.gz is a version of 'digits'; allowed: 'linear'"):
        evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)


def test_a_challenger_of_another_schema_fails_the_job(ml_root: Path) -> None:
    pack(archive(ml_root, "challenger"), schema_hash="0" * 12)

    with pytest.raises(ForeignVersion):
        evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)


def test_a_holdout_that_cannot_tell_the_metric_compares_nothing(ml_root: Path) -> None:
    """R squared of labels that are all alike is no number."""
    alike: list[Record] = [{"request": {"x": 0.0, "side": "left"}, "label": {"y": 1.0}} for _ in range(20)]
    write_records(alike, ml_root / "processing" / "input" / "holdout" / "part.jsonl.gz")
    pack(archive(ml_root, "champion"), slope=1.0)
    pack(archive(ml_root, "challenger"), slope=2.0)

    told = evaluate("linear", EvaluationJob(ml_root), effort=AT_ONCE)

    found = evidence_in(ml_root)
    assert found.compared is None
    assert found.champion is not None
    assert found.challenger.metrics == {}
    assert "evaluate() tells no r_squared of this holdout; it tells nothing" in told


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _: None, "OperatorError: "),
        (lambda root: archive(root, "challenger").write_bytes(b"\x1f\x8b nothing"), "OperatorError: "),
        (lambda root: pack(archive(root, "challenger"), package="x" * 2_000), "AnotherPackage: "),
    ],
    ids=["no challenger", "a damaged challenger", "a long reason"],
)
def test_what_went_wrong_is_the_jobs_message(ml_root: Path, prepare: Callable[[Path], Any], message: str) -> None:
    prepare(ml_root)

    code = run(Settings(package="linear", ml_root=ml_root))

    told = (ml_root / "output" / "message").read_bytes()
    assert code == 1
    assert told.decode().startswith(message)
    assert len(told) <= 1024
    assert not (ml_root / "processing" / "output").exists()


@pytest.mark.slow
def test_the_verb_evaluates_and_says_what_it_found(build_context: Callable[[str], Path], ml_root: Path) -> None:
    pack(archive(ml_root, "champion"), slope=1.0)
    pack(archive(ml_root, "challenger"), slope=2.0)

    with _run_verb(build_context("linear"), ml_root) as process:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 0, output
    assert evidence_in(ml_root).compared is not None
    told = (ml_root / "output" / "message").read_text()
    assert told.startswith("r_squared is ")
    assert json.loads(output.splitlines()[-1])["message"] == told


@pytest.mark.slow
def test_sigterm_ends_the_evaluation_with_a_reason(build_context: Callable[[str], Path], ml_root: Path) -> None:
    """The process reads its holdout from a pipe that stays empty: it is certainly at work when it is stopped."""
    pack(archive(ml_root, "challenger"))
    holdout = ml_root / "processing" / "input" / "holdout" / "part.jsonl"
    os.mkfifo(holdout)

    with _run_verb(build_context("linear"), ml_root) as process, holdout.open("w"):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 1
    assert (ml_root / "output" / "message").read_text().startswith("SystemExit: stopped by SIGTERM")


def _run_verb(context: Path, ml_root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "container", "evaluate"],
        cwd=context,
        env={"PATH": os.defpath, "FLYBALL_PACKAGE": "linear", "FLYBALL_ML_ROOT": str(ml_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
