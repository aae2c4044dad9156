"""Makes a new model package of `_template/`: `flyball new NAME`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from model_packages.discovery import ROOT, name_problem
from model_packages.errors import OperatorError

TEMPLATE = ROOT / "_template"
PLACEHOLDER = "__name__"


def scaffold(name: str, root: Path = ROOT, *, template: Path = TEMPLATE) -> Path:
    """Makes the package `name` below `root` and returns its folder. The folder is there whole, or not at all.

    Raises: OperatorError if no package may have that name, or one has it already.
    """
    if (allowed := name_problem(name)) is not None:
        raise OperatorError(f"no package may be called {name!r}; allowed: {allowed}")
    folder = root / name
    if folder.exists():
        raise OperatorError(f"{folder} exists; allowed: a name that no package has")
    with tempfile.TemporaryDirectory(dir=root, prefix=".new-") as workplace:
        made = Path(workplace) / name
        shutil.copytree(template, made, ignore=shutil.ignore_patterns("__pycache__"))
        for path in made.rglob("*"):
            _fill_in(path, name)
        made.rename(folder)
    return folder


def _fill_in(path: Path, name: str) -> None:
    if path.is_file():
        content = path.read_bytes()
        path.write_bytes(content.replace(PLACEHOLDER.encode(), name.encode()))
