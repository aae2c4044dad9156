"""Log lines of functions and model servers: into the CloudWatch Logs store, and at once into a file a group.

`write` never waits: the file takes a line immediately, so that not even `kill -9` loses one, and the store gets the
lines a moment later, many at a time, from a thread. Groups and streams are made where they are missing, as AWS does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from moto.logs.models import logs_backends

from local.clock import Clock

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.02
FILE_LIMIT_BYTES = 16 * 1024 * 1024

Write = Callable[[int, bytes], int]
"""`os.write`, or what stands for a disk that is full."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line and when it was written, in milliseconds since 1970."""

    timestamp_ms: int
    message: str


Batch = Mapping[tuple[str, str], Sequence[LogLine]]
"""Lines by group and stream, in the order they were written."""


class LogStore(Protocol):
    """Keeps log lines; called in a thread, one call at a time."""

    def put(self, batch: Batch) -> None:
        """Append the lines."""
        ...


class MotoLogStore:
    """moto's CloudWatch Logs of one account and region."""

    def __init__(self, *, account: str, region: str) -> None:
        self._account, self._region = account, region

    def put(self, batch: Batch) -> None:
        backend = logs_backends[self._account][self._region]  # looked up each time, so that it counts as touched
        for (group, stream), lines in batch.items():
            backend.ensure_log_group(group)
            backend.ensure_log_stream(group, stream)
            events = [{"timestamp": line.timestamp_ms, "message": line.message} for line in lines]
            # The backend's own put_log_events drops what is older than 14 days by the machine's clock, not by ours.
            backend.groups[group].put_log_events(stream, events)


class LogFiles:
    """One file a log group, to be read with `tail -F`: time, stream and message of each line, tab-separated.

    A file that reaches its limit becomes NAME.log.1, in place of the one before it. A disk that takes no more costs
    lines in the files and nothing else.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = FILE_LIMIT_BYTES, write: Write = os.write) -> None:
        self._folder, self._limit_bytes, self._write = folder, limit_bytes, write
        self._descriptors: dict[str, int] = {}
        self._lost_lines = 0

    def append(self, group: str, stream: str, line: LogLine, *, time: str) -> None:
        text = line.message.replace("\n", "\n\t")
        try:
            self._write(self._descriptor(group), f"{time}\t{stream}\t{text}\n".encode())
            self._rotate(group)
        except OSError as error:
            if not self._lost_lines:
                log.warning("lines are missing in the files of %s: %s", self._folder, error)
            self._lost_lines += 1
        else:
            if self._lost_lines:
                log.warning("%d lines are missing in the files of %s; they take lines again", *self._lost())

    def _lost(self) -> tuple[int, Path]:
        lost, self._lost_lines = self._lost_lines, 0
        return lost, self._folder

    def path(self, group: str) -> Path:
        return self._folder / f"{group.strip('/').replace('/', '.')}.log"

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _descriptor(self, group: str) -> int:
        if group not in self._descriptors:
            path = self.path(group)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptors[group] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        return self._descriptors[group]

    def _rotate(self, group: str) -> None:
        if os.fstat(self._descriptors[group]).st_size >= self._limit_bytes:
            path = self.path(group)
            path.replace(path.with_name(f"{path.name}.1"))
            os.close(self._descriptors.pop(group))


class LogWriter:
    """Where log lines go: `writer.write` is the sink for whoever has lines. It belongs to one event loop's thread."""

    def __init__(self, *, store: LogStore, files: LogFiles, clock: Clock) -> None:
        self._store, self._files, self._clock = store, files, clock
        self._pending: dict[tuple[str, str], list[LogLine]] = defaultdict(list)
        self._delivery: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """Take lines of one stream."""
        now = self._clock.now()
        timestamp_ms = int(now.timestamp() * 1000)
        time = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
        for message in lines:
            line = LogLine(timestamp_ms, message)
            self._files.append(group, stream, line, time=time)
            self._pending[group, stream].append(line)
        if self._delivery is None:
            self._delivery = asyncio.get_running_loop().create_task(self._deliver())

    async def flush(self) -> None:
        """Wait until the store has every line taken so far; more are not gathered first."""
        self._hurry.set()
        while self._delivery is not None:
            await self._delivery
        self._hurry.clear()

    async def close(self) -> None:
        """Flush, and close the files."""
        await self.flush()
        self._files.close()

    async def _deliver(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._hurry.wait()
        while self._pending:
            batch, self._pending = self._pending, defaultdict(list)
            try:
                await asyncio.to_thread(self._store.put, batch)
            except Exception:
                log.exception("log lines of %s are in the files only", sorted({group for group, _ in batch}))
        self._delivery = None
