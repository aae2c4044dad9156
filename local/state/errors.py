"""What can go wrong with the state on disk, and whose fault it is: the operator's, who has a disk to mend."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_packages.errors import OperatorError


class StateNotWritten(OperatorError):
    """A change could not be kept. What was kept before is whole, and this change is tried again with the next one."""

    def __init__(self, folder: Path, *, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"the local cloud could not keep this change in {folder}: {reason}. It is in memory only; make room on the "
            "disk and it is kept within a second, or with the next call"
        )


class StateUnreadable(OperatorError):
    """What lies on disk is not a state that this release can use."""

    def __init__(self, finding: str) -> None:
        self.finding = finding
        super().__init__(
            f"the state of the local cloud cannot be used: {finding}. "
            "`flyball reset` deletes it (trained versions stay) and `flyball up` then starts afresh"
        )


@contextmanager
def not_written(folder: Path) -> Iterator[None]:
    """What the disk refuses becomes StateNotWritten."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise StateNotWritten(folder, reason=str(error)) from error
