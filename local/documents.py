"""Small records that outlive a process: what stacks, change sets, sessions and jobs are, under a key each.

A collection's records are written one at a time and whole; who needs several to change together puts them into one, or
puts them within `StateStore.transaction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = Mapping[str, Any]
"""JSON types only."""


class Documents(Protocol):
    """One collection of records. Calls block and may come from any thread."""

    def get(self, key: str) -> Record | None:
        """The record, or None where there is none."""
        ...

    def put(self, key: str, record: Record) -> None:
        """Keeps the record in place of a former one; it is durable when this returns."""
        ...

    def delete(self, key: str) -> None:
        """Forgets the record, if there is one."""
        ...

    def items(self) -> Iterator[tuple[str, Record]]:
        """Every record as it is now, in the order in which the keys were first put."""
        ...


@dataclass
class InMemoryDocuments:
    """A collection that lasts as long as its process."""

    records: dict[str, Record] = field(default_factory=dict)

    def get(self, key: str) -> Record | None:
        return self.records.get(key)

    def put(self, key: str, record: Record) -> None:
        self.records[key] = record

    def delete(self, key: str) -> None:
        self.records.pop(key, None)

    def items(self) -> Iterator[tuple[str, Record]]:
        return iter(list(self.records.items()))
