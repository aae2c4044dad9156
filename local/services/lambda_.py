"""AWS Lambda: runs functions in processes of their own, one invocation a process at a time, as AWS does.

A function whose code or configuration has changed gets a new pool of processes; the old ones finish what they do.
Not done: container images, extensions, SnapStart, provisioned concurrency, response streams, function URLs.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import orjson

from local.clock import Clock
from local.documents import Documents, InMemoryDocuments
from local.services.lambda_concurrency import Concurrency
from local.services.lambda_environment import Sandbox
from local.services.lambda_events import AcceptedEvent, Deliver, EventQueue, Finished
from local.services.lambda_function import (
    ASYNC_PAYLOAD_LIMIT_BYTES,
    PAYLOAD_LIMIT_BYTES,
    Function,
    FunctionNotFound,
    InvalidRequestContent,
    Invocation,
    InvocationType,
    RequestTooLarge,
    TooManyRequests,
    name_and_qualifier,
)
from local.services.lambda_observing import FunctionRun, RunObserver
from local.services.lambda_pool import FunctionPool, Limits

FindFunction = Callable[[str, str | None], Function | None]
"""Finds a function by name and qualifier; asked at each invocation, so it has to be quick."""


async def _deliver_nowhere(_function: Function, _finished: Finished) -> None:
    """For a service without destinations."""


def _untracked(_task: asyncio.Task[None]) -> None:
    """For a service whose events nobody waits for."""


class LambdaService:
    """Invokes functions. They are learnt from `find`, or told one by one with `configure`.

    `reserved` is the concurrency that all functions of the account together reserve. Events that were accepted lie in
    `accepted_events` until they are done with; `resume` goes on with those of a former process. `sleep` lets an event
    wait for its next attempt, on the time of `clock`; `track` is told of the task of each event.
    """

    def __init__(  # noqa: PLR0913  # each is a seam of its own
        self,
        *,
        sandbox: Sandbox,
        clock: Clock,
        find: FindFunction | None = None,
        limits: Limits | None = None,
        reserved: Callable[[], int] = lambda: 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        accepted_events: Documents | None = None,
        deliver: Deliver = _deliver_nowhere,
        track: Callable[[asyncio.Task[None]], object] = _untracked,
    ) -> None:
        self._sandbox, self._clock = sandbox, clock
        self._find = find
        self._limits = limits or Limits()
        self._concurrency = Concurrency(limit=self._limits.concurrency, reserved=reserved)
        self._observers: list[RunObserver] = []
        self._configured: dict[str, Function] = {}
        self._pools: dict[tuple[str, str], FunctionPool] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._events = EventQueue(
            find=self._function,
            run=self._run_event,
            deliver=deliver,
            documents=InMemoryDocuments() if accepted_events is None else accepted_events,
            clock=clock,
            sleep=sleep,
            track=track,
        )

    def observe(self, observer: RunObserver) -> None:
        """Tell `observer` of every run from now on."""
        self._observers.append(observer)

    def configure(self, function: Function) -> None:
        """Make the function known, or change it."""
        self._configured[function.name] = function

    def remove(self, name: str) -> None:
        """Forget the function and end its processes."""
        self._configured.pop(name, None)
        for key in [key for key in self._pools if key[0] == name]:
            self._retire(key)

    async def invoke(
        self,
        function_name: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE,
        client_context: str | None = None,
    ) -> Invocation:
        """Run a function, by name or ARN. An error inside it is part of the answer.

        Raises: InvocationRefused where Lambda would not run it; OperatorError where its code cannot run here.
        """
        name, own_qualifier = name_and_qualifier(function_name)
        qualifier = qualifier or own_qualifier
        function = self._function(name, qualifier)
        payload = payload or b"{}"
        _check(payload, invocation_type)
        if invocation_type is InvocationType.DRY_RUN:
            return Invocation(b"", 204)
        headers = {"Lambda-Runtime-Client-Context": client_context} if client_context else {}
        request_id = str(uuid.uuid4())
        if invocation_type is InvocationType.EVENT:
            now = self._clock.now().timestamp()
            await self._events.accept(
                AcceptedEvent(
                    request_id=request_id,
                    function_name=name,
                    qualifier=qualifier,
                    payload=payload,
                    accepted_at=now,
                    due_at=now,
                    headers=headers,
                )
            )
            return Invocation(b"", 202)
        return await self._run(function, payload, request_id=request_id, qualifier=qualifier, headers=headers)

    async def resume(self) -> int:
        """Go on with the events that a former process had accepted; how many they are."""
        return await self._events.resume()

    async def settle(self) -> None:
        """Wait until every event is done with and every process that was given up has ended."""
        await self._events.settle()
        while self._closing:
            await asyncio.gather(*self._closing)

    async def close(self) -> None:
        """Put down the events that wait, and end every process."""
        await self._events.close()
        for key in list(self._pools):
            self._retire(key)
        await self.settle()

    async def _run(
        self,
        function: Function,
        payload: bytes,
        *,
        request_id: str,
        qualifier: str | None,
        headers: Mapping[str, str],
    ) -> Invocation:
        arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
        try:
            with self._concurrency.slot(function):
                pool = self._pool(function)
                environment = await pool.lease()
                started, concurrent = time.perf_counter(), self._concurrency.running(function)
                try:
                    invocation = await environment.run(payload, request_id=request_id, invoked_arn=arn, headers=headers)
                finally:
                    pool.give_back(environment)
        except TooManyRequests:
            self._tell(FunctionRun(function_name=function.name, is_throttled=True))
            raise
        self._tell(
            FunctionRun(
                function_name=function.name,
                has_failed=invocation.function_error is not None,
                duration_ms=(time.perf_counter() - started) * 1000,
                concurrent=concurrent,
            )
        )
        return invocation

    def _tell(self, run: FunctionRun) -> None:
        for observe in self._observers:
            observe(run)

    async def _run_event(self, function: Function, event: AcceptedEvent) -> Invocation:
        return await self._run(
            function, event.payload, request_id=event.request_id, qualifier=event.qualifier, headers=event.headers
        )

    def _function(self, name: str, qualifier: str | None) -> Function:
        function = self._configured.get(name)
        if function is None and self._find is not None:
            function = self._find(name, qualifier)
        if function is None:
            if qualifier is None:
                self.remove(name)
            raise FunctionNotFound(f"{name}:{qualifier}" if qualifier else name)
        return function

    def _pool(self, function: Function) -> FunctionPool:
        key = (function.name, function.version)
        pool = self._pools.get(key)
        if pool is not None and pool.function == function:
            return pool
        if pool is not None:
            self._retire(key)
        self._pools[key] = FunctionPool(function, sandbox=self._sandbox, clock=self._clock, limits=self._limits)
        return self._pools[key]

    def _retire(self, key: tuple[str, str]) -> None:
        pool = self._pools.pop(key)
        pool.retire()
        self._in_background(pool.closed())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _check(payload: bytes, invocation_type: InvocationType) -> None:
    limit = ASYNC_PAYLOAD_LIMIT_BYTES if invocation_type is InvocationType.EVENT else PAYLOAD_LIMIT_BYTES
    if len(payload) > limit:
        raise RequestTooLarge(size_bytes=len(payload), limit_bytes=limit)
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestContent(str(error)) from error
