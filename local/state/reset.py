"""What `flyball reset` does: forget everything that the local cloud holds. Trained versions and builds stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.project import Project
from local.running import only_one
from local.services.sagemaker.artifact import remove_folder
from model_packages.errors import OperatorError

FORGOTTEN: Final = ("state", "images", "functions", "models", "logs", "examples")
"""Below .flyball. The certificate stays: people have told their clients to trust it."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder that would be deleted."""

    path: Path
    size_bytes: int


def leftovers(project: Project) -> list[Leftover]:
    """What a reset would delete."""
    folders = [project.state / name for name in FORGOTTEN]
    return [Leftover(path, sum(_sizes(path))) for path in folders if path.is_dir()]


def reset(project: Project) -> list[Leftover]:
    """Deletes it, and says what it was.

    Raises: AlreadyRunning while a cloud of this folder is up.
    """
    with only_one(project):
        found = leftovers(project)
        for leftover in found:
            remove_folder(leftover.path)
    remaining = [leftover.path for leftover in found if leftover.path.exists()]
    if remaining:
        raise OperatorError(f"could not delete {', '.join(map(str, remaining))}: is the folder yours?")
    return found


def text(found: list[Leftover], project: Project) -> str:
    """What would be deleted, or was, for a person."""
    lines = [f"  {leftover.path.relative_to(project.root)}  {leftover.size_bytes / 1e6:.1f} MB" for leftover in found]
    return "\n".join(lines) or "  nothing"


def _sizes(folder: Path) -> Iterator[int]:
    return (path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
