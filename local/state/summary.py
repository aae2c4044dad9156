"""What the state on disk holds, counted from its file: also while a cloud writes it, and while none runs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from local.state.errors import StateUnreadable
from local.state.store import FILE


@dataclass(frozen=True, slots=True)
class StateSummary:
    """Rows by service, records by collection, and how large it all is."""

    folder: str
    size_bytes: int
    rows: dict[str, int]
    documents: dict[str, int]


def summarise(folder: Path) -> StateSummary | None:
    """The summary; None where no cloud has left a state.

    Raises: StateUnreadable if it is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
                return None  # it is being made
            names = [name for (name,) in connection.execute("SELECT name FROM rows")]
            documents = dict(connection.execute("SELECT collection, COUNT(*) FROM documents GROUP BY collection"))
    except sqlite3.DatabaseError as error:
        raise StateUnreadable(f"{file}: {error}") from error
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return StateSummary(str(folder), size_bytes, dict(Counter(name.split("/")[0] for name in names)), documents)


def text(found: StateSummary) -> str:
    """One line for a person."""
    stacks = found.documents.get("cloudformation/stacks", 0)
    objects = max(0, found.rows.get("s3", 0) - 1)
    return (
        f"state: {found.size_bytes / 1e6:.1f} MB in {found.folder}: {stacks} stacks (deleted ones too), "
        f"{objects} S3 objects, {len(found.rows)} services; `flyball reset` deletes it"
    )
