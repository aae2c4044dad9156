"""What earlier clouds and builds have left behind and nobody uses: removed at a start, so that it does not grow."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from moto.awslambda.models import lambda_backends

from local.services.sagemaker.artifact import remove_folder

BUILDS_KEPT: Final = 4
"""Of each function. One that is wanted again is built again."""

DIGEST_CHARACTERS: Final = 24
"""How much of a zip's SHA-256 its unpacked folder is named by; see local/lambda_code.py."""


def discard_old_builds(folder: Path, *, kept: int = BUILDS_KEPT) -> list[Path]:
    """Removes all but the latest folders NAME-<hash> of each name; what was removed."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in _folders(folder):
        name, _, digest = path.name.rpartition("-")
        if name and not name.startswith(".") and not path.is_symlink() and _is_hexadecimal(digest):
            by_name[name].append(path)
    old = [path for paths in by_name.values() for path in sorted(paths, key=_made_at, reverse=True)[kept:]]
    return _removed(old)


def discard_unused_code(folder: Path, zips: Collection[bytes]) -> list[Path]:
    """Removes the unpacked code of all zips but these, and what a killed process was unpacking; what was removed."""
    used = {hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS] for content in zips}
    unpacked = [path for path in _folders(folder) if _is_unpacked_zip(path.name) or path.name.startswith("tmp")]
    return _removed([path for path in unpacked if path.name not in used])


def code_in_use(*, account: str, region: str) -> list[bytes]:
    """The zips of all functions, in all versions, that moto's Lambda has."""
    backend: Any = lambda_backends[account][region]
    groups = backend._lambdas._functions.values()
    functions = [function for group in groups for function in (group["latest"], *group["versions"]) if function]
    return [function.code_bytes for function in functions if isinstance(getattr(function, "code_bytes", None), bytes)]


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_dir())


def _made_at(path: Path) -> float:
    """When it got its name: all that is in a build is dated 1980."""
    return path.stat().st_ctime


def _is_unpacked_zip(name: str) -> bool:
    return len(name) == DIGEST_CHARACTERS and _is_hexadecimal(name)


def _is_hexadecimal(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789abcdef")


def _removed(folders: list[Path]) -> list[Path]:
    for folder in folders:
        remove_folder(folder)
    return folders
