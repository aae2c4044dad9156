"""SageMaker Runtime's InvokeEndpoint as an AWS API call; who serves the endpoint is injected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiResponse


class RuntimeAnswer(Protocol):
    """What an endpoint answers: the HTTP answer of InvokeEndpoint, AWS's errors included."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class RuntimeService(Protocol):
    """Serves endpoints."""

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> RuntimeAnswer:
        """Invoke an endpoint. `headers` are the request's, names in lower case."""
        ...


class InvokeEndpointApi:
    """Answers `sagemaker-runtime:InvokeEndpoint`; a handler for the cloud port."""

    def __init__(self, service: RuntimeService) -> None:
        self._service = service

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse:
        answer = await self._service.invoke(call.parameters["EndpointName"], request.headers, request.body)
        return ApiResponse(answer.status, answer.headers, answer.body)
