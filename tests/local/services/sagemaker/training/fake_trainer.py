"""A training container of a few lines: it does what the hyperparameter `do` says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(os.environ["FLYBALL_ML_ROOT"])


def document(name: str) -> Any:
    return json.loads((ROOT / "input/config" / f"{name}.json").read_text())


def saw() -> dict[str, object]:
    """Everything that a container can see."""
    data = ROOT / "input" / "data"
    return {
        "verb": sys.argv[1:],
        "hyperparameters": document("hyperparameters"),
        "inputdataconfig": document("inputdataconfig"),
        "resourceconfig": document("resourceconfig"),
        "files": {str(path.relative_to(data)): path.read_text() for path in data.rglob("*") if path.is_file()},
        "environment": dict(os.environ),
        "checkpoints": sorted(path.name for path in (ROOT / "checkpoints").glob("*")),
    }


def save(text: str) -> None:
    (ROOT / "model" / "weights.txt").write_text(text)


def stopped(_number: int, _frame: FrameType | None) -> None:
    save("half")
    (ROOT / "output" / "failure").write_text("stopped by SIGTERM")
    sys.exit(143)


def wait_for_ever() -> None:
    print("waiting", flush=True)
    threading.Event().wait()


match json.loads((ROOT / "input/config/hyperparameters.json").read_text())["do"]:
    case "train":
        print("epoch 1 accuracy=0.5; loss=1e-1", flush=True)
        print("epoch 2 accuracy=0.75; loss=nothing", flush=True)
        (ROOT / "model" / "seen.json").write_text(json.dumps(saw()))
        (ROOT / "output" / "data" / "metrics.json").write_text("{}")
    case "fail":
        (ROOT / "output" / "failure").write_text("ValueError: no labels\n\n" + "x" * 2000)
        save("some")
        sys.exit(3)
    case "die":
        os.kill(os.getpid(), signal.SIGKILL)
    case "checkpoint":
        (ROOT / "checkpoints" / "deep").mkdir()
        (ROOT / "checkpoints" / "deep" / "2.pt").write_text("second")
        signal.signal(signal.SIGTERM, stopped)
        wait_for_ever()
    case "wait":
        signal.signal(signal.SIGTERM, stopped)
        wait_for_ever()
    case "tidy":
        (ROOT / "checkpoints" / "1.pt").unlink()
        wait_for_ever()
    case "resume":
        done = ROOT / "checkpoints" / "done.txt"
        if not done.is_file():
            done.write_text("half")
            wait_for_ever()
        save(done.read_text())
    case "meet":
        host = document("resourceconfig")["current_host"]
        (ROOT / "model" / host).write_text(json.dumps(saw()))
        print(f"{host} is here", flush=True)
    case "fail elsewhere":
        if document("resourceconfig")["current_host"] == "algo-2":
            (ROOT / "output" / "failure").write_text("ValueError: on the second")
            sys.exit(4)
        signal.signal(signal.SIGTERM, stopped)
        wait_for_ever()
    case "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wait_for_ever()
