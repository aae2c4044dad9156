"""The verb `train` as real processes: interrupted and begun again, and on several hosts that train together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.ports import free_port
from model_packages.dataset import read_records, write_records
from model_packages.discovery import ROOT

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 300.0
HOSTS = ("algo-1", "algo-2")


def lay_out(ml_root: Path, package: str, *, hyperparameters: Mapping[str, Any], hosts: Sequence[str] = HOSTS) -> Path:
    """What SageMaker mounts below /opt/ml on the host that the folder is named after."""
    records = read_records(ROOT / package / "data")
    write_records(records[:400], ml_root / "input/data/training/records.jsonl")
    write_records(records[400:600], ml_root / "input/data/holdout/records.jsonl")
    config = ml_root / "input/config"
    config.mkdir(parents=True)
    documents: dict[str, Any] = {
        "hyperparameters": {name: json.dumps(value) for name, value in hyperparameters.items()},
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in ("training", "holdout")},
        "resourceconfig": {"current_host": ml_root.name, "hosts": list(hosts), "network_interface_name": "lo"},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    return ml_root


def start(ml_root: Path, package: str, *, port: int = 0) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.defpath,
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "FLYBALL_PACKAGE": package,
        "FLYBALL_ML_ROOT": str(ml_root),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "container", "train"],
        cwd=ROOT.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


Meanwhile = Callable[[list[subprocess.Popen[str]]], None]


def run(*roots: Path, package: str, meanwhile: Meanwhile | None = None) -> list[int]:
    """Runs the verb on each host at the same time; the exit codes. What was said is shown where a test fails."""
    port = free_port()
    with ExitStack() as stack:
        processes = [stack.enter_context(start(root, package, port=port)) for root in roots]
        if meanwhile is not None:
            meanwhile(processes)
        outputs = [process.communicate(timeout=DEADLINE_SECONDS)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        print(f"exit code {process.returncode}:\n{output}")
    return [process.returncode for process in processes]


def end_once_saved(ml_root: Path) -> Meanwhile:
    """SIGTERM as soon as the first checkpoint is there."""

    def end(processes: list[subprocess.Popen[str]]) -> None:
        while not list((ml_root / "checkpoints").glob("*.pt")) and processes[0].poll() is None:
            threading.Event().wait(0.01)
        for process in processes:
            process.send_signal(signal.SIGTERM)

    return end


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_training_that_sigterm_ended_gives_the_same_version_when_it_is_started_again(tmp_path: Path) -> None:
    given: dict[str, Any] = {"hyperparameters": {"seed": 3, "epochs": 40}, "hosts": HOSTS[:1]}
    whole = lay_out(tmp_path / "whole" / HOSTS[0], "digits", **given)
    ended = lay_out(tmp_path / "ended" / HOSTS[0], "digits", **given)

    codes = [
        *run(whole, package="digits"),
        *run(ended, package="digits", meanwhile=end_once_saved(ended)),
        *run(ended, package="digits"),
    ]

    assert codes == [0, 143, 0]
    assert files(ended / "model") == files(whole / "model")
    assert not (ended / "output" / "failure").exists()


def test_several_hosts_train_one_version_and_go_on_together_after_an_interruption(tmp_path: Path) -> None:
    given: dict[str, Any] = {"hyperparameters": {"seed": 3, "epochs": 12}}
    whole, ended = ([lay_out(tmp_path / name / host, "payments", **given) for host in HOSTS] for name in "ab")

    codes = [
        run(*whole, package="payments"),
        run(*ended, package="payments", meanwhile=end_once_saved(ended[0])),
    ]
    left = [sorted(files(root / "checkpoints")) for root in ended]
    codes.append(run(*ended, package="payments"))

    assert codes == [[0, 0], [143, 143], [0, 0]]
    assert left[0]
    assert left[1] == []
    assert set(files(whole[0] / "model")) >= {"flyball.json", "payments.pt", "baseline/baseline.json"}
    assert files(whole[1] / "model") == {}
    assert files(ended[0] / "model") == files(whole[0] / "model")
    assert (whole[0] / "output/data/metrics.json").is_file()
    assert not (whole[1] / "output/data").exists()


def test_where_one_host_fails_all_do_and_the_reason_is_the_packages(tmp_path: Path) -> None:
    roots = [lay_out(tmp_path / host, "payments", hyperparameters={"epochs": "many"}) for host in HOSTS]

    codes = run(*roots, package="payments")

    reasons = [(root / "output" / "failure").read_text() for root in roots]
    assert codes == [1, 1]
    assert all(reason.startswith("ValidationError: 1 validation error for Hyperparameters") for reason in reasons)
