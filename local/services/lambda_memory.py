"""Holds a process to a function's memory: what it and its descendants have resident, sampled while it works.

20 samples a second need no rights and work in any container; RLIMIT_AS would count address space, of which numpy
reserves gigabytes. What falls between two samples is found at the end, in the kernel's own high-water mark, which
covers the process itself and not its descendants. Linux only: elsewhere memory is neither measured nor limited.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SAMPLE_SECONDS = 0.05
MIB = 1024 * 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryLimit:
    """Watches one process group, led by `pid`, between `start` and `stop`; kills it over `limit_mb`."""

    def __init__(self, pid: int, *, limit_mb: int) -> None:
        self._pid, self._limit_bytes = pid, limit_mb * MIB
        self._peak_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self.exceeded = False

    @property
    def peak_mb(self) -> int | None:
        """The most memory used so far; None where the system does not tell. Never more than there was."""
        return math.ceil(min(self._peak_bytes, self._limit_bytes) / MIB) if self._peak_bytes else None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_SECONDS, self._sample)

    def stop(self) -> None:
        """No more samples; what was missed between them is in `exceeded` and `peak_mb` now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._take(high_water_bytes(self._pid))

    def _sample(self) -> None:
        self._timer = None
        self._take(resident_bytes(self._pid))
        if not self.exceeded:
            self.start()

    def _take(self, used_bytes: int) -> None:
        self._peak_bytes = max(self._peak_bytes, used_bytes)
        if used_bytes > self._limit_bytes and not self.exceeded:
            self.exceeded = True
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)


def resident_bytes(pid: int) -> int:
    """What a process and its descendants hold in memory now; 0 where the system does not tell.

    Pages that several of them share count once: for a family, the kernel's proportional figure is asked for.
    """
    family = list(_family(pid))
    return sum(_proportional(member) for member in family) if len(family) > 1 else _resident(pid)


def high_water_bytes(pid: int) -> int:
    """The most that the process itself has held, ever; 0 where the system does not tell."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:")


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_BYTES
    return 0


def _proportional(pid: int) -> int:
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def _kilobytes(path: Path, name: str) -> int:
    with suppress(OSError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield from _family(int(child))
