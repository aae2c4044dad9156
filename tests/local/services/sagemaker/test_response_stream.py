"""Streamed answers, read with botocore's own reader of event streams."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore.eventstream import EventStreamBuffer

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiResponse
from local.services.sagemaker_runtime_api import InvokeEndpointStreamApi

pytestmark = pytest.mark.anyio

CALL = ApiCall("sagemaker-runtime", "InvokeEndpointWithResponseStream", parameters={"EndpointName": "digits"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Service:
    """An endpoint that answers with what it was given."""

    def __init__(self, answer: ApiResponse) -> None:
        self.answer = answer
        self.headers: Mapping[str, str] = {}

    async def invoke(self, endpoint_name: str, headers: Mapping[str, str], body: bytes) -> ApiResponse:
        assert (endpoint_name, body) == ("digits", b"{}")
        self.headers = headers
        return self.answer


async def ask(service: Service, **headers: str) -> ApiResponse:
    request = ApiRequest("POST", "/endpoints/digits/invocations-response-stream", headers, b"{}")
    return await InvokeEndpointStreamApi(service)(CALL, request)


@pytest.mark.parametrize("body", [b'{"digit": 3}', b"", bytes(range(256)) * 5000])
async def test_an_answer_is_one_part_of_a_stream(body: bytes) -> None:
    headers = {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "main"}

    answer = await ask(Service(ApiResponse(200, headers, body)))

    buffer = EventStreamBuffer()
    buffer.add_data(answer.body)
    (event,) = buffer
    assert event.headers[":event-type"] == "PayloadPart"
    assert event.payload == body
    assert answer.headers == {
        "Content-Type": "application/vnd.amazon.eventstream",
        "X-Amzn-SageMaker-Content-Type": "application/json",
        "x-Amzn-Invoked-Production-Variant": "main",
    }


async def test_an_error_is_no_stream() -> None:
    error = ApiResponse(400, {"x-amzn-ErrorType": "ValidationError"}, b"{}")

    assert await ask(Service(error)) == error


async def test_the_accepted_type_has_a_header_of_its_own() -> None:
    service = Service(ApiResponse(200, {}, b""))

    await ask(service, **{"x-amzn-sagemaker-accept": "text/csv"})

    assert service.headers["accept"] == "text/csv"
