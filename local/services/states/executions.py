"""The executions that run: begins them, goes on with those of a former cloud, ends them, and tells of each change."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from local.services.states.archive import Archive
from local.services.states.arguments import compact
from local.services.states.course import Course, Surroundings
from local.services.states.execution import Execution, Position, Stage, Status
from local.services.states.failures import RUNTIME, StateFailed
from local.services.states.history import WHOLE, tell
from local.services.states.machines import Machines
from local.state.errors import StateNotWritten
from local.timers import Timer

log = logging.getLogger(__name__)

LAST_EVENTS: Final = {
    Status.SUCCEEDED: "ExecutionSucceeded",
    Status.FAILED: "ExecutionFailed",
    Status.TIMED_OUT: "ExecutionTimedOut",
    Status.ABORTED: "ExecutionAborted",
}

Observer = Callable[[Execution], None]
"""Told of an execution that has begun or ended."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution has ended, or is to."""

    status: Status
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class Executions:
    """The executions of one account and region. Belongs to the event loop of the surroundings' timers."""

    def __init__(self, *, machines: Machines, archive: Archive, surroundings: Surroundings) -> None:
        self._machines, self._archive, self._surroundings = machines, archive, surroundings
        self._observers: list[Observer] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._endings: dict[str, Ending] = {}
        self._deadlines: dict[str, Timer] = {}

    def observe(self, observer: Observer) -> None:
        """Tell `observer` from now on."""
        self._observers.append(observer)

    async def start(self, execution: Execution) -> None:
        """Begins a new execution; it is kept when this returns.

        Raises: StateNotWritten.
        """
        revision = self._machines.revision(execution.revision)
        flow = revision.read.flow
        execution.position = Position(state=flow.start_at, input=json.loads(execution.input))
        details = {"input": execution.input, "inputDetails": WHOLE, "roleArn": revision.role_arn}
        now = self._surroundings.clock.now()
        first = tell(execution, "ExecutionStarted", now=now, details=details)
        self._archive.add(execution)
        await self._archive.keep(execution)
        assert first == 1  # noqa: S101 - AWS's first state follows on event 0
        self._announce(execution)
        self._begin(execution)

    async def resume(self) -> int:
        """Goes on with what a former cloud left; how many executions that are."""
        for execution in self._archive.all():
            if not execution.is_told:
                self._announce(execution)
                await self._archive.keep(execution)
        found = [execution for execution in self._archive.all() if execution.is_running]
        for execution in found:
            if execution.arn not in self._running:
                self._begin(execution)
        return len(found)

    async def stop(self, execution: Execution, *, error: str | None, cause: str | None) -> None:
        """Aborts an execution; one that has ended stays as it is."""
        await self._end(execution, Ending(Status.ABORTED, error=error, cause=cause))

    async def answer(self, execution: Execution, position: Position, answer: dict[str, Any]) -> None:
        """Takes what was sent for a token; it is kept when this returns."""
        if position.answer is None:
            position.answer = answer
            await self._archive.keep(execution)
        self._surroundings.tokens.tell(str(position.token))

    async def beat(self, execution: Execution, position: Position) -> None:
        """Whoever has a token is still at work."""
        if position.heartbeat_seconds is not None and position.stage is Stage.HANDED_OUT:
            due = self._surroundings.clock.now() + timedelta(seconds=position.heartbeat_seconds)
            position.heartbeat_due = due.isoformat()
            await self._archive.keep(execution)
            self._surroundings.tokens.tell(str(position.token))

    async def settle(self) -> None:
        """Waits until no execution runs."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self) -> None:
        """Cuts off what runs; it goes on when the cloud starts again."""
        for timer in self._deadlines.values():
            timer.cancel()
        pending = list(self._running.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _begin(self, execution: Execution) -> None:
        timers = self._surroundings.timers
        revision = self._machines.revision(execution.revision)
        course = Course(execution, revision.read, role_arn=revision.role_arn, surroundings=self._surroundings)
        self._running[execution.arn] = timers.begin(self._see_through(execution, course))
        if (seconds := revision.read.timeout_seconds) is not None:
            deadline = datetime.fromisoformat(execution.started) + timedelta(seconds=seconds)

            async def expire(_due: datetime) -> None:
                await self._end(execution, Ending(Status.TIMED_OUT))

            self._deadlines[execution.arn] = timers.at(deadline, expire)

    async def _see_through(self, execution: Execution, course: Course) -> None:
        try:
            ending = await self._ending_of(execution, course)
            await self._finish(execution, ending)
        except StateNotWritten:
            log.exception("the execution %s is put off to the next start", execution.arn)
        finally:
            self._running.pop(execution.arn, None)
            if (timer := self._deadlines.pop(execution.arn, None)) is not None:
                timer.cancel()

    async def _ending_of(self, execution: Execution, course: Course) -> Ending:
        """Raises: CancelledError where the cloud ends, and not the execution; StateNotWritten."""
        try:
            return Ending(Status.SUCCEEDED, output=compact(await course.run()))
        except StateFailed as failure:
            return Ending(Status.FAILED, error=failure.error, cause=failure.cause)
        except asyncio.CancelledError:
            if (ending := self._endings.pop(execution.arn, None)) is None:
                raise
            if execution.position is not None:
                await course.abandon(execution.position)
            return ending
        except StateNotWritten:
            raise
        except Exception as error:
            log.exception("the execution %s failed in the local cloud", execution.arn)
            return Ending(Status.FAILED, error=RUNTIME, cause=f"The local cloud failed: {error!r}")

    async def _end(self, execution: Execution, ending: Ending) -> None:
        """Ends an execution from outside, wherever it is."""
        if not execution.is_running:
            return
        task = self._running.get(execution.arn)
        if task is None:
            await self._finish(execution, ending)
            return
        self._endings.setdefault(execution.arn, ending)
        task.cancel()
        await asyncio.wait({task})

    async def _finish(self, execution: Execution, ending: Ending) -> None:
        now = self._surroundings.clock.now()
        position, details = execution.position, self._last_details(ending)
        last = position if ending.status in (Status.SUCCEEDED, Status.FAILED) else None
        tell(execution, LAST_EVENTS[ending.status], now=now, position=last, details=details or None)
        execution.status, execution.output = ending.status, ending.output
        execution.error, execution.cause = ending.error, ending.cause
        execution.stopped, execution.position, execution.is_told = now.isoformat(), None, False
        await self._archive.keep(execution)
        self._announce(execution)
        await self._archive.keep(execution)

    @staticmethod
    def _last_details(ending: Ending) -> dict[str, Any]:
        if ending.status is Status.SUCCEEDED:
            return {"output": ending.output, "outputDetails": WHOLE}
        return {name: value for name, value in (("error", ending.error), ("cause", ending.cause)) if value is not None}

    def _announce(self, execution: Execution) -> None:
        execution.is_told = True
        for observe in self._observers:
            observe(execution)
