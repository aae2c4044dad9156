"""HTTPS in front of the gateway: `https://localhost:PORT/<stage>/<path>`, keep-alive, HTTP/1.1."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from local.services.apigateway import gateway_responses as errors
from local.services.apigateway.gateway import LARGEST_REQUEST_BYTES, Gateway
from local.services.apigateway.gateway_responses import Response
from local.services.apigateway.request import Request

log = logging.getLogger(__name__)

SECONDS_TO_FINISH = 5.0


@dataclass(frozen=True, slots=True)
class GatewayServer:
    """A listening gateway; `port` is the one that it got."""

    port: int
    runner: web.ServerRunner

    async def close(self) -> None:
        """Listen no more; requests under way get a few seconds to finish."""
        await self.runner.cleanup()


async def serve(gateway: Gateway, *, host: str, port: int, tls: ssl.SSLContext | None) -> GatewayServer:
    """Start to listen; `port` 0 takes any free one, `tls` None is for tests that need no encryption."""

    async def handle(incoming: web.BaseRequest) -> web.Response:
        return outgoing(await answer(gateway, incoming))

    # API Gateway passes a compressed body on as it is.
    server = FrontDoor(handle, request_factory=request_factory, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=SECONDS_TO_FINISH)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    return GatewayServer(port=runner.addresses[0][1], runner=runner)


class FrontDoor(web.Server):
    """aiohttp's server, for which every error is a text or a page of HTML; here it is JSON as AWS has it."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(RequestHandler):
    """One client's connection."""

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """What is no HTTP ends here, and so does whatever the gateway did not expect."""
        if status >= 500 and not isinstance(exc, ConnectionError):  # else the client went away
            log.error("a request failed", exc_info=exc)
        title = "Internal server error" if status >= 500 else "Bad Request"
        response = web.json_response({"message": title}, status=status)
        response.force_close()
        return response


def request_factory(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """aiohttp's own, with API Gateway's limit on the body."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_REQUEST_BYTES)


async def answer(gateway: Gateway, incoming: web.BaseRequest) -> Response:
    """Read the whole request and have it answered."""
    if incoming.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await incoming.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        body = await incoming.read()
    except web.RequestPayloadError as error:
        return gateway.refuse(read_head(gateway, incoming, b""), errors.unreadable(str(error)))
    except web.HTTPRequestEntityTooLarge:
        return gateway.refuse(read_head(gateway, incoming, b""), errors.TOO_LARGE)
    return await gateway.answer(read_head(gateway, incoming, body))


def read_head(gateway: Gateway, incoming: web.BaseRequest, body: bytes) -> Request:
    """The request in the gateway's terms; the stage is the first part of the path."""
    path, _, query = text_of(incoming.raw_path.encode("utf-8", "surrogateescape")).partition("?")
    _, stage, *rest = path.split("/", 2) if path.startswith("/") else ("", "")  # "*", or an address for a proxy
    return Request(
        method=incoming.method,
        stage=stage,
        path="/" + "".join(rest),
        query=query,
        headers=tuple((text_of(name), text_of(value)) for name, value in incoming.raw_headers),
        body=body,
        source_ip=incoming.remote or "",
        protocol=f"HTTP/{incoming.version.major}.{incoming.version.minor}",
        received_at=gateway.now(),
    )


def text_of(wire: bytes) -> str:
    """UTF-8 where it is that, else Latin-1, as HTTP says; never with surrogates, which no event could carry."""
    try:
        return wire.decode()
    except UnicodeDecodeError:
        return wire.decode("latin-1")


def outgoing(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=CIMultiDict(response.headers), body=response.body)
