"""The one place that starts child processes, and sees to it that none outlives this process.

Each child leads a session of its own. When this process ends, even by `kill -9`, Linux kills each child (see
run_child.py) and a watchdog kills what the children started (see watchdog.py). All of it belongs to one event
loop, which has to run in the thread that started it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from local import run_child, watchdog
from model_packages.errors import ProcessDied

LineSink = Callable[[str], None]

READ_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
TAIL_LINES = 50


class Output:
    """What a child writes to stdout and stderr: cut into lines, handed on as they come, the last ones kept."""

    def __init__(self, on_line: LineSink | None) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._on_line = on_line
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._partial = b""
        self._open = True
        asyncio.get_running_loop().add_reader(self._read_end, self.drain)

    def drain(self) -> None:
        """Hand on every line that has been written so far."""
        while self._open:
            try:
                chunk = os.read(self._read_end, READ_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self.close()
                return
            self._take(chunk)

    def close(self) -> None:
        """Hand on what is left of the last line, and read no more."""
        if not self._open:
            return
        self._open = False
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        if self._partial:
            self._emit(self._partial)

    def _take(self, chunk: bytes) -> None:
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(self._partial) > LONGEST_LINE_BYTES:
            self._emit(self._partial)
            self._partial = b""

    def _emit(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace")
        self.tail.append(text)
        if self._on_line is not None:
            self._on_line(text)


class Child:
    """One process that was started, and the session that it leads. `Children.start` makes it."""

    def __init__(self, *, name: str, process: asyncio.subprocess.Process, output: Output) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._output = output
        self._ended = asyncio.ensure_future(self._see_out())

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negated signal number where a signal ended it."""
        return self._ended.result() if self._ended.done() else None

    @property
    def tail(self) -> list[str]:
        """Its last lines of output, oldest first."""
        return list(self._output.tail)

    def drain_output(self) -> None:
        """Hand on now every line that the child has written up to now, without waiting for the event loop."""
        self._output.drain()

    def on_exit(self, callback: Callable[[int], None]) -> None:
        """Call `callback(exit_code)` once the process has ended and its output has been read."""
        self._ended.add_done_callback(lambda ended: None if ended.cancelled() else callback(ended.result()))

    async def wait(self) -> int:
        """The exit code, as soon as there is one."""
        return await asyncio.shield(self._ended)

    async def stop(self, *, grace_seconds: float) -> int:
        """SIGTERM, and SIGKILL to the whole session when it is still there after the grace."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL to the whole session, now."""
        if self.exit_code is None:
            await asyncio.to_thread(watchdog.kill_session, self.pid)
        return await self.wait()

    def died(self) -> ProcessDied:
        """The error to raise where this child was needed and has ended."""
        code = self.exit_code
        return ProcessDied(name=self.name, exit_code=-1 if code is None else code, log_tail=self.tail)

    def _signal(self, number: signal.Signals) -> None:
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _see_out(self) -> int:
        code = await self._process.wait()
        await asyncio.to_thread(watchdog.kill_session, self.pid)
        self._output.drain()
        self._output.close()
        return code


class Children:
    """Starts processes and ends them: `async with Children() as children`. Leaving the block leaves none behind."""

    def __init__(self, *, grace_seconds: float = 5.0) -> None:
        self._grace_seconds = grace_seconds
        self._running: set[Child] = set()
        self._watchdog: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def running(self) -> frozenset[Child]:
        """The children that have not ended."""
        return frozenset(self._running)

    async def start(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        on_line: LineSink | None = None,
    ) -> Child:
        """Start a program with exactly this environment. One that cannot be run exits with code 1 and says why."""
        guard = self._guard()
        output = Output(on_line)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", run_child.__file__, str(os.getpid())),
                *map(str, argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.write_end,
                stderr=output.write_end,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except BaseException:
            output.close()
            raise
        finally:
            os.close(output.write_end)
        guard.write(b"+%d\n" % process.pid)
        child = Child(name=name, process=process, output=output)
        self._running.add(child)
        child.on_exit(lambda _code: self._forget(child))
        return child

    async def close(self) -> None:
        """Stop every child, all at the same time, then the watchdog."""
        await asyncio.gather(*(child.stop(grace_seconds=self._grace_seconds) for child in self._running))
        if self._watchdog is not None:
            self._guard().close()
            await asyncio.to_thread(self._watchdog.wait)
            self._watchdog = None

    def _forget(self, child: Child) -> None:
        self._running.discard(child)
        if self._watchdog is not None:
            self._guard().write(b"-%d\n" % child.pid)

    def _guard(self) -> IO[bytes]:
        """The pipe to the watchdog, which is started before the first child is."""
        if self._watchdog is None:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__],
                stdin=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        return cast(IO[bytes], self._watchdog.stdin)
