"""What earlier clouds and builds have left behind and nobody uses: removed at a start, so that it does not grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from moto.awslambda.models import lambda_backends

from local.lambda_code import code_name, is_unpacked, layers_name
from local.services.sagemaker.artifact import remove_folder

BUILDS_KEPT: Final = 4
"""Of each function. One that is wanted again is built again."""


def discard_old_builds(folder: Path, *, kept: int = BUILDS_KEPT) -> list[Path]:
    """Removes all but the latest folders NAME-<hash> of each name; what was removed."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in _folders(folder):
        name, _, digest = path.name.rpartition("-")
        if name and not name.startswith(".") and not path.is_symlink() and _is_hexadecimal(digest):
            by_name[name].append(path)
    old = [path for paths in by_name.values() for path in sorted(paths, key=_made_at, reverse=True)[kept:]]
    return _removed(old)


def discard_unused_code(folder: Path, used: Collection[str]) -> list[Path]:
    """Removes the unpacked code and layers of all names but these, and what a killed process was unpacking; what was
    removed.
    """
    unpacked = [path for path in _folders(folder) if is_unpacked(path.name) or path.name.startswith("tmp")]
    return _removed([path for path in unpacked if path.name not in used])


def code_in_use(*, account: str, region: str) -> set[str]:
    """What the unpacked code and layers are called of all functions, in all versions, that moto's Lambda has."""
    backend: Any = lambda_backends[account][region]
    groups = backend._lambdas._functions.values()
    functions = [function for group in groups for function in (group["latest"], *group["versions"]) if function]
    return {name for function in functions for name in _names_of(function, backend)}


def _names_of(function: Any, backend: Any) -> Iterator[str]:
    if isinstance(getattr(function, "code_bytes", None), bytes):  # an image's has none
        yield code_name(function.code_bytes)
    layers = [backend.layers_versions_by_arn(layer["Arn"]) for layer in function.layers]
    if layers and None not in layers:
        yield layers_name([layer.code_bytes for layer in layers])


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_dir())


def _made_at(path: Path) -> float:
    """When it got its name: all that is in a build is dated 1980."""
    return path.stat().st_ctime


def _is_hexadecimal(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789abcdef")


def _removed(folders: list[Path]) -> list[Path]:
    for folder in folders:
        remove_folder(folder)
    return folders
