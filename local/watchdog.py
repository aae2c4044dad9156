"""Kills every session it was told of once the process that started it is gone, however that process ended.

Run as a script with a pipe as stdin: `+PID` names the leader of a session to guard, `-PID` forgets it, and the end
of the pipe means that the parent is dead. Standard library only, so that it starts in milliseconds. It does not
reach a process that has made a session of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PASSES = 5
"""A member may fork while the list is read: look again this often at most."""


def kill_session(leader: int) -> None:
    """SIGKILL to each process of the session; on Linux also to those in a process group of their own."""
    for _ in range(PASSES):
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
        members = list(live_members(leader))
        if not members:
            return
        for member in members:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def live_members(leader: int) -> Iterator[int]:
    """The processes of the session that still run. Empty where there is no /proc: there the group is all we have."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state not in "ZX":
                yield int(stat.parent.name)


def sessions_left(lines: Iterable[bytes]) -> set[int]:
    """The leaders that were named and not forgotten when the pipe ended."""
    leaders: set[int] = set()
    for line in lines:
        if line.startswith(b"+"):
            leaders.add(int(line[1:]))
        else:
            leaders.discard(int(line[1:]))
    return leaders


def main() -> None:
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)
    for leader in sessions_left(sys.stdin.buffer):
        kill_session(leader)


if __name__ == "__main__":
    main()
