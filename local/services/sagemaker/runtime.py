"""InvokeEndpoint: passes a request to a variant's model server and words the answer as SageMaker's runtime does.

Not done: inference components, multi-model targets, explanations, asynchronous invocations.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import aiohttp

from local.api_errors import ApiResponse
from local.services.sagemaker.fleet import Server, Traffic
from local.services.sagemaker.plan import CapturePlan

LARGEST_BODY_BYTES: Final = 6_291_456
LARGEST_PIECE_BYTES: Final = 1024 * 1024
INVOCATION_SECONDS: Final = 60.0
HEADER_LIMITS: Final[Mapping[str, int]] = {
    "x-amzn-sagemaker-custom-attributes": 1024,
    "x-amzn-sagemaker-inference-id": 64,
    "x-amzn-sagemaker-session-id": 256,
}
FORWARDED: Final = (
    "Content-Type",
    "Accept",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Inference-Id",
    "X-Amzn-SageMaker-Session-Id",
    "X-Amzn-SageMaker-Target-Variant",
)
AIOHTTP_HEADERS: Final = ("Accept", "Accept-Encoding", "User-Agent")
"""What the HTTP client would add; a container shall see only what SageMaker passes on."""

REFUSED_HEADERS: Final = (
    "x-amzn-sagemaker-target-model",
    "x-amzn-sagemaker-target-container-hostname",
    "x-amzn-sagemaker-enable-explanations",
    "x-amzn-sagemaker-inference-component",
    "x-amzn-sagemaker-prefix-aware-id",
)
PRINTABLE = re.compile(r"[\x20-\x7e\t]*")


class Clock(Protocol):
    """The time that invocations are stamped with."""

    def now(self) -> datetime: ...


class EndpointTraffic(Protocol):
    """Where endpoints are looked up."""

    def traffic(self, endpoint: str) -> Traffic | None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """The one server that an invocation goes to."""

    config_name: str
    variant: str
    server: Server
    capture: CapturePlan | None = None
    role_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was asked, of whom, and when. Header names are in lower case."""

    endpoint: str
    target: Target
    headers: Mapping[str, str]
    body: bytes
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationRecord:
    """One invocation and its outcome, for metrics and data capture.

    `model_status` is the container's, None where it gave none. Latencies are microseconds: the container's, and what
    this process added.
    """

    invocation: Invocation
    response: ApiResponse
    model_status: int | None
    model_latency_us: int
    overhead_latency_us: int


