"""What the gateway makes of SageMaker's answers, over real HTTP to a server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from functions.gateway.endpoint import SageMakerEndpoint, failure_of, make_client
from model_packages.errors import (
    ContractViolation,
    FieldProblem,
    InvalidRequest,
    ModelError,
    ModelThrottled,
    ModelTimedOut,
    ModelUnavailable,
    PredictionFailed,
)

Act = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Runtime:
    """A SageMaker runtime that does what the test says, call by call; the last act is repeated."""

    acts: list[Act] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, headers, body))
        self.acts[min(len(self.requests), len(self.acts)) - 1](request)


def answer(status: int, body: bytes, **headers: str) -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return act


def never_answer(runtime: Runtime) -> Act:
    def act(_request: BaseHTTPRequestHandler) -> None:
        runtime.released.wait()

    return act


def drop_the_connection(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    request.connection.close()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    runtime = Runtime()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            runtime.serve(self)

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the name is the standard library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield runtime
    runtime.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def endpoint(runtime: Runtime) -> Iterator[SageMakerEndpoint]:
    client = make_client(timeout_seconds=20)
    yield SageMakerEndpoint(client, endpoint_name="flyball-flowers")
    client.close()


def test_the_body_is_sent_as_it_is_with_its_id(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [
        answer(
            200,
            b"[1]",
            x_Amzn_Invoked_Production_Variant="main",
            X_Amzn_SageMaker_Custom_Attributes="a=b;model-version=7",
        )
    ]

    invocation = endpoint.invoke(b'{"petals":  3}', inference_id="0190-id")

    [(path, headers, body)] = runtime.requests
    assert path == "/endpoints/flyball-flowers/invocations"
    assert body == b'{"petals":  3}'
    assert headers["x-amzn-sagemaker-inference-id"] == "0190-id"
    assert (headers["content-type"], headers["accept"]) == ("application/json", "application/json")
    assert "x-amzn-sagemaker-custom-attributes" not in headers
    assert (invocation.content, invocation.version, invocation.variant) == (b"[1]", "7", "main")


def test_the_caller_s_word_goes_with_the_call(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [answer(200, b"{}")]

    endpoint.invoke(b"{}", inference_id="i", caller="0123456789abcdef")

    [(_, headers, _)] = runtime.requests
    assert headers["x-amzn-sagemaker-custom-attributes"] == "caller=0123456789abcdef"


def test_a_container_that_names_no_version_is_unversioned(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [answer(200, b"{}")]

    assert endpoint.invoke(b"{}", inference_id="i").version == "unversioned"


@pytest.mark.parametrize(
    ("container_status", "expected"),
    [
        (0, ModelTimedOut),
        (400, ContractViolation),
        (413, ContractViolation),
        (415, ContractViolation),
        (422, ContractViolation),
        (429, ModelThrottled),
        (500, PredictionFailed),
        (503, ModelUnavailable),
        (504, ModelTimedOut),
        (418, PredictionFailed),
    ],
)
def test_the_container_s_status_says_whose_failure_it_is(
    runtime: Runtime, endpoint: SageMakerEndpoint, container_status: int, expected: type[ModelError]
) -> None:
    content = {
        "OriginalStatusCode": container_status,
        "OriginalMessage": '{"error": "quotes the payload"}',
        "LogStreamArn": "arn:aws:logs:stream",
        "Message": "quotes the payload",
    }
    runtime.acts = [answer(424, json.dumps(content).encode(), x_amzn_ErrorType="ModelError")]

    with pytest.raises(ModelError) as raised:
        endpoint.invoke(b"{}", inference_id="i")

    assert type(raised.value) is expected
    assert str(raised.value) == f"the container answered {container_status}; its log: arn:aws:logs:stream"
    assert len(runtime.requests) == 1


UNREADABLE = FieldProblem("/instances/1/photo", "image_unreadable", "a broken PNG", "a PNG")
NO_JSON = FieldProblem("", "json_invalid", "NaN at line 1", "one JSON value in UTF-8")
WRONG_TYPE = FieldProblem("/photo", "type", "float", "int")


def refusal(status: int, message: str) -> Act:
    content = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": "arn:aws:logs:stream"}
    return answer(424, json.dumps(content).encode(), x_amzn_ErrorType="ModelError")


@pytest.mark.parametrize(("status", "problem"), [(422, UNREADABLE), (400, NO_JSON)])
def test_what_only_the_container_can_find_is_the_caller_s_mistake(
    runtime: Runtime, endpoint: SageMakerEndpoint, status: int, problem: FieldProblem
) -> None:
    runtime.acts = [refusal(status, json.dumps({"error": "...", "errors": [asdict(problem)]}))]

    with pytest.raises(InvalidRequest) as raised:
        endpoint.invoke(b"{}", inference_id="i")

    assert raised.value.problems == (problem,)


@pytest.mark.parametrize(
    "message",
    [
        json.dumps({"error": "...", "errors": [asdict(UNREADABLE), asdict(WRONG_TYPE)]}),
        json.dumps({"error": "...", "errors": [{"pointer": "/photo"}]}),
        json.dumps({"error": "...", "errors": []}),
        json.dumps({"error": "...", "errors": 3}),
        json.dumps(["errors"]),
        "torn {",
    ],
)
def test_whatever_else_the_container_refuses_is_the_model_s_failure(
    runtime: Runtime, endpoint: SageMakerEndpoint, message: str
) -> None:
    runtime.acts = [refusal(422, message)]

    with pytest.raises(ContractViolation):
        endpoint.invoke(b"{}", inference_id="i")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "ThrottlingException", ModelThrottled),
        (429, "ModelNotReadyException", ModelUnavailable),
        (503, "ServiceUnavailable", ModelUnavailable),
        (400, "ValidationError", ModelUnavailable),
        (403, "AccessDeniedException", ModelUnavailable),
        (500, "InternalFailure", ModelUnavailable),
        (530, "InternalDependencyException", ModelUnavailable),
    ],
)
def test_sagemaker_s_own_refusals_are_told_and_not_repeated(
    runtime: Runtime, endpoint: SageMakerEndpoint, status: int, code: str, expected: type[ModelError]
) -> None:
    runtime.acts = [answer(status, b'{"Message": "endpoint not found"}', x_amzn_ErrorType=code)]

    with pytest.raises(ModelError) as raised:
        endpoint.invoke(b"{}", inference_id="i")

    assert type(raised.value) is expected
    assert str(raised.value) == f"SageMaker refused the call: {code}"
    assert len(runtime.requests) == 1


def test_a_prediction_that_timed_out_is_not_repeated(runtime: Runtime) -> None:
    client = make_client(timeout_seconds=0.2)
    endpoint = SageMakerEndpoint(client, endpoint_name="flyball-flowers")
    runtime.acts = [never_answer(runtime)]

    with pytest.raises(ModelTimedOut):
        endpoint.invoke(b"{}", inference_id="i")

    assert len(runtime.requests) == 1
    client.close()


def test_a_dead_connection_is_replaced_once(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [drop_the_connection, answer(200, b"{}")]

    assert endpoint.invoke(b"{}", inference_id="i").content == b"{}"
    assert len(runtime.requests) == 2


def test_a_connection_that_dies_twice_is_not_tried_again(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [drop_the_connection]

    with pytest.raises(ModelUnavailable, match="ConnectionClosedError"):
        endpoint.invoke(b"{}", inference_id="i")

    assert len(runtime.requests) == 2


def test_a_connection_that_dies_late_may_have_computed_and_is_not_replaced(runtime: Runtime) -> None:
    client = make_client(timeout_seconds=20)
    clock = iter([0.0, 1.5])
    endpoint = SageMakerEndpoint(client, endpoint_name="flyball-flowers", clock_seconds=lambda: next(clock))
    runtime.acts = [drop_the_connection]

    with pytest.raises(ModelUnavailable):
        endpoint.invoke(b"{}", inference_id="i")

    assert len(runtime.requests) == 1
    client.close()


def test_a_rehearsal_asks_nobody_and_leaves_no_trace(runtime: Runtime, endpoint: SageMakerEndpoint) -> None:
    runtime.acts = [answer(200, b"[1]")]

    endpoint.rehearse()

    assert runtime.requests == []
    assert endpoint.invoke(b"{}", inference_id="i").content == b"[1]"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ReadTimeoutError(endpoint_url="http://x"), ModelTimedOut),
        (ConnectTimeoutError(endpoint_url="http://x"), ModelUnavailable),
        (EndpointConnectionError(endpoint_url="http://x"), ModelUnavailable),
        (ConnectionClosedError(endpoint_url="http://x"), ModelUnavailable),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), ModelUnavailable),
        (ClientError({"Error": {"Code": "ModelError"}}, "InvokeEndpoint"), ModelTimedOut),
        (ClientError({"Error": {}}, "InvokeEndpoint"), ModelUnavailable),
    ],
)
def test_every_failure_of_the_transport_is_the_model_s(error: Any, expected: type[ModelError]) -> None:
    assert type(failure_of(error)) is expected
