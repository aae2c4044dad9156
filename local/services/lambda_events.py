"""Lambda's queue of asynchronous events: keeps each until it is done with, retries it, and says how it ended.

An event that was accepted is kept in `Documents` until then, so it survives a restart; as on AWS it may run twice.
The rules are AWS's: a failed event runs again after one minute and after two more; one that is throttled is tried
again after 1, 2, 4, ... up to 300 seconds and does not count as an attempt; none gets older than its function allows.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from local.clock import Clock
from local.documents import Documents, Record
from local.services.lambda_function import (
    Function,
    FunctionNotFound,
    Invocation,
    InvocationRefused,
    TooManyRequests,
)
from model_packages.errors import FlyballError

log = logging.getLogger(__name__)

RETRY_DELAYS_SECONDS = (60.0, 120.0)
LONGEST_BACKOFF_SECONDS = 300.0

Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"]


@dataclass(frozen=True, slots=True)
class Response:
    """How the last attempt ended: `status` is 200 where the function ran, whatever it answered; else why it did not."""

    status: int
    payload: str = ""
    function_error: str | None = None
    executed_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvent:
    """An event on its way. Times are in seconds since 1970; `function_name` may be an ARN."""

    request_id: str
    function_name: str
    qualifier: str | None
    payload: bytes
    accepted_at: float
    due_at: float
    headers: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0
    throttled: int = 0
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """An event that Lambda is done with, and why."""

    event: AcceptedEvent
    condition: Condition


RunEvent = Callable[[Function, AcceptedEvent], Awaitable[Invocation]]
"""Runs an event once and gives the function's answer; raises as `LambdaService.invoke` does."""

FindTarget = Callable[[str, str | None], Function]
"""The function for a name and a qualifier. Raises FunctionNotFound."""

Deliver = Callable[[Function, Finished], Awaitable[None]]
"""Sends the record of a finished event to where the function wants it; reports its own failures."""


class EventQueue:
    """Events between `accept` and their end, each on its own: AWS promises no order either."""

    def __init__(  # noqa: PLR0913  # each is a seam of its own
        self,
        *,
        find: FindTarget,
        run: RunEvent,
        deliver: Deliver,
        documents: Documents,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        track: Callable[[asyncio.Task[None]], object] = id,
    ) -> None:
        self._find, self._run, self._deliver = find, run, deliver
        self._documents, self._clock, self._sleep, self._track = documents, clock, sleep, track
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self, event: AcceptedEvent) -> None:
        """Take the event; it is safe when this returns."""
        await self._keep(event)
        self._start(self._see_through(event))

    async def resume(self) -> int:
        """Go on with what a former process had accepted; how many events that are."""
        records = await asyncio.to_thread(lambda: list(self._documents.items()))
        for _, record in records:
            self._start(self._see_through(_event(record)))
        return len(records)

    async def settle(self) -> None:
        """Wait until every event is done with."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def close(self) -> None:
        """Stop. What is not done with stays in the documents."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _see_through(self, event: AcceptedEvent) -> None:
        try:
            function = self._find(event.function_name, event.qualifier)
            while isinstance(step := await self._attempt(event, function), AcceptedEvent):
                event = step
                await self._keep(event)
                function = self._find(event.function_name, event.qualifier)
            await self._deliver(function, step)
        except FunctionNotFound as gone:
            log.warning("the event %s is dropped: %s", event.request_id, gone)
        except Exception:
            log.exception("the event %s of %s is put off to the next start", event.request_id, event.function_name)
            return
        await asyncio.to_thread(self._documents.delete, event.request_id)

    async def _attempt(self, event: AcceptedEvent, function: Function) -> AcceptedEvent | Finished:
        wait_seconds = event.due_at - self._clock.now().timestamp()
        if wait_seconds > 0:
            await self._sleep(wait_seconds)
        now = self._clock.now().timestamp()
        if now - event.accepted_at > function.events.maximum_age_seconds:
            return Finished(event, "EventAgeExceeded")
        try:
            answer: Invocation | FlyballError = await self._run(function, event)
        except FlyballError as error:
            answer = error
        return next_step(event, answer, function=function, now=self._clock.now().timestamp())

    async def _keep(self, event: AcceptedEvent) -> None:
        await asyncio.to_thread(self._documents.put, event.request_id, _record(event))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        self._track(task)
        task.add_done_callback(self._under_way.discard)


def next_step(
    event: AcceptedEvent, answer: Invocation | FlyballError, *, function: Function, now: float
) -> AcceptedEvent | Finished:
    """What follows an attempt: the event with its next time, or its end."""
    if isinstance(answer, FlyballError):
        return _after_refusal(event, answer, function=function, now=now)
    tried = replace(event, attempts=event.attempts + 1, throttled=0, response=_response(answer))
    if answer.function_error is None:
        return Finished(tried, "Success")
    if tried.attempts > function.events.maximum_retry_attempts:
        return Finished(tried, "RetriesExhausted")
    return _again(tried, RETRY_DELAYS_SECONDS[tried.attempts - 1], function=function, now=now)


def _after_refusal(
    event: AcceptedEvent, refusal: FlyballError, *, function: Function, now: float
) -> AcceptedEvent | Finished:
    if isinstance(refusal, TooManyRequests) and function.reserved_concurrency == 0:
        return Finished(event, "ZeroReservedConcurrency")
    if not isinstance(refusal, TooManyRequests) and not event.throttled:
        log.warning("%s cannot be run and is tried again: %s", function.name, refusal)
    status = refusal.status if isinstance(refusal, InvocationRefused) else 500
    put_off = replace(event, throttled=event.throttled + 1, response=Response(status, str(refusal)))
    delay_seconds = min(2.0 ** min(event.throttled, 9), LONGEST_BACKOFF_SECONDS)  # 2.0**1024 is no number
    return _again(put_off, delay_seconds, function=function, now=now)


def _again(event: AcceptedEvent, delay_seconds: float, *, function: Function, now: float) -> AcceptedEvent | Finished:
    due_at = now + delay_seconds
    if due_at - event.accepted_at > function.events.maximum_age_seconds:
        return Finished(event, "EventAgeExceeded")
    return replace(event, due_at=due_at)


def _response(invocation: Invocation) -> Response:
    return Response(
        status=200,
        payload=invocation.payload.decode("utf-8", errors="replace"),
        function_error=invocation.function_error,
        executed_version=invocation.executed_version,
    )


def _record(event: AcceptedEvent) -> Record:
    return {**asdict(event), "payload": base64.b64encode(event.payload).decode()}


def _event(record: Record) -> AcceptedEvent:
    response = record["response"]
    return AcceptedEvent(
        **{
            **record,
            "payload": base64.b64decode(record["payload"]),
            "response": None if response is None else Response(**response),
        }
    )
