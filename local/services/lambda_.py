"""AWS Lambda: runs functions in processes of their own, one invocation a process at a time, as AWS does.

A function's pool grows with the calls that overlap, and hands out the process that was used last. Unlike AWS it stops
at as many processes as this machine can bear: further calls wait for one, up to the concurrency that AWS would allow.
A function whose code or configuration has changed gets a new pool; the old processes finish what they do. Not done:
layers, container images, extensions, SnapStart, destinations, memory limits.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from local.clock import Clock
from local.services.lambda_environment import ExecutionEnvironment, Sandbox
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

FindFunction = Callable[[str, str | None], Function | None]
"""Finds a function by name and qualifier; asked at each invocation, so it has to be quick."""

RETRY_DELAYS_SECONDS = (60.0, 120.0)
"""How long Lambda waits before it runs a failed event again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`processes`: at most so many a function. `concurrency`: calls under way or waiting, for a function that reserves
    none; AWS gives an account 1,000. `idle_seconds`: after this long without a call a process is ended.
    """

    processes: int = 8
    concurrency: int = 1000
    idle_seconds: float = 600.0


class FunctionPool:
    """The execution environments of one revision of a function."""

    def __init__(self, function: Function, *, sandbox: Sandbox, clock: Clock, limits: Limits) -> None:
        self.function = function
        self._sandbox, self._clock = sandbox, clock
        reserved = function.reserved_concurrency
        self._concurrency = limits.concurrency if reserved is None else reserved
        self._processes = min(self._concurrency, limits.processes)
        self._idle_seconds = limits.idle_seconds
        self._code: asyncio.Task[Path] | None = None
        self._idle: dict[ExecutionEnvironment, asyncio.TimerHandle] = {}
        self._size = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._retired = False
        self._closing: set[asyncio.Task[None]] = set()

    async def lease(self, *, queue: bool) -> ExecutionEnvironment:
        """The environment used last, or a new one, when there is one to be had.

        Raises TooManyRequests over the function's concurrency, unless the call is an event that may `queue`.
        """
        under_way = self._size - len(self._idle) + len(self._queue)
        if self._concurrency == 0 or (under_way >= self._concurrency and not queue):
            raise TooManyRequests
        while (environment := self._take_idle()) is None and self._size >= self._processes:
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(free)
            await free
        return environment or await self._new()

    def give_back(self, environment: ExecutionEnvironment) -> None:
        """Keep it for the next call, or end it if it is of no more use."""
        if environment.warm and not self._retired:
            timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire, environment)
            self._idle[environment] = timer
        else:
            self._drop(environment)
        self._wake()

    def retire(self) -> None:
        """End the idle environments now and the busy ones when they are given back."""
        self._retired = True
        for environment in list(self._idle):
            self._expire(environment)

    async def closed(self) -> None:
        """Wait until every environment that was dropped has ended."""
        await asyncio.gather(*self._closing)

    def _take_idle(self) -> ExecutionEnvironment | None:
        while self._idle:
            environment, timer = self._idle.popitem()
            timer.cancel()
            if environment.warm:
                return environment
            self._drop(environment)
        return None

    async def _new(self) -> ExecutionEnvironment:
        self._size += 1
        try:
            if self._code is None:
                self._code = asyncio.ensure_future(asyncio.to_thread(self.function.open_code))
            code = await asyncio.shield(self._code)
        except BaseException:
            self._code = None
            self._size -= 1
            self._wake()
            raise
        return ExecutionEnvironment(self.function, code=code, sandbox=self._sandbox, started_at=self._clock.now())

    def _expire(self, environment: ExecutionEnvironment) -> None:
        self._idle.pop(environment).cancel()
        self._drop(environment)

    def _drop(self, environment: ExecutionEnvironment) -> None:
        self._size -= 1
        closing = asyncio.ensure_future(environment.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _wake(self) -> None:
        while self._queue:
            free = self._queue.popleft()
            if not free.done():
                free.set_result(None)
                return


class LambdaService:
    """Invokes functions. They are learnt from `find`, or told one by one with `configure`."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        clock: Clock,
        find: FindFunction | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sandbox, self._clock, self._sleep = sandbox, clock, sleep
        self._find = find
        self._limits = limits or Limits()
        self._configured: dict[str, Function] = {}
        self._pools: dict[tuple[str, str], FunctionPool] = {}
        self._background: set[asyncio.Task[None]] = set()

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
        function = self._function(function_name, qualifier)
        payload = payload or b"{}"
        _check(payload, invocation_type)
        if invocation_type is InvocationType.DRY_RUN:
            return Invocation(b"", 204)
        headers = {"Lambda-Runtime-Client-Context": client_context} if client_context else {}
        if invocation_type is InvocationType.EVENT:
            self._in_background(self._run_event(function, payload, headers))
            return Invocation(b"", 202)
        return await self._run(function, payload, request_id=str(uuid.uuid4()), headers=headers)

    async def settle(self) -> None:
        """Wait until every event that was accepted has been run."""
        while self._background:
            await asyncio.gather(*self._background)

    async def close(self) -> None:
        """Give up events that wait, and end every process."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for key in list(self._pools):
            self._retire(key)
        await self.settle()

    async def _run(
        self,
        function: Function,
        payload: bytes,
        *,
        request_id: str,
        headers: Mapping[str, str],
        queue: bool = False,
    ) -> Invocation:
        pool = self._pool(function)
        environment = await pool.lease(queue=queue)
        try:
            return await environment.run(payload, request_id=request_id, headers=headers)
        finally:
            pool.give_back(environment)

    async def _run_event(self, function: Function, payload: bytes, headers: Mapping[str, str]) -> None:
        request_id = str(uuid.uuid4())
        delays = [0.0, *RETRY_DELAYS_SECONDS[: function.maximum_retry_attempts]]
        for delay in delays:
            if delay:
                await self._sleep(delay)
            invocation = await self._run(function, payload, request_id=request_id, headers=headers, queue=True)
            if invocation.function_error is None:
                return

    def _function(self, identifier: str, qualifier: str | None) -> Function:
        name, own_qualifier = name_and_qualifier(identifier)
        function = self._configured.get(name)
        if function is None and self._find is not None:
            function = self._find(name, qualifier or own_qualifier)
        if function is None:
            self.remove(name)
            raise FunctionNotFound(identifier)
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
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _check(payload: bytes, invocation_type: InvocationType) -> None:
    limit = ASYNC_PAYLOAD_LIMIT_BYTES if invocation_type is InvocationType.EVENT else PAYLOAD_LIMIT_BYTES
    if len(payload) > limit:
        raise RequestTooLarge(size_bytes=len(payload), limit_bytes=limit)
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestContent(str(error)) from error
