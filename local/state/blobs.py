"""Large contents (objects of S3, zips of functions) as files that are named by their SHA-256 and never change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.state.errors import StateUnreadable, not_written

Write = Callable[[Path, bytes], None]

PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """A content that lies in a file of its own."""

    digest: str
    size_bytes: int


def blob_of(content: bytes) -> Blob:
    """The name that a content has."""
    return Blob(hashlib.sha256(content).hexdigest(), len(content))


def write_durably(path: Path, content: bytes) -> None:
    """The file is there in full or not at all, whatever happens meanwhile."""
    partial = path.with_suffix(f".{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class BlobStore:
    """The files below one folder."""

    def __init__(self, folder: Path, *, write: Write = write_durably) -> None:
        self._folder, self._write = folder, write

    def put(self, blob: Blob, content: bytes) -> None:
        """Keep a content; one that lies there already costs nothing.

        Raises: StateNotWritten if the disk does not take it.
        """
        path = self.path(blob)
        if path.exists():
            return
        with not_written(self._folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, content)

    def read(self, blob: Blob) -> bytes:
        """The content.

        Raises: StateUnreadable if it is missing or damaged.
        """
        try:
            content = self.path(blob).read_bytes()
        except FileNotFoundError as error:
            raise StateUnreadable(f"{self.path(blob)} is missing") from error
        if len(content) != blob.size_bytes:
            raise StateUnreadable(f"{self.path(blob)} has {len(content)} bytes in place of {blob.size_bytes}")
        return content

    def check(self, blob: Blob) -> None:
        """Raises StateUnreadable unless the content lies there in full."""
        try:
            found_bytes = self.path(blob).stat().st_size
        except FileNotFoundError as error:
            raise StateUnreadable(f"{self.path(blob)} is missing") from error
        if found_bytes != blob.size_bytes:
            raise StateUnreadable(f"{self.path(blob)} has {found_bytes} bytes in place of {blob.size_bytes}")

    def path(self, blob: Blob) -> Path:
        """Where the content lies, or would."""
        return self._folder / blob.digest[:2] / blob.digest

    def keep_only(self, digests: set[str]) -> int:
        """Delete every other file, also what a killed process left half written; how many there were."""
        unwanted = [path for path in self._files() if path.name not in digests]
        for path in unwanted:
            path.unlink()
        return len(unwanted)

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("*/*") if path.is_file())
