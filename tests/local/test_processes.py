"""Children and their end: nothing may be left running, however the parent ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.processes import Child, Children
from local.watchdog import live_members, sessions_left

ENV = {"PATH": os.environ["PATH"]}
DEADLINE_SECONDS = 10.0

PARENT = """
import asyncio, os
from local.processes import Children

async def main():
    children = Children()
    script = ["sh", "-c", "trap '' HUP TERM; sleep 600 & sleep 600"]
    child = await children.start(script, name="family", env=dict(os.environ))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


def run(argv: list[str], *, on_line: Callable[[str], None] | None = None) -> tuple[int, Child]:
    """Start a program and wait for its end."""

    async def started_and_ended() -> tuple[int, Child]:
        async with Children() as children:
            child = await children.start(argv, name="program", env=ENV, on_line=on_line)
            return await child.wait(), child

    return asyncio.run(started_and_ended())


def test_each_line_of_output_is_handed_on_in_the_order_it_was_written() -> None:
    lines: list[str] = []

    code, child = run(["sh", "-c", "echo one; echo two >&2; printf three"], on_line=lines.append)

    assert code == 0
    assert lines == ["one", "two", "three"]
    assert child.tail == lines


def test_a_program_that_ends_by_itself_is_reported_with_its_exit_code_and_its_last_lines() -> None:
    code, child = run(["sh", "-c", "echo out of memory; exit 3"])

    error = child.died()

    assert code == 3
    assert "program ended with exit code 3" in str(error)
    assert error.log_tail == ("out of memory",)


def test_a_program_that_does_not_exist_says_so_in_its_log() -> None:
    code, child = run(["/nowhere/program"])

    assert code == 1
    assert child.tail == ["cannot run /nowhere/program: No such file or directory"]


def test_a_child_sees_the_environment_it_was_given_and_nothing_of_its_parents() -> None:
    lines: list[str] = []

    run(["env"], on_line=lines.append)

    assert {line.partition("=")[0] for line in lines} <= {"PATH", "LC_CTYPE"}


def test_bytes_that_are_no_utf8_and_lines_without_end_are_taken_as_they_come() -> None:
    lines: list[str] = []

    run(["sh", "-c", "printf '\\377\\n'; head -c 3000000 /dev/zero"], on_line=lines.append)

    assert lines[0] == "\N{REPLACEMENT CHARACTER}"
    assert sum(map(len, lines[1:])) == 3_000_000


def test_output_written_so_far_can_be_drained_without_waiting_for_the_event_loop(tmp_path: Path) -> None:
    written = tmp_path / "written"

    async def drained() -> list[str]:
        async with Children() as children:
            script = f"echo a line; touch {written}; exec sleep 600"
            child = await children.start(["sh", "-c", script], name="writer", env=ENV)
            assert eventually(written.exists)
            child.drain_output()
            return child.tail

    assert asyncio.run(drained()) == ["a line"]


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    async def stopped() -> int:
        ready = asyncio.Event()
        async with Children() as children:
            script = "trap '' TERM; echo ready; while :; do sleep 1; done"
            child = await children.start(
                ["sh", "-c", script], name="stubborn", env=ENV, on_line=lambda _line: ready.set()
            )
            await ready.wait()
            return await child.stop(grace_seconds=0.05)

    assert asyncio.run(stopped()) == -signal.SIGKILL


def test_leaving_the_block_ends_every_child_and_what_the_children_started() -> None:
    async def leaders() -> list[int]:
        async with Children(grace_seconds=0.05) as children:
            script = ["sh", "-c", "sleep 600 & sleep 600 & wait"]
            return [(await children.start(script, name=f"child {n}", env=ENV)).pid for n in range(3)]

    pids = asyncio.run(leaders())

    assert all(not list(live_members(pid)) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_running_when_the_parent_is_killed(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    leader = int(parent.stdout.readline())
    assert eventually(lambda: len(list(live_members(leader))) >= 3)

    parent.send_signal(number)

    parent.communicate()
    assert eventually(lambda: not list(live_members(leader)))


def test_the_watchdog_forgets_the_sessions_that_ended_before() -> None:
    assert sessions_left([b"+1\n", b"+22\n", b"-1\n"]) == {22}
