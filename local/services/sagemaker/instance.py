"""Keeps one variant's model server running: pings it, and starts it again, with growing pauses, when it is gone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from local.services.sagemaker.artifact import remove_folder
from local.services.sagemaker.model_server import InstanceName, Machine, ModelServer, launch, prepare
from local.services.sagemaker.plan import StartFailure, VariantPlan

PING_INTERVAL_SECONDS: Final = 5.0
PINGS_BEFORE_RESTART: Final = 3
STABLE_AFTER: Final = timedelta(minutes=1)
LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next restart: 1, 2, 4 ... 60 seconds; forgotten once a server has run a minute."""

    failures: int = 0
    started_at: datetime | None = None

    def started(self, now: datetime) -> None:
        """A server came into service."""
        self.started_at = now

    def pause_seconds(self, now: datetime) -> float:
        """The server is gone, or did not come into service."""
        if self.started_at is not None and now - self.started_at >= STABLE_AFTER:
            self.failures = 0
        self.started_at = None
        self.failures += 1
        return min(LONGEST_PAUSE_SECONDS, 2.0 ** (self.failures - 1))


@dataclass(slots=True)
class InFlight:
    """Counts the requests that a server is working on, and tells when there are none."""

    count: int = 0
    none: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """While one request is under way."""
        self.count += 1
        self.none.clear()
        try:
            yield
        finally:
            self.count -= 1
            if self.count == 0:
                self.none.set()


class Instance:
    """One variant's server over its whole life, restarts included."""

    def __init__(self, *, endpoint: str, plan: VariantPlan, machine: Machine) -> None:
        self.plan = plan
        self.name = InstanceName(endpoint, plan.name, f"i-{uuid.uuid4().hex[:17]}")
        self.in_flight = InFlight()
        self._machine = machine
        self._server: ModelServer | None = None
        self._root: Path | None = None
        self._backoff = Backoff()
        self._supervision: asyncio.Task[None] | None = None

    @property
    def url(self) -> str | None:
        """Where invocations go; None while there is no server that passes its pings."""
        if self._server is None or not self._server.running:
            return None
        return f"http://127.0.0.1:{self._server.port}/invocations"

    @property
    def pid(self) -> int | None:
        """The number of the server's process, if there is one."""
        return None if self._server is None else self._server.pid

    async def start(self) -> StartFailure | None:
        """Bring the server into service, and watch it from then on."""
        prepared = await prepare(self.name, self.plan, self._machine)
        if isinstance(prepared, StartFailure):
            return prepared
        self._root = prepared
        failure = await self._launch(prepared)
        if failure is None:
            self._supervision = asyncio.ensure_future(self._supervise(prepared))
        return failure

    async def stop(self) -> None:
        """End the server and remove its folders; requests under way have been waited for before."""
        if self._supervision is not None:
            self._supervision.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervision
        if self._server is not None:
            await self._server.stop()
        root = self._machine.folder / self.name.endpoint / self.name.id
        await asyncio.to_thread(remove_folder, root)

    async def _launch(self, root: Path) -> StartFailure | None:
        launched = await launch(self.name, self.plan, root=root, machine=self._machine)
        if isinstance(launched, StartFailure):
            return launched
        self._server = launched
        self._backoff.started(self._machine.process_clock.now())
        return None

    async def _supervise(self, root: Path) -> None:
        """Restart the server whenever it ends or stops answering; ends only by being cancelled."""
        while True:
            if self._server is not None:
                reason = await self._until_lost(self._server)
                self._server = None
                self._say(f"the model server {reason}")
            pause_seconds = self._backoff.pause_seconds(self._machine.process_clock.now())
            self._say(f"it is started again in {pause_seconds:g} s")
            await self._machine.sleep(pause_seconds)
            failure = await self._launch(root)
            self._say("the model server is in service again" if failure is None else failure.reason)

    async def _until_lost(self, server: ModelServer) -> str:
        """Wait until the server is of no more use; returns why."""
        ended = asyncio.ensure_future(server.ended())
        missed = 0
        try:
            while missed < PINGS_BEFORE_RESTART:
                pause = asyncio.ensure_future(self._machine.sleep(PING_INTERVAL_SECONDS))
                await asyncio.wait({ended, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                if ended.done():
                    return f"ended with exit code {ended.result()}"
                missed = 0 if await server.ping() else missed + 1
        finally:
            ended.cancel()
        await server.kill()
        return f"did not answer {PINGS_BEFORE_RESTART} pings in a row and was killed"

    def _say(self, sentence: str) -> None:
        self._machine.log(self.name.log_group, self.name.log_stream, [f"local cloud: {sentence}"])
