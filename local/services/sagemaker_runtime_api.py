"""SageMaker Runtime's calls as AWS API calls; who serves the endpoint is injected.

A streamed answer has one part: the container's whole answer, as soon as it is there.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from typing import Final, Protocol

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiResponse

STREAM_TYPE: Final = "application/vnd.amazon.eventstream"
STREAMED_HEADERS: Final = {"Content-Type": "X-Amzn-SageMaker-Content-Type"}
"""Under which names a streamed answer has headers of the plain one."""

STRING_HEADER: Final = 7


class RuntimeService(Protocol):
    """Serves endpoints."""

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> ApiResponse:
        """Invoke an endpoint. `headers` are the request's, names in lower case."""
        ...


class InvokeEndpointApi:
    """Answers `sagemaker-runtime:InvokeEndpoint`; a handler for the cloud port."""

    def __init__(self, service: RuntimeService) -> None:
        self._service = service

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse:
        return await self._service.invoke(call.parameters["EndpointName"], request.headers, request.body)


class InvokeEndpointStreamApi:
    """Answers `sagemaker-runtime:InvokeEndpointWithResponseStream`; an error is no stream, as on AWS."""

    def __init__(self, service: RuntimeService) -> None:
        self._service = service

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse:
        accepted = request.headers.get("x-amzn-sagemaker-accept")
        asked = {**request.headers, **({"accept": accepted} if accepted else {})}
        answer = await self._service.invoke(call.parameters["EndpointName"], asked, request.body)
        if answer.status != 200:
            return answer
        headers = {STREAMED_HEADERS.get(name, name): value for name, value in answer.headers.items()}
        return ApiResponse(200, {**headers, "Content-Type": STREAM_TYPE}, payload_part(answer.body))


def payload_part(payload: bytes) -> bytes:
    """One PayloadPart event in the framing of AWS's event streams: lengths, headers, payload, each with its CRC-32."""
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (":message-type", "event"),
            (":event-type", "PayloadPart"),
            (":content-type", "application/octet-stream"),
        )
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", STRING_HEADER, len(encoded)) + encoded
