"""The file of the state: rows of moto's objects, and the records of other parts, in SQLite.

A transaction is there in full or not at all, also after `kill -9` and when the disk is full. Calls may come from any
thread. It does not know what is in a row.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from local.documents import Record
from local.state.blobs import Blob, BlobStore, Write, write_durably
from local.state.errors import StateUnreadable, not_written

FORMAT: Final = "1"
FILE: Final = "cloud.sqlite"

_SCHEMA: Final = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS written_by (what TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rows (name TEXT PRIMARY KEY, content BLOB NOT NULL, blobs TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS documents (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        collection TEXT NOT NULL,
        key TEXT NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (collection, key)
    );
    COMMIT;
"""


def versions() -> dict[str, str]:
    """What a state depends on: pickles of moto's objects are good for the moto that made them."""
    return {
        "format": FORMAT,
        "moto": version("moto"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


@dataclass(frozen=True, slots=True)
class Row:
    """A part of moto's state, pickled; `blobs` are the contents it refers to."""

    name: str
    content: bytes
    blobs: tuple[Blob, ...] = ()


class StateStore:
    """The state in one folder; one process at a time writes it."""

    def __init__(self, folder: Path, *, write_blob: Write = write_durably) -> None:
        """Opens it, or begins an empty one.

        Raises: StateUnreadable if it is damaged or another release's; StateNotWritten if the disk is full.
        """
        self.folder = folder
        self.blobs = BlobStore(folder / "blobs", write=write_blob)
        self._lock = threading.RLock()
        with not_written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _readable(folder / FILE), not_written(folder):
            self._connection = _open(folder / FILE)
            self._check_versions()

    def documents(self, collection: str) -> SqliteDocuments:
        """A collection of records, by name."""
        return SqliteDocuments(self, collection)

    def write(self, rows: Iterable[Row], *, removed: Iterable[str] = ()) -> None:
        """Keep these rows and forget those, together.

        Raises: StateNotWritten if the disk is full; then nothing is changed.
        """
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [(row.name, row.content, json.dumps([[b.digest, b.size_bytes] for b in row.blobs])) for row in rows],
            )
            connection.executemany("DELETE FROM rows WHERE name = ?", [(name,) for name in removed])

    def rows(self) -> list[Row]:
        """Every row."""
        with self._lock:
            found = self._connection.execute("SELECT name, content, blobs FROM rows ORDER BY name").fetchall()
        return [Row(name, content, _blobs(blobs)) for name, content, blobs in found]

    def discard_unused_blobs(self) -> int:
        """Delete the contents that no row refers to; to be called before there are new ones."""
        return self.blobs.keep_only({blob.digest for row in self.rows() for blob in row.blobs})

    def limit_pages(self, pages: int) -> None:
        """Let the file have that many pages, as if the disk were full; a huge number lifts the limit."""
        with self._lock:
            self._connection.execute(f"PRAGMA max_page_count = {pages:d}").fetchone()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is done in the block happens in full or not at all; within another one, with that."""
        with self._lock:
            if self._connection.in_transaction:  # this thread's: it has the lock
                yield self._connection
                return
            with not_written(self.folder), self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection

    def select(self, statement: str, parameters: tuple[str, ...]) -> list[tuple[str, str]]:
        """What a query finds."""
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def _check_versions(self) -> None:
        found = dict(self._connection.execute("SELECT what, version FROM written_by").fetchall())
        wanted = versions()
        if not found:
            with self.transaction() as connection:
                connection.executemany("INSERT INTO written_by VALUES (?, ?)", list(wanted.items()))
        elif found != wanted:
            raise StateUnreadable(
                f"{self.folder / FILE} was written by {_spelled(found)}, and this is {_spelled(wanted)}"
            )


class SqliteDocuments:
    """One collection of records that outlive the process; see local/documents.py."""

    def __init__(self, store: StateStore, collection: str) -> None:
        self._store, self._collection = store, collection

    def get(self, key: str) -> Record | None:
        """The record, or None where there is none."""
        found = self._store.select(
            "SELECT key, record FROM documents WHERE collection = ? AND key = ?", (self._collection, key)
        )
        record: Record | None = json.loads(found[0][1]) if found else None
        return record

    def put(self, key: str, record: Record) -> None:
        """Keeps the record in place of a former one.

        Raises: StateNotWritten if the disk is full; the former one then stays.
        """
        text = json.dumps(record)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO documents (collection, key, record) VALUES (?, ?, ?) "
                "ON CONFLICT (collection, key) DO UPDATE SET record = excluded.record",
                (self._collection, key, text),
            )

    def delete(self, key: str) -> None:
        """Forgets the record, if there is one."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (self._collection, key))

    def items(self) -> Iterator[tuple[str, Record]]:
        """Every record as it is now, in the order in which the keys were first put."""
        found = self._store.select(
            "SELECT key, record FROM documents WHERE collection = ? ORDER BY position", (self._collection,)
        )
        return ((key, json.loads(text)) for key, text in found)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What is no database, or a torn one, becomes StateUnreadable."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StateUnreadable(f"{path}: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(_SCHEMA)
    return connection


def _blobs(text: str) -> tuple[Blob, ...]:
    return tuple(Blob(digest, size_bytes) for digest, size_bytes in json.loads(text))


def _spelled(found: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(found.items()))
