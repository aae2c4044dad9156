"""What processes hold in memory, and what happens over the limit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from local.processes import Child, Children
from local.services.lambda_memory import MIB, MemoryLimit, high_water_bytes, resident_bytes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited on Linux only"),
]

HOLD = "import sys, time; kept = bytearray({mib} * 1024 * 1024); print('held', flush=True); time.sleep(60)"
LET_GO = "import time; kept = bytearray({mib} * 1024 * 1024); del kept; print('held', flush=True); time.sleep(60)"
IN_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {code!r}])"


def with_process(code: str, scenario: Callable[[Child], Coroutine[Any, Any, None]]) -> None:
    """The scenario begins when the process says that it holds its memory."""

    async def inside() -> None:
        held = asyncio.Event()
        async with Children() as children:
            child = await children.start(
                [sys.executable, "-I", "-S", "-c", code],
                name="holder",
                env={"PATH": os.environ["PATH"]},
                on_line=lambda _line: held.set(),
            )
            await asyncio.wait_for(held.wait(), timeout=20)
            await asyncio.wait_for(scenario(child), timeout=20)
            await child.kill()

    asyncio.run(inside())


def test_what_a_process_holds_is_measured() -> None:
    async def scenario(child: Child) -> None:
        assert 64 <= resident_bytes(child.pid) / MIB < 90

    with_process(HOLD.format(mib=64), scenario)


def test_what_the_processes_hold_that_it_starts_counts_too() -> None:
    async def scenario(child: Child) -> None:
        assert 64 <= resident_bytes(child.pid) / MIB < 100
        assert high_water_bytes(child.pid) / MIB < 64

    with_process(IN_A_CHILD.format(code=HOLD.format(mib=64)), scenario)


def test_a_process_over_the_limit_is_killed_with_what_it_started() -> None:
    async def scenario(child: Child) -> None:
        limit = MemoryLimit(child.pid, limit_mb=48)
        limit.start()

        assert await child.wait() == -9
        assert (limit.exceeded, limit.peak_mb) == (True, 48)

    with_process(IN_A_CHILD.format(code=HOLD.format(mib=64)), scenario)


def test_what_was_let_go_between_two_samples_is_found_at_the_end() -> None:
    async def scenario(child: Child) -> None:
        limit = MemoryLimit(child.pid, limit_mb=48)
        limit.start()
        limit.stop()

        assert limit.exceeded
        assert await child.wait() == -9

    with_process(LET_GO.format(mib=64), scenario)


def test_a_process_within_the_limit_is_left_alone() -> None:
    async def scenario(child: Child) -> None:
        limit = MemoryLimit(child.pid, limit_mb=128)
        limit.start()
        while limit.peak_mb is None:  # until the first sample
            await asyncio.sleep(0.01)
        limit.stop()

        assert not limit.exceeded
        assert limit.peak_mb is not None
        assert 64 <= limit.peak_mb < 90
        assert child.exit_code is None

    with_process(HOLD.format(mib=64), scenario)


def test_a_process_that_is_gone_holds_nothing() -> None:
    async def scenario(child: Child) -> None:
        await child.kill()

        assert resident_bytes(child.pid) == 0
        assert high_water_bytes(child.pid) == 0

    with_process(HOLD.format(mib=1), scenario)
