"""Puts on disk, every half second and from a thread of its own, what has changed; so that no call waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from local.state.errors import StateNotWritten

log = logging.getLogger(__name__)

SECONDS: Final = 0.5


class Flusher:
    """Calls `flush` until it is closed, and once more then. A disk that is full is told of once, and tried again."""

    def __init__(self, flush: Callable[[], None], *, seconds: float = SECONDS) -> None:
        self._flush, self._seconds = flush, seconds
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def flush(self) -> None:
        """At once, in the caller's thread.

        Raises: StateNotWritten.
        """
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Ends the thread and flushes what is left.

        Raises: StateNotWritten.
        """
        self.abandon()
        self.flush()

    def abandon(self) -> None:
        """Ends the thread, and nothing else: what a killed process does."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        is_failing = False
        while not self._closing.wait(self._seconds):
            try:
                self.flush()
                is_failing = False
            except StateNotWritten as error:
                if not is_failing:
                    log.error("%s", error)  # noqa: TRY400 - the error says it all
                is_failing = True
