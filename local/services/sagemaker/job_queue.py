"""Jobs that run or wait: so many at a time, each ended with a record that says how. One event loop's.

What a job does and what its record says of its end is its run's business. The end of the cloud is not the end of a job:
its record stays in progress, and the next cloud starts it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from local.services.sagemaker.artifact import remove_folder

log = logging.getLogger(__name__)

STARTED_AGAIN: Final = "The local cloud ended while this job was in progress; it is started again."
"""In the log of a job that the next cloud goes on with."""

Outcome = TypeVar("Outcome")


class Plan(Protocol):
    """What a Create call asked for."""

    @property
    def name(self) -> str: ...


class Run(Protocol[Outcome]):
    """A job that carries out its plan once it is told to, and ends early once it is asked to stop."""

    @property
    def plan(self) -> Plan: ...
    @property
    def root(self) -> Path: ...
    @property
    def stop_asked(self) -> asyncio.Event: ...

    async def carry_out(self) -> Outcome: ...

    def end(self, outcome: Outcome) -> None:
        """Writes down how the job ended."""


class JobQueue(Generic[Outcome]):
    """Carries out what a Create call began. The caller has put the job on the board; `kind` is for the log."""

    def __init__(self, kind: str, *, at_once: int, stopped: Outcome, failed: Callable[[str], Outcome]) -> None:
        self._kind, self._stopped, self._failed = kind, stopped, failed
        self._seats = asyncio.Semaphore(at_once)
        self._runs: dict[str, Run[Outcome]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def begin(self, run: Run[Outcome]) -> None:
        """Begin a job, or let it wait for a seat; once the queue is closed, the next cloud does."""
        if self._is_closed:
            return
        task = asyncio.ensure_future(self._run(run))
        self._runs[run.plan.name] = run
        self._tasks.add(task)
        task.add_done_callback(lambda _task: self._forget(run, task))

    def stop(self, name: str) -> None:
        """Begin to end a job; one that has ended stays as it is."""
        if (running := self._runs.get(name)) is not None:
            running.stop_asked.set()

    async def settle(self) -> None:
        """Wait until every job that was begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """End what runs; the jobs' records stay as they are, for the next cloud."""
        self._is_closed = True
        pending = list(self._tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _forget(self, run: Run[Outcome], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._runs.get(run.plan.name) is run:
            del self._runs[run.plan.name]

    async def _run(self, run: Run[Outcome]) -> None:
        try:
            run.end(await self._outcome(run))  # not in a thread: nothing may come between a job's end and its record
        finally:
            await asyncio.to_thread(remove_folder, run.root)

    async def _outcome(self, run: Run[Outcome]) -> Outcome:
        try:
            return await self._carried_out(run)
        except Exception as error:
            # Nobody awaits this task: without a status that says so, whoever waits for the job waits for ever.
            log.exception("%s %s failed in the local cloud", self._kind, run.plan.name)
            return self._failed(f"InternalServerError: the local cloud failed: {error!r}")

    async def _carried_out(self, run: Run[Outcome]) -> Outcome:
        """What became of the job, once there was a seat for it; a job that waits can be stopped."""
        seat, stop = asyncio.ensure_future(self._seats.acquire()), asyncio.ensure_future(run.stop_asked.wait())
        try:
            await asyncio.wait({seat, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await run.carry_out() if seat.done() else self._stopped
        finally:
            stop.cancel()
            if seat.done() and not seat.cancelled():
                self._seats.release()
            seat.cancel()
