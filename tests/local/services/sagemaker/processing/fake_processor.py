"""A processing container of a few lines: it does what its second argument says, in the folder that is its first."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

ROOT, DO = Path(sys.argv[1]), sys.argv[2]


def stopped(_number: int, _frame: object) -> None:
    sys.exit(143)


match DO:
    case "say":
        inputs = ROOT / "processing" / "input"
        files = {str(path.relative_to(inputs)): path.read_text() for path in inputs.rglob("*") if path.is_file()}
        config = json.loads((ROOT / "config" / "processingjobconfig.json").read_text())
        print(json.dumps({"files": files, "environment": dict(os.environ), "config": config}), flush=True)
    case "fail":
        (ROOT / "output").mkdir()
        (ROOT / "output" / "message").write_text("no such column")
        sys.exit(3)
    case "wait":
        signal.signal(signal.SIGTERM, stopped)
        print("waiting", flush=True)
        threading.Event().wait()
