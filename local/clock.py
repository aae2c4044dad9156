"""Time as a dependency: whoever waits or stamps an event is given a `Clock`, so that a test owns the time.

A running cloud has two: the machine's, for what other programs check or wait for (signatures, credentials,
certificates, processes), and its own (`CloudClock`), for what happens in the cloud. Who uses which, and why:
docs/decisions/simulated-time.md. `local.timers` moves the cloud's.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from local.documents import Documents, InMemoryDocuments


class Clock(Protocol):
    """What the local cloud knows of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Comes back once `seconds` have passed on this clock."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class CloudClock:
    """The time in the local cloud: the machine's, or ahead of it by as much as somebody has advanced it.

    It never goes back, and what was kept of it in `documents` brings a restarted cloud to where it was. Any thread may
    ask; one thread moves it.
    """

    def __init__(self, *, machine: Clock | None = None, documents: Documents | None = None) -> None:
        self.machine: Clock = SystemClock() if machine is None else machine
        self._documents = InMemoryDocuments() if documents is None else documents
        kept = self._documents.get(KEPT)
        self._ahead = timedelta(seconds=kept["ahead_seconds"]) if kept else timedelta()
        self._held: datetime | None = None

    def now(self) -> datetime:
        held = self._held
        return self.machine.now() + self._ahead if held is None else held

    def sleep(self, seconds: float) -> None:
        """Seconds of the machine's: whoever sleeps waits for something outside."""
        self.machine.sleep(seconds)

    @property
    def ahead(self) -> timedelta:
        """By how much the cloud is ahead of the machine."""
        return self.now() - self.machine.now()

    def keep(self, moment: datetime) -> None:
        """Makes sure that no later cloud of this state is before `moment`. Blocks; may be called in a thread."""
        ahead = max(self._ahead, moment - self.machine.now())
        self._documents.put(KEPT, {"ahead_seconds": ahead.total_seconds()})

    def hold(self, moment: datetime) -> None:
        """Stands still at `moment`, or where it is if that is later."""
        self._held = max(moment, self.now())

    def release(self) -> None:
        """Goes on from where it stands."""
        if self._held is not None:
            self._ahead = max(self._ahead, self._held - self.machine.now())
            self._held = None


KEPT: Final = "time"
"""The key of the one record that a clock keeps."""


class Interrupted(BaseException):
    """Work was cut off because the cloud is being stopped: no failure, and nothing that anybody undoes now."""


class InterruptibleClock(SystemClock):
    """The machine's time; whoever sleeps on it in a thread can be woken for good."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Every sleep, now and later, ends with Interrupted."""
        self._interrupted.set()

    def sleep(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise Interrupted


@dataclass
class ManualClock:
    """A test's time: it stands still until somebody sleeps on it or moves it, and never blocks."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Moves the time forward."""
        self.moment += timedelta(seconds=seconds)