@dataclass(frozen=True, slots=True)
class ContainerAnswer:
    """What the container said, or that it said nothing in time (`status` None)."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    reason: str = ""


Observer = Callable[[InvocationRecord], None]
"""Told of an invocation before its caller hears of it, so it has to be quick."""


@dataclass(frozen=True, slots=True)
class Region:
    """Whose endpoints these are."""

    account_id: str
    name: str


class RuntimeService:
    """Answers InvokeEndpoint for every endpoint of one account and region."""

    def __init__(
        self,
        *,
        endpoints: EndpointTraffic,
        session: aiohttp.ClientSession,
        clock: Clock,
        region: Region,
        limit_seconds: float = INVOCATION_SECONDS,
    ) -> None:
        self._endpoints, self._session, self._clock = endpoints, session, clock
        self._region, self._observers = region, list[Observer]()
        self._timeout = aiohttp.ClientTimeout(total=limit_seconds)

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every invocation from now on."""
        self._observers.append(observer)

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> ApiResponse:
        """The response to one InvokeEndpoint call; errors are responses too."""
        started = time.perf_counter()
        named = {name.lower(): value for name, value in headers.items()}
        target = request_problem(named, body) or self._target(endpoint_name, named)
        if isinstance(target, ApiResponse):
            return target
        invocation = Invocation(endpoint_name, target, named, body, self._clock.now())
        asked = time.perf_counter()
        answer = await self._ask(invocation)
        answered = time.perf_counter()
        response = self._response(invocation, answer)
        model_seconds = answered - asked
        overhead_seconds = time.perf_counter() - started - model_seconds
        record = InvocationRecord(
            invocation=invocation,
            response=response,
            model_status=None if answer is None else answer.status,
            model_latency_us=round(model_seconds * 1e6),
            overhead_latency_us=round(overhead_seconds * 1e6),
        )
        for observe in self._observers:
            observe(record)
        return response

    def _target(self, endpoint: str, headers: Mapping[str, str]) -> Target | ApiResponse:
        traffic = self._endpoints.traffic(endpoint)
        if traffic is None:
            return error("ValidationError", f"Endpoint {endpoint} of account {self._region.account_id} not found.")
        fleet = traffic.pick()
        variant = headers.get("x-amzn-sagemaker-target-variant") or fleet.pick()
        server = fleet.servers.get(variant)
        if server is None:
            return error("ValidationError", f"Variant {variant} not found for endpoint {endpoint}.")
        return Target(fleet.config_name, variant, server, fleet.plan.capture, fleet.plan.role_of(variant))

    async def _ask(self, invocation: Invocation) -> ContainerAnswer | None:
        """The container's answer; None where no container is in service."""
        server = invocation.target.server
        with server.in_flight.one():
            try:
                return await self._post(server, invocation)
            except aiohttp.ServerDisconnectedError:
                # A kept-alive connection may be closed just as it is used again: that says nothing of the container.
                return await self._post_again(server, invocation)

    async def _post_again(self, server: Server, invocation: Invocation) -> ContainerAnswer | None:
        try:
            return await self._post(server, invocation)
        except aiohttp.ServerDisconnectedError:
            return ContainerAnswer(None, {}, b"", "The container closed the connection before it had answered.")

    async def _post(self, server: Server, invocation: Invocation) -> ContainerAnswer | None:
        if server.url is None:
            return None
        try:
            return await self._exchange(server.url, invocation)
        except TimeoutError:
            return ContainerAnswer(None, {}, b"", TIMED_OUT)
        except aiohttp.ServerDisconnectedError:
            raise
        except aiohttp.ClientConnectorError:
            return None
        except aiohttp.ClientError as problem:
            return ContainerAnswer(None, {}, b"", f"The container gave no HTTP answer: {problem}")

    async def _exchange(self, url: str, invocation: Invocation) -> ContainerAnswer:
        given = invocation.headers
        headers = {name: given[name.lower()] for name in FORWARDED if name.lower() in given}
        headers.setdefault("Content-Type", "application/json")
        # Beyond a megabyte aiohttp wants a file: it writes a bytes object in one piece and blocks the loop meanwhile.
        body = io.BytesIO(invocation.body) if len(invocation.body) > LARGEST_PIECE_BYTES else invocation.body
        async with self._session.post(
            url,
            data=body,
            headers=headers,
            skip_auto_headers=AIOHTTP_HEADERS,
            timeout=self._timeout,
            allow_redirects=False,
        ) as response:
            content = await response.read()
            return ContainerAnswer(response.status, {k.lower(): v for k, v in response.headers.items()}, content)

    def _response(self, invocation: Invocation, answer: ContainerAnswer | None) -> ApiResponse:
        if answer is None:
            return error("ServiceUnavailable", "The service is unavailable. Try your call again.", status=503)
        if answer.status is None or not 200 <= answer.status < 300:
            return self._model_error(invocation.endpoint, answer)
        headers = {
            "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": invocation.target.variant,
        }
        for name in ("X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-New-Session-Id"):
            if (value := answer.headers.get(name.lower())) is not None:
                headers[name] = value
        return ApiResponse(200, headers, answer.body)

    def _model_error(self, endpoint: str, answer: ContainerAnswer) -> ApiResponse:
        """SageMaker's wording of an answer that is no success, and of none at all (status 0)."""
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        status = answer.status or 0
        side = "client" if 400 <= status < 500 else "server"
        original = answer.body.decode("utf-8", "replace") if answer.status is not None else answer.reason
        region, account = self._region.name, self._region.account_id
        console = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
        )
        message = (
            f'Received {side} error ({status}) from primary with message "{original}". '
            f"See {console} in account {account} for more information."
        )
        return error(
            "ModelError",
            message,
            status=424,
            ErrorCode="CLIENT_ERROR_FROM_MODEL" if side == "client" else "INTERNAL_FAILURE_FROM_MODEL",
            OriginalStatusCode=status,
            OriginalMessage=original,
            LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
        )


TIMED_OUT: Final = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


def request_problem(headers: Mapping[str, str], body: bytes) -> ApiResponse | None:
    """What the runtime refuses before any container sees it. Header names are in lower case."""
    if len(body) > LARGEST_BODY_BYTES:
        found = f"1 validation error detected: Value at 'body' failed to satisfy constraint: {len(body)} bytes; "
        return error("ValidationError", f"{found}Member must have length less than or equal to {LARGEST_BODY_BYTES}")
    for name in REFUSED_HEADERS:
        if name in headers:
            return error("ValidationError", f"the local cloud does not implement the header {name}")
    for name, limit in HEADER_LIMITS.items():
        value = headers.get(name, "")
        if len(value) > limit or not PRINTABLE.fullmatch(value):
            constraint = f"Member must be ASCII and have length less than or equal to {limit}"
            return error("ValidationError", f"Value at '{name}' failed to satisfy constraint: {constraint}")
    return None


def error(code: str, message: str, *, status: int = 400, **members: object) -> ApiResponse:
    """An error in the protocol of the runtime's API (rest-json)."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return ApiResponse(status, headers, json.dumps({"Message": message, **members}).encode())
