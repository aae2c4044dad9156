"""Task states: schedules a call, makes it, and waits for the job or the answer that it is about.

A call that a restart has cut off is not made again by itself: it fails as Lambda.Unknown or SdkClientException, and the
state's retriers decide. A job is found again by its name. A task that is at work holds simulated time up, and its
timeout is of the machine's time; while somebody else has its token, both go by the cloud's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from local.services.states.arguments import argument_problems, compact
from local.services.states.definition import State
from local.services.states.execution import Position, Stage
from local.services.states.expressions import Bindings, filled, typed
from local.services.states.failures import (
    DATA_LIMIT,
    DATA_LIMIT_BYTES,
    HEARTBEAT_TIMEOUT,
    TASK_FAILED,
    TIMEOUT,
    StateFailed,
    runtime_failure,
)
from local.services.states.history import about, failed, scheduled, succeeded, task_event
from local.services.states.integrations import Integration, Job, Pattern
from local.services.states.tokens import new_token

if TYPE_CHECKING:
    from local.services.states.course import Course

NO_SUCH_JOB: Final = ("Requested resource not found", "Could not find requested job")
"""What SageMaker says of a job that is not there; any other refusal says nothing of it."""
LOOK_SECONDS: Final = (0.2, 0.5, 1.0)
"""Between two looks at a job; the last one goes on."""
INTERRUPTED: Final = "The local cloud ended while the call was under way; whether it took effect is not known."


class Tasks:
    """The tasks of one course."""

    def __init__(self, course: Course) -> None:
        self._course = course

    async def result(self, state: State, position: Position, outer: Mapping[str, Any]) -> Any:
        """What the task has come to; goes on from wherever the position says that it is.

        Raises: StateFailed.
        """
        integration = state.integration
        assert integration is not None  # noqa: S101 - a task's
        if position.stage is Stage.ENTERED:
            await self._schedule(state, integration, position, outer)
        elif position.stage is Stage.CALLING and not await self._find_job(integration, position):
            raise self._failed(integration, position, _interrupted(integration))
        try:
            found = await self._within(self._machine_due(integration, position), self._worked(integration, position))
        except TimeoutError as late:
            await self._course.abandon(position)
            raise self._timed_out(integration, position) from late
        result = await self._answered(integration, position) if position.stage is Stage.HANDED_OUT else found
        if len(compact(result).encode()) > DATA_LIMIT_BYTES:
            cause = f"The state/task '{integration.resource}' returned a result with a size exceeding the maximum "
            raise self._failed(integration, position, StateFailed(DATA_LIMIT, f"{cause}number of bytes service limit."))
        self._course.tell(task_event(integration, "Succeeded"), position, **succeeded(integration, result))
        return result

    async def _schedule(
        self, state: State, integration: Integration, position: Position, outer: Mapping[str, Any]
    ) -> None:
        """Evaluates what is to be sent, and writes down that it is about to be."""
        course = self._course
        if integration.pattern is Pattern.WAIT_FOR_CALLBACK:
            position.token = new_token(course.execution.arn)
        bindings = course.bindings(position, outer)
        default = position.input if integration.function_arn is not None else {}
        given = (
            filled(state.fields["Arguments"], field="Arguments", bindings=bindings)
            if "Arguments" in state.fields
            else default
        )
        timeout, heartbeat = (_seconds(state, name, bindings) for name in ("TimeoutSeconds", "HeartbeatSeconds"))
        self._check(integration, given)
        position.arguments, position.heartbeat_seconds = given, heartbeat
        clock = course.surroundings.clock if position.token else course.surroundings.machine_clock
        if timeout is not None:
            position.due = (clock.now() + timedelta(seconds=timeout)).isoformat()
        details = scheduled(integration, given, region=course.surroundings.region, timeout=timeout, heartbeat=heartbeat)
        course.tell(task_event(integration, "Scheduled"), position, **details)
        course.tell(task_event(integration, "Started"), position, **about(integration))
        position.stage = Stage.CALLING
        await course.keep()

    @staticmethod
    def _check(integration: Integration, given: Any) -> None:
        if problems := argument_problems(integration, given):
            cause = f"The Parameters '{compact(given)}' could not be used to start the Task: [{'; '.join(problems)}]"
            raise runtime_failure(cause)

    async def _worked(self, integration: Integration, position: Position) -> Any:
        """What the call gave, or its job."""
        found = None
        if position.stage is Stage.CALLING:
            found = await self._called(integration, position)
        if position.stage is Stage.FOLLOWING and integration.job is not None:
            return await self._followed(integration, integration.job, position)
        return found

    async def _called(self, integration: Integration, position: Position) -> Any:
        course, calls = self._course, self._course.surroundings.calls
        call = asyncio.ensure_future(calls.call(course.actor, integration, position.arguments))
        course.surroundings.timers.track(call)
        try:
            found = await asyncio.shield(call)
        except StateFailed as failure:
            raise self._failed(integration, position, failure) from failure
        except asyncio.CancelledError:
            if integration.job is not None:  # what has begun has to be known before it can be stopped
                await asyncio.wait({call}, timeout=10)
                self._begin_to_follow(integration.job, position)
            call.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        if integration.pattern is Pattern.REQUEST_RESPONSE:
            return found
        course.tell("TaskSubmitted", position, **succeeded(integration, found))
        if integration.job is not None:
            self._begin_to_follow(integration.job, position)
        else:
            position.stage = Stage.HANDED_OUT
            self.beat(position)
        await course.keep()
        return found

    @staticmethod
    def _begin_to_follow(job: Job, position: Position) -> None:
        position.stage, position.job = Stage.FOLLOWING, str(position.arguments[job.name])

    async def _find_job(self, integration: Integration, position: Position) -> bool:
        """Whether the job of a call that was cut off is there; then it is followed. Else the call is made again:
        nothing came of it.
        """
        if integration.job is None:
            return False
        name = {integration.job.name: position.arguments[integration.job.name]}
        try:
            found = await self._describe(integration, integration.job, name)
        except StateFailed as failure:
            if any(text in (failure.cause or "") for text in NO_SUCH_JOB):
                return True
            raise self._failed(integration, position, failure) from failure
        self._course.tell("TaskSubmitted", position, **succeeded(integration, found))
        self._begin_to_follow(integration.job, position)
        return True

    async def _followed(self, integration: Integration, job: Job, position: Position) -> Any:
        """The description of a job that has completed."""
        looks = 0
        while True:
            try:
                found = await self._describe(integration, job, {job.name: position.job})
            except StateFailed as failure:
                raise self._failed(integration, position, failure) from failure
            if job.has_completed(found[job.status]):
                return found
            if job.has_ended(found[job.status]):
                raise self._failed(integration, position, StateFailed(TASK_FAILED, compact(found)))
            await asyncio.sleep(LOOK_SECONDS[min(looks, len(LOOK_SECONDS) - 1)])
            looks += 1

    async def _describe(self, integration: Integration, job: Job, arguments: Mapping[str, Any]) -> dict[str, Any]:
        course = self._course
        calls = course.surroundings.calls
        found: dict[str, Any] = await calls.call(course.actor, integration, arguments, operation=job.describe)
        return found

    async def _answered(self, integration: Integration, position: Position) -> Any:
        """What was sent for the token."""
        surroundings = self._course.surroundings
        assert position.token is not None  # noqa: S101 - it is handed out
        while position.answer is None:
            due = [datetime.fromisoformat(each) for each in (position.due, position.heartbeat_due) if each]
            if due and min(due) <= surroundings.clock.now():
                is_beat = position.heartbeat_due is not None and min(due).isoformat() == position.heartbeat_due
                raise self._timed_out(integration, position, also=HEARTBEAT_TIMEOUT if is_beat else "")
            await surroundings.tokens.wait(position.token, until=min(due, default=None))
        if "output" in position.answer:
            return position.answer["output"]
        failure = StateFailed(position.answer["error"] or TASK_FAILED, position.answer["cause"])
        raise self._failed(integration, position, failure)

    def beat(self, position: Position) -> None:
        """The time until the next heartbeat begins anew."""
        if position.heartbeat_seconds is not None:
            now = self._course.surroundings.clock.now()
            position.heartbeat_due = (now + timedelta(seconds=position.heartbeat_seconds)).isoformat()

    def _machine_due(self, integration: Integration, position: Position) -> datetime | None:
        """When work has taken too long; what waits for an answer goes by the cloud's time."""
        if integration.pattern is Pattern.WAIT_FOR_CALLBACK or position.due is None:
            return None
        return datetime.fromisoformat(position.due)

    async def _within(self, due: datetime | None, work: Any) -> Any:
        """Raises: TimeoutError."""
        if due is None:
            return await work
        left = (due - self._course.surroundings.machine_clock.now()).total_seconds()
        async with asyncio.timeout(max(0.0, left)):
            return await work

    def _failed(self, integration: Integration, position: Position, failure: StateFailed) -> StateFailed:
        """The failure, once the history has it."""
        self._course.tell(task_event(integration, "Failed"), position, **failed(integration, failure))
        return failure

    def _timed_out(self, integration: Integration, position: Position, *, also: str = "") -> StateFailed:
        failure = StateFailed(TIMEOUT, None, also=also)
        self._course.tell(task_event(integration, "TimedOut"), position, **failed(integration, failure))
        return failure


def _interrupted(integration: Integration) -> StateFailed:
    error = "Lambda.Unknown" if integration.is_function else f"{integration.prefix}.SdkClientException"
    return StateFailed(error, INTERRUPTED)


def _seconds(state: State, name: str, bindings: Bindings) -> float | None:
    if name not in state.fields:
        return None
    found: float = typed(state.fields[name], (int, float), "number", field=name, bindings=bindings)
    if not 1 <= found <= 99_999_999:
        raise runtime_failure(f"The value {found} of the field '{name}' is not between 1 and 99999999.")
    return found
