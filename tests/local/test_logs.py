"""Log lines on their way into files and into the store."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from moto.logs.models import logs_backends

from local.clock import ManualClock
from local.logs import GATHER_SECONDS, Batch, LogFiles, LogLine, LogWriter, MotoLogStore

GROUP, STREAM = "/aws/lambda/flyball-digits-gateway", "2026/01/01/[$LATEST]0123"


class Recorder:
    """A store that keeps what it was given, and can be made to wait or to fail."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.batches: list[dict[Any, list[str]]] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self._error = error

    def put(self, batch: Batch) -> None:
        self.entered.set()
        assert self.open.wait(timeout=10)
        if self._error is not None:
            raise self._error
        self.batches.append({key: [line.message for line in lines] for key, lines in batch.items()})


def test_a_line_is_in_its_groups_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    files = LogFiles(tmp_path)

    async def scenario() -> str:
        writer = LogWriter(store=Recorder(), files=files, clock=ManualClock())
        writer.write(GROUP, STREAM, ["first", "two\nlines"])
        at_once = files.path(GROUP).read_text()
        await writer.close()
        return at_once

    text = asyncio.run(scenario())

    assert files.path(GROUP).name == "aws.lambda.flyball-digits-gateway.log"
    assert text.splitlines() == [
        f"2026-01-01T00:00:00.000Z\t{STREAM}\tfirst",
        f"2026-01-01T00:00:00.000Z\t{STREAM}\ttwo",
        "\tlines",
    ]


def test_lines_reach_the_store_in_batches_and_in_order(tmp_path: Path) -> None:
    store = Recorder()

    async def scenario() -> None:
        writer = LogWriter(store=store, files=LogFiles(tmp_path), clock=ManualClock())
        for n in range(100):
            writer.write(GROUP, STREAM, [f"line {n}"])
            writer.write("other", "stream", [f"other {n}"])
        await writer.close()

    asyncio.run(scenario())

    (batch,) = store.batches
    assert batch == {
        (GROUP, STREAM): [f"line {n}" for n in range(100)],
        ("other", "stream"): [f"other {n}" for n in range(100)],
    }


def test_a_slow_store_does_not_hold_up_whoever_writes(tmp_path: Path) -> None:
    store = Recorder()
    store.open.clear()

    async def scenario() -> list[int]:
        writer = LogWriter(store=store, files=LogFiles(tmp_path), clock=ManualClock())
        writer.write(GROUP, STREAM, ["before"])
        await asyncio.to_thread(store.entered.wait, 10)
        writer.write(GROUP, STREAM, ["while it is stuck"])
        stored_meanwhile = len(store.batches)
        store.open.set()
        await writer.close()
        return [stored_meanwhile, len(store.batches)]

    assert asyncio.run(scenario()) == [0, 2]


def test_a_store_that_fails_is_reported_and_the_lines_stay_in_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = LogFiles(tmp_path)

    async def scenario() -> None:
        writer = LogWriter(store=Recorder(error=RuntimeError("full")), files=files, clock=ManualClock())
        writer.write(GROUP, STREAM, ["kept"])
        await writer.close()

    asyncio.run(scenario())

    assert "are in the files only" in caplog.text
    assert files.path(GROUP).read_text().endswith("\tkept\n")


def test_moto_shows_the_lines_with_the_clocks_time_however_old_they_are(tmp_path: Path) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        store = MotoLogStore(account="123456789012", region="us-east-1")
        writer = LogWriter(store=store, files=LogFiles(tmp_path), clock=clock)
        writer.write("/test/group", STREAM, ["first"])
        clock.advance(1.5)
        writer.write("/test/group", STREAM, ["second"])
        await writer.close()

    asyncio.run(scenario())

    backend = logs_backends["123456789012"]["us-east-1"]
    events = backend.groups["/test/group"].streams[STREAM].events
    start = int(ManualClock().now().timestamp() * 1000)
    assert [(event.timestamp, event.message) for event in events] == [(start, "first"), (start + 1500, "second")]


def test_a_file_that_is_full_makes_room_for_the_next(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, limit_bytes=100)

    for number in range(12):
        files.append(GROUP, STREAM, LogLine(0, f"line {number}"), time="now")
    files.close()

    old, new = files.path(GROUP).with_name(f"{files.path(GROUP).name}.1"), files.path(GROUP)
    lines = [line.rpartition("\t")[2] for path in (old, new) if path.exists() for line in path.read_text().splitlines()]
    assert lines[-1] == "line 11"
    assert lines == [f"line {number}" for number in range(12 - len(lines), 12)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 200


def test_a_disk_that_is_full_costs_lines_in_the_file_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    full = [False, True, True, False]

    def write(descriptor: int, text: bytes) -> int:
        if full.pop(0):
            raise OSError(28, "No space left on device")
        return os.write(descriptor, text)

    store, files = Recorder(), LogFiles(tmp_path, write=write)

    async def scenario() -> None:
        writer = LogWriter(store=store, files=files, clock=ManualClock())
        writer.write(GROUP, STREAM, ["a", "b", "c", "d"])
        await writer.close()

    asyncio.run(scenario())

    assert store.batches == [{(GROUP, STREAM): ["a", "b", "c", "d"]}]
    assert [line[-1] for line in files.path(GROUP).read_text().splitlines()] == ["a", "d"]
    assert caplog.text.count("No space left on device") == 1


def test_a_flush_does_not_wait_for_more_lines_to_gather(tmp_path: Path) -> None:
    store = Recorder()

    async def scenario() -> float:
        writer = LogWriter(store=store, files=LogFiles(tmp_path), clock=ManualClock())
        began = time.perf_counter()
        for _ in range(50):
            writer.write(GROUP, STREAM, ["a line"])
            await writer.flush()
        seconds = time.perf_counter() - began
        await writer.close()
        return seconds

    assert asyncio.run(scenario()) < 50 * GATHER_SECONDS
