"""A processing container of a few lines: it does what its last argument says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

ROOT, DO = Path(os.environ["FLYBALL_ML_ROOT"]), sys.argv[-1]


def stopped(_number: int, _frame: object) -> None:
    sys.exit(143)


match DO:
    case "say":
        inputs = ROOT / "processing" / "input"
        files = {str(path.relative_to(inputs)): path.read_text() for path in inputs.rglob("*") if path.is_file()}
        config = json.loads((ROOT / "config" / "processingjobconfig.json").read_text())
        found = {"files": files, "environment": dict(os.environ), "config": config, "arguments": sys.argv[1:]}
        print(json.dumps(found), flush=True)
    case "evaluate":
        output = ROOT / "processing" / "output"
        (output / "plots").mkdir()
        (output / "evidence.json").write_text(json.dumps({"package": os.environ["FLYBALL_PACKAGE"]}))
        (output / "plots" / "curve.svg").write_text("<svg/>")
        (ROOT / "output").mkdir(exist_ok=True)
        (ROOT / "output" / "message").write_text("compared")
    case "fail":
        (ROOT / "output").mkdir()
        (ROOT / "output" / "message").write_text("no such column")
        sys.exit(3)
    case "wait":
        signal.signal(signal.SIGTERM, stopped)
        print("waiting", flush=True)
        threading.Event().wait()
    case "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("waiting", flush=True)
        threading.Event().wait()
