"""Where training jobs are kept: one record a job, changed by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from local.documents import Documents
from local.services.sagemaker.training.record import Job

Changed = Callable[[Job, Job], None]
"""Told of a job's record before and after a change, in the thread that made it; a new job was {} before."""


def _told_nobody(_before: Job, _after: Job) -> None:
    """For a board of which nobody wants to hear."""


class JobBoard:
    """The jobs of one account and region. Calls block and may come from any thread."""

    def __init__(self, documents: Documents, *, changed: Changed = _told_nobody) -> None:
        self._documents, self._changed = documents, changed
        self._lock = threading.Lock()

    def get(self, name: str) -> Job | None:
        return self._documents.get(name)

    def jobs(self) -> Iterator[Job]:
        return (job for _name, job in self._documents.items())

    def add(self, name: str, job: Job) -> Job | None:
        """Keeps a new job; where the name is taken it returns that one's record and changes nothing."""
        with self._lock:
            if (former := self._documents.get(name)) is not None:
                return former
            self._documents.put(name, job)
        self._changed({}, job)
        return None

    def change(self, name: str, change: Callable[[Job], Job]) -> Job | None:
        """Replaces a job's record by what `change` makes of it; None where there is no such job."""
        with self._lock:
            if (job := self._documents.get(name)) is None:
                return None
            changed = change(job)
            if changed is not job:
                self._documents.put(name, changed)
        self._changed(job, changed)
        return changed

    def remove(self, name: str) -> None:
        with self._lock:
            self._documents.delete(name)
