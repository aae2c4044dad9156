"""What `tune_process` changes, in a process of its own: the settings are the process's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

ASKS = """
import gc, os
import botocore.session
from botocore.loaders import Loader

looked = []
listed = os.listdir
os.listdir = lambda path: looked.append(str(path)) or listed(path)

def services():
    before = len(looked)
    found = botocore.session.Session().get_available_services()
    return found, len(looked) - before

untuned, looks = services()
from local.tuning import tune_process
tune_process()
tune_process()
first, _ = services()
again, fewer = services()
assert untuned == first == again and len(again) > 300
assert fewer < looks / 100, (looks, fewer)
assert services()[0] is not again, "each has its own list"
elsewhere = Loader(["/nowhere"], include_default_search_paths=False)
assert elsewhere.list_available_services("service-2") == []
assert gc.get_threshold()[0] > 700
"""


def test_sessions_look_for_services_once_and_find_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASKS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
