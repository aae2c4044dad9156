"""The application under granian's RSGI, which is what the image runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.rsgi import Scope

from container.serve.application import Application
from model_packages.errors import PayloadTooLarge

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol


class RsgiExchange:
    """One request under RSGI."""

    def __init__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        self.method, self.path = scope.method, scope.path
        self._headers, self._protocol = scope.headers, protocol

    def header(self, name: str) -> str | None:
        value: str | None = self._headers.get(name)
        return value

    async def body(self, *, limit_bytes: int) -> bytes:
        announced = self.header("content-length")
        if announced is not None:
            if int(announced) > limit_bytes:
                raise PayloadTooLarge(size_bytes=int(announced), limit_bytes=limit_bytes)
            return await self._protocol()
        return await self._chunks(limit_bytes)

    async def client_gone(self) -> None:
        await self._protocol.client_disconnect()

    async def _chunks(self, limit_bytes: int) -> bytes:
        content = bytearray()
        async for chunk in self._protocol:
            content += chunk
            if len(content) > limit_bytes:
                raise PayloadTooLarge(size_bytes=len(content), limit_bytes=limit_bytes)
        return bytes(content)


class RsgiApplication:
    """What granian calls."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        reply = await self._application.handle(RsgiExchange(scope, protocol))
        protocol.response_bytes(reply.status, reply.all_headers(), reply.body)
