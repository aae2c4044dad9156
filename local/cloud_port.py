"""The one AWS API address of the local cloud: each call is identified, checked, and answered by whoever implements it.

In this order: a call that names no operation, or one that is not in the table, is refused by name; the guards may
refuse it; a handler of Flyball's own answers it, or else moto. Every refusal has the shape that the service itself
gives its errors. It listens on loopback, over plain HTTP; nothing is streamed, and a body may have 256 MB.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface
from typing import Self

from aiohttp import web

from local.api_calls import ApiCall, ApiRequest, Protocol, Unknown, identify, signature_scope
from local.api_errors import ApiRefusal, ApiResponse, refused
from local.api_table import API_TABLE, ServiceTable
from local.state.errors import StateNotWritten
from model_packages.errors import FlyballError

log = logging.getLogger(__name__)

BODY_LIMIT_BYTES = 256 * 1024 * 1024  # as large as what Lambda unpacks
NOT_IMPLEMENTED = "NotImplementedByLocalCloud"

Handler = Callable[[ApiCall, ApiRequest], Awaitable[ApiResponse | ApiRefusal]]
"""Answers one operation. It runs in the event loop."""

Backend = Callable[[ApiRequest], Awaitable[ApiResponse]]
"""Answers every operation that has no handler: moto."""


class Guard(Interface):
    """Decides whether a caller may make a call; asked in order, before anything happens."""

    def __call__(self, call: ApiCall, *, access_key: str | None, request: ApiRequest) -> ApiRefusal | None:
        """The refusal, or None to let the call pass. `access_key` is None where the call is not signed."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers calls: the table says which there are, `guards` who may, `handlers` what is Flyball's own."""

    backend: Backend
    handlers: Mapping[ApiCall, Handler]
    guards: Sequence[Guard] = ()
    table: Mapping[str, ServiceTable] = field(default_factory=lambda: API_TABLE)

    async def answer(self, request: ApiRequest) -> ApiResponse:
        """The answer to one request; whatever goes wrong is part of it."""
        call = identify(request)
        answer = await self._answer(call, request)
        if isinstance(answer, ApiRefusal):
            return refused(answer, call.protocol, request_id=str(uuid.uuid4()))
        return answer

    async def _answer(self, call: ApiCall | Unknown, request: ApiRequest) -> ApiResponse | ApiRefusal:
        refusal = self._check(call, request)
        if refusal is not None or isinstance(call, Unknown):
            return refusal or _not_implemented(call.service, call.operation)
        handler = self.handlers.get(call)
        try:
            return await (handler(call, request) if handler else self.backend(request))
        except NotImplementedError:
            return _not_implemented(call.service, call.operation)
        except StateNotWritten as error:  # not a status at which clients try again by themselves
            return ApiRefusal("InternalFailure", str(error), 507)
        except FlyballError as error:
            return ApiRefusal(type(error).__name__, str(error), 500)
        except Exception as error:
            log.exception("%s failed", call)
            return ApiRefusal("InternalFailure", f"{call} failed in the local cloud: {error!r}", 500)

    def _check(self, call: ApiCall | Unknown, request: ApiRequest) -> ApiRefusal | None:
        table = self.table.get(call.service)
        if isinstance(call, Unknown) or table is None or table.how(call.operation) is None:
            return _not_implemented(call.service, call.operation)
        if call.protocol == "smithy-rpc-v2-cbor" and call not in self.handlers:
            return _not_implemented(call.service, f"{call.operation} in the protocol smithy-rpc-v2-cbor")
        scope = signature_scope(request)
        access_key = scope.access_key if scope else None
        for guard in self.guards:
            refusal = guard(call, access_key=access_key, request=request)
            if refusal is not None:
                return refusal
        return None


def _not_implemented(service: str, operation: str) -> ApiRefusal:
    sentence = f"the local cloud does not implement {service}:{operation}; ARCHITECTURE.md lists what it does"
    return ApiRefusal(NOT_IMPLEMENTED, sentence, 501)


class CloudPort:
    """The HTTP server in front of `Answers`; `more` are routes of the cloud's own, which are no AWS API's."""

    def __init__(self, answers: Answers, *, more: Iterable[web.RouteDef] = ()) -> None:
        self._answers = answers
        application = web.Application(client_max_size=BODY_LIMIT_BYTES)
        application.router.add_routes(more)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, *, host: str = "127.0.0.1", port: int = 8444) -> str:
        """Listen, on a free port where `port` is 0; the address for AWS_ENDPOINT_URL."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, reuse_address=True).start()
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening; calls in progress get a moment to end."""
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _too_large(ApiRequest(request.method, request.raw_path, headers))
        answer = await self._answers.answer(ApiRequest(request.method, request.raw_path, headers, body))
        return _http(answer, method=request.method)


def _too_large(request: ApiRequest) -> web.Response:
    protocol: Protocol = identify(request).protocol
    refusal = ApiRefusal("RequestEntityTooLarge", f"a body may have {BODY_LIMIT_BYTES} bytes", 413)
    return _http(refused(refusal, protocol, request_id=str(uuid.uuid4())), method=request.method)


def _http(answer: ApiResponse, *, method: str) -> web.Response:
    dropped = {"transfer-encoding", "connection", "keep-alive"}
    if method != "HEAD":  # whose answer tells the length of the body that it leaves out
        dropped.add("content-length")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
    return web.Response(status=answer.status, headers=headers, body=answer.body)
