"""The same application under ASGI: for tests with httpx, and for whoever has to run it under uvicorn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from container.serve.application import Application
from model_packages.errors import PayloadTooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiExchange:
    """One request under ASGI."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._receive = receive

    def header(self, name: str) -> str | None:
        return self._headers.get(name)

    async def body(self, *, limit_bytes: int) -> bytes:
        announced = self.header("content-length")
        if announced is not None and int(announced) > limit_bytes:
            raise PayloadTooLarge(size_bytes=int(announced), limit_bytes=limit_bytes)
        content = bytearray()
        more = True
        while more:
            message = await self._receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > limit_bytes:
                raise PayloadTooLarge(size_bytes=len(content), limit_bytes=limit_bytes)
        return bytes(content)

    async def client_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue


class AsgiApplication:
    """What an ASGI server calls. `make` runs on the server's event loop, which the application belongs to."""

    def __init__(self, make: Callable[[], Application]) -> None:
        self._make = make
        self._application: Application | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if self._application is None:
            self._application = self._make()
        if scope["type"] == "lifespan":
            await _live(self._application, receive, send)
        elif scope["type"] == "http":
            await self._answer(self._application, AsgiExchange(scope, receive), send)

    async def _answer(self, application: Application, exchange: AsgiExchange, send: Send) -> None:
        reply = await application.handle(exchange)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.all_headers()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


async def _live(application: Application, receive: Receive, send: Send) -> None:
    await receive()
    await application.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await application.drain()
    await send({"type": "lifespan.shutdown.complete"})
