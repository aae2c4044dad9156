"""The Runtime API on the wire, spoken by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from local.services.lambda_runtime import API, INIT_ERROR, NEXT, Event, Exited, InitFailed, Ready, Reply, RuntimeApi

T = TypeVar("T")
EVENT = Event("id-1", b'{"a":1}', "arn:fn", 1234, {"Lambda-Runtime-Trace-Id": "Root=1"})


@dataclass
class Runtime:
    """A runtime that is connected: says requests, hears answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def ask(self, method: str, path: str, body: bytes = b"") -> None:
        self.writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["Content-Length"]))
        return int(status.split(" ")[1]), headers, body


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[RuntimeApi, Runtime]]:
    api = RuntimeApi(response_limit_bytes=100)
    host, port = (await api.start()).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield api, Runtime(reader, writer)
    writer.close()
    await writer.wait_closed()
    api.close()


def run(scenario: Callable[[RuntimeApi, Runtime], Coroutine[Any, Any, T]]) -> T:
    async def inside() -> T:
        async with connected() as (api, runtime):
            return await asyncio.wait_for(scenario(api, runtime), timeout=10)

    return asyncio.run(inside())


def test_the_event_goes_to_the_runtime_that_waits_and_its_response_comes_back() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> tuple[object, Any, int, object]:
        runtime.ask("GET", NEXT)
        ready = await api.initialized
        reply = api.invoke(EVENT)
        event = await runtime.hear()
        runtime.ask("POST", f"{API}invocation/id-1/response", b"[2]")
        status, _, _ = await runtime.hear()
        return ready, event, status, await reply

    ready, (status, headers, body), accepted, reply = run(scenario)

    assert ready == Ready()
    assert (status, body) == (200, b'{"a":1}')
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "id-1"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "1234"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1"
    assert (accepted, reply) == (202, Reply(b"[2]", is_error=False))


def test_an_event_that_comes_before_the_runtime_asks_is_kept_for_it() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> bytes:
        api.invoke(EVENT)
        runtime.ask("GET", NEXT)
        return (await runtime.hear())[2]

    assert run(scenario) == EVENT.payload


def test_an_answer_in_many_small_pieces_is_put_together() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> object:
        reply = api.invoke(EVENT)
        message = f"POST {API}invocation/id-1/error HTTP/1.1\r\ncontent-length: 9\r\n\r\n".encode() + b'{"e":"x"}'
        for position in range(len(message)):
            runtime.writer.write(message[position : position + 1])
            await runtime.writer.drain()
        return await reply

    assert run(scenario) == Reply(b'{"e":"x"}', is_error=True)


def test_a_failed_import_is_told_apart_from_a_runtime_that_is_ready() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> object:
        runtime.ask("POST", INIT_ERROR, b'{"errorType":"Runtime.ImportModuleError"}')
        await runtime.hear()
        return await api.initialized

    assert run(scenario) == InitFailed(b'{"errorType":"Runtime.ImportModuleError"}')


def test_an_answer_to_an_invocation_that_is_over_is_refused() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> list[int]:
        statuses = []
        api.invoke(EVENT)
        for path in ("invocation/another/response", "invocation/id-1/response", "invocation/id-1/response", "nothing"):
            runtime.ask("POST", API + path, b"1")
            statuses.append((await runtime.hear())[0])
        return statuses

    assert run(scenario) == [404, 202, 404, 404]


def test_the_end_of_the_process_settles_whatever_waits_for_it() -> None:
    async def scenario(api: RuntimeApi, runtime: Runtime) -> list[object]:
        waiting = api.invoke(EVENT)
        api.process_exited(3)
        return [await api.initialized, await waiting, await api.invoke(EVENT)]

    assert run(scenario) == [Exited(3), Exited(3), Exited(3)]
