"""The rows that wait for the model, and which of them make the next batch.

A batch is never waited for: whoever computes takes what is there. It has rows of one signature, oldest first, within
bounds of rows and bytes. Thread-safe: the event loop puts, the model's thread takes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from container.tensors import Row, Signature
from model_packages.errors import ModelThrottled, ModelUnavailable

Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[Owner]):
    """One row of a request: the `index`th of those that `owner` waits for."""

    owner: Owner
    index: int
    row: Row


class RowQueue(Generic[Owner]):
    """First in, first out within a signature; the signature whose first row waits longest is served next."""

    def __init__(self, *, maximum_rows: int, maximum_bytes: int, queue_rows: int) -> None:
        self._maximum_rows, self._maximum_bytes, self._queue_rows = maximum_rows, maximum_bytes, queue_rows
        self._groups: dict[Signature, deque[tuple[int, Job[Owner]]]] = {}
        self._arrivals = 0
        self._waiting_rows = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def waiting_rows(self) -> int:
        """How many rows wait; those being computed do not."""
        return self._waiting_rows

    def put(self, jobs: Sequence[Job[Owner]]) -> None:
        """Takes in all of `jobs` or none. A request larger than the whole queue is let in when nothing waits.

        Raises: ModelThrottled if the queue is full, ModelUnavailable if it is closed.
        """
        with self._changed:
            if self._closed:
                raise ModelUnavailable("the server takes no more requests")
            if self._waiting_rows and self._waiting_rows + len(jobs) > self._queue_rows:
                raise ModelThrottled(f"{self._waiting_rows} rows wait; allowed: {self._queue_rows}; try again")
            for job in jobs:
                self._groups.setdefault(job.row.signature, deque()).append((self._arrivals, job))
                self._arrivals += 1
            self._waiting_rows += len(jobs)
            self._changed.notify()

    def take(self) -> list[Job[Owner]]:
        """The next batch, as soon as a row waits; empty when the queue is closed and nothing waits."""
        with self._changed:
            while not self._groups and not self._closed:
                self._changed.wait()
            batch = self._next_batch() if self._groups else []
            self._waiting_rows -= len(batch)
            return batch

    def discard(self, owner: Owner) -> None:
        """Forgets the rows that `owner` no longer waits for."""
        with self._changed:
            kept = {
                signature: deque(entry for entry in group if entry[1].owner is not owner)
                for signature, group in self._groups.items()
            }
            self._groups = {signature: group for signature, group in kept.items() if group}
            self._waiting_rows = sum(map(len, self._groups.values()))

    def close(self) -> None:
        """Takes in nothing more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next_batch(self) -> list[Job[Owner]]:
        signature = min(self._groups, key=lambda signature: self._groups[signature][0][0])
        group = self._groups[signature]
        batch = [group.popleft()[1]]
        size_bytes = batch[0].row.size_bytes
        while group and len(batch) < self._maximum_rows:
            size_bytes += group[0][1].row.size_bytes
            if size_bytes > self._maximum_bytes:
                break
            batch.append(group.popleft()[1])
        if not group:
            del self._groups[signature]
        return batch
