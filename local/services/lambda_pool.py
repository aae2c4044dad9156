"""The execution environments of one revision of a function: they are kept warm, reused, and in the end ended.

A pool grows with the calls that overlap, and hands out the environment that was used last. Unlike AWS it stops at as
many processes as this machine can bear: further calls wait for one. Throttling is in lambda_concurrency.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from local.clock import Clock
from local.services.lambda_environment import Code, ExecutionEnvironment, Sandbox
from local.services.lambda_function import Function


@dataclass(frozen=True, slots=True)
class Limits:
    """`processes`: at most so many a function. `concurrency`: invocations under way in the account, of which functions
    may reserve a part. `idle_seconds`: after this long without a call a process is ended.
    """

    processes: int = 8
    concurrency: int = 1000
    idle_seconds: float = 600.0


class FunctionPool:
    """The execution environments of one revision of a function."""

    def __init__(self, function: Function, *, sandbox: Sandbox, clock: Clock, limits: Limits) -> None:
        self.function = function
        self._sandbox, self._clock, self._limits = sandbox, clock, limits
        self._code: asyncio.Task[Code] | None = None
        self._idle: dict[ExecutionEnvironment, asyncio.TimerHandle] = {}
        self._size = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._retired = False
        self._closing: set[asyncio.Task[None]] = set()

    async def lease(self) -> ExecutionEnvironment:
        """The environment used last, or a new one, as soon as there is one to be had."""
        while (environment := self._take_idle()) is None and self._size >= self._limits.processes:
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(free)
            await free
        return environment or await self._new()

    def give_back(self, environment: ExecutionEnvironment) -> None:
        """Keep it for the next call, or end it if it is of no more use."""
        if environment.warm and not self._retired:
            timer = asyncio.get_running_loop().call_later(self._limits.idle_seconds, self._expire, environment)
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
                self._code = asyncio.ensure_future(asyncio.to_thread(_open, self.function))
            code = await asyncio.shield(self._code)
        except BaseException:
            self._code = None
            self._size -= 1
            self._wake()
            raise
        return ExecutionEnvironment(self.function, code=code, sandbox=self._sandbox, clock=self._clock)

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


def _open(function: Function) -> Code:
    return Code(function.open_code(), function.open_layers())
