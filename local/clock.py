"""Time as a dependency: whoever waits or stamps an event is given a `Clock`, so that a test owns the time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


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
