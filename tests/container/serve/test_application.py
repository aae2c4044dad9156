"""The three routes as a caller sees them, through the application's ASGI twin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from container.serve.application import Application, State
from container.serve.asgi import AsgiApplication
from container.serve.exchange import Reply
from container.serve.metrics import ServerMetrics
from container.serve.model_thread import ModelNotLoaded, Servable
from container.tensors import Row
from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES, PackageConfig
from model_packages.errors import FieldProblem, InvalidRequest
from tests.container.serve.doubles import DoublingModel

pytestmark = pytest.mark.anyio

CONFIG = PackageConfig.model_validate(
    {
        "description": "doubles",
        "task": "regression",
        "gate": {"metric": "r_squared", "minimum": 0.5},
        "endpoint": {"maximum_rows": 3},
        "batching": {"queue_rows": 2},
    }
)


class Unserialisable(DoublingModel):
    def forward(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [{"y": object()} for _ in rows]


class TornImages(DoublingModel):
    """Takes every text for an image that it cannot decode."""

    def row(self, request: Mapping[str, Any]) -> Row:
        if isinstance(request["x"], str):
            raise InvalidRequest([FieldProblem("/x", "image_unreadable", found="a torn PNG", allowed="a PNG")])
        return super().row(request)


class NumpyAnswers(DoublingModel):
    def forward(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [{"y": np.float32(0.5), "z": np.arange(2)} for _ in rows]


def make(load: Callable[[], Servable], *, watch_after_seconds: float = 60.0) -> Application:
    return Application(
        load,
        config=CONFIG,
        metrics=ServerMetrics(package="doubles", model_version="7", schema_hash="abc"),
        model_version="7",
        watch_after_seconds=watch_after_seconds,
    )


def client_of(application: Application) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(AsgiApplication(lambda: application))
    return httpx.AsyncClient(transport=transport, base_url="http://model")


@asynccontextmanager
async def serving(model: DoublingModel | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, Application]]:
    found = model or DoublingModel()
    application = make(lambda: found)
    await application.start()
    async with client_of(application) as client:
        yield client, application
    found.let_pass()
    await application.drain()


async def invoke(client: httpx.AsyncClient, content: Any, **headers: str) -> httpx.Response:
    return await client.post("/invocations", json=content, headers=headers)


async def test_one_request_is_answered_as_a_batch_of_one() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"x": 1.5})

    assert answer.status_code == 200
    assert answer.json() == {"predictions": [{"y": 3.0}]}


async def test_instances_are_answered_in_their_order() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"instances": [{"x": 1}, {"x": 2}, {"x": 3}]})

    assert answer.json() == {"predictions": [{"y": 2}, {"y": 4}, {"y": 6}]}


async def test_an_answer_names_the_model_version_where_sagemaker_passes_it_on() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"x": 1})

    assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "model-version=7"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ping", 200), ("GET", "/metrics", 200), ("GET", "/nowhere", 404), ("POST", "/ping", 405)],
)
async def test_every_reply_has_a_content_length(method: str, path: str, status: int) -> None:
    async with serving() as (client, _):
        answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("content", "status", "complaint"),
    [
        (b"{", 400, "no JSON"),
        (b"NaN", 400, "no JSON"),
        (b"[1]", 422, "the body is a list"),
        (b'{"instances": {}}', 422, "list of at least one"),
        (b'{"instances": []}', 422, "list of at least one"),
        (b'{"instances": [{"x": 1}], "x": 1}', 422, "only key"),
        (b'{"instances": [{"x": 1}, 2]}', 422, "the request is a int"),
        (b'{"instances": [{"x": 1}, {"x": "1"}]}', 422, "x: found no number, allowed: a number"),
        (b'{"instances": [{}, {}, {}, {}]}', 413, "4 rows; allowed: 3"),
        (b" " * (SAGEMAKER_PAYLOAD_LIMIT_BYTES + 1), 413, "accepts at most 6291456"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_reason(content: bytes, status: int, complaint: str) -> None:
    async with serving() as (client, _):
        answer = await client.post("/invocations", content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert complaint in answer.json()["error"]


async def test_a_bad_row_is_named_by_its_index() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"instances": [{"x": 1}, {"x": "1"}]})

    assert answer.json()["row"] == 1


@pytest.mark.parametrize(
    ("content", "status", "pointer", "code"),
    [
        (b'{"x": NaN, "x": 1}', 400, "", "json_invalid"),
        (b'{"x": "torn"}', 422, "/x", "image_unreadable"),
        (b'{"instances": [{"x": 1}, {"x": "torn"}]}', 422, "/instances/1/x", "image_unreadable"),
    ],
)
async def test_a_mistake_that_the_edge_cannot_see_is_told_as_the_edge_tells_it(
    content: bytes, status: int, pointer: str, code: str
) -> None:
    async with serving(TornImages()) as (client, _):
        answer = await client.post("/invocations", content=content, headers={"Content-Type": "application/json"})

    [problem] = answer.json()["errors"]
    assert (answer.status_code, problem["pointer"], problem["code"]) == (status, pointer, code)
    assert set(problem) == {"pointer", "code", "found", "allowed"}


async def test_a_mistake_that_the_edge_should_have_seen_is_not_told_to_the_caller() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"x": "1"})

    assert "errors" not in answer.json()


@pytest.mark.parametrize("content_type", ["text/csv", "application/x-npy", ""])
async def test_another_content_type_is_refused(content_type: str) -> None:
    async with serving() as (client, _):
        answer = await client.post("/invocations", content=b'{"x": 1}', headers={"Content-Type": content_type})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]


async def test_a_content_type_may_name_its_charset() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"x": 1}, **{"Content-Type": "Application/JSON; charset=utf-8"})

    assert answer.status_code == 200


async def test_a_body_without_an_announced_length_is_bound_too() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b" " * 1_000_000

    async with serving() as (client, _):
        answer = await client.post("/invocations", content=chunks(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413


async def test_a_prediction_that_raises_is_a_500_that_names_the_row() -> None:
    async with serving() as (client, _):
        answer = await invoke(client, {"instances": [{"x": 1}, {"x": -1}]})

    assert answer.status_code == 500
    assert answer.json() == {"error": "the prediction failed: ValueError: a negative x in [-1]", "row": 1}


async def test_a_request_beside_a_failing_one_is_answered() -> None:
    model = DoublingModel(is_open=False)

    async with serving(model) as (client, _):
        first = asyncio.ensure_future(invoke(client, {"x": 1}))
        await asyncio.to_thread(model.entered.acquire)
        bad, good = asyncio.ensure_future(invoke(client, {"x": -1})), asyncio.ensure_future(invoke(client, {"x": 3}))
        await _until_waiting(client, rows=2)
        model.let_pass()
        statuses = [answer.status_code for answer in await asyncio.gather(first, bad, good)]

    assert statuses == [200, 500, 200]
    assert model.batches[1] == [-1, 3]


async def test_a_full_queue_answers_429_with_retry_after() -> None:
    model = DoublingModel(is_open=False)

    async with serving(model) as (client, _):
        first = asyncio.ensure_future(invoke(client, {"x": 1}))
        await asyncio.to_thread(model.entered.acquire)
        second = asyncio.ensure_future(invoke(client, {"instances": [{"x": 2}, {"x": 3}]}))
        await _until_waiting(client, rows=2)
        refused = await invoke(client, {"x": 4})
        ping = await client.get("/ping")
        model.let_pass()
        answers = await asyncio.gather(first, second)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert ping.status_code == 200
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_while_the_model_loads_ping_and_invocations_answer_503() -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def load() -> Servable:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return DoublingModel()

    application = make(load)
    starting = asyncio.ensure_future(application.start())
    async with client_of(application) as client:
        loading = await client.get("/ping"), await invoke(client, {"x": 1})
        gate.set()
        await starting
        ready = await client.get("/ping")
    await application.drain()

    assert [answer.status_code for answer in loading] == [503, 503]
    assert loading[0].json() == {"status": "loading"}
    assert loading[1].headers["Retry-After"] == "5"
    assert ready.status_code == 200


async def test_a_model_that_does_not_load_fails_the_start_and_leaves_ping_at_503() -> None:
    def load() -> Servable:
        raise FileNotFoundError("no weights")

    application = make(load)

    with pytest.raises(ModelNotLoaded, match="no weights"):
        await application.start()
    async with client_of(application) as client:
        assert (await client.get("/ping")).status_code == 503


async def test_draining_answers_what_is_in_and_refuses_what_comes() -> None:
    model = DoublingModel(is_open=False)

    async with serving(model) as (client, application):
        first = asyncio.ensure_future(invoke(client, {"x": 1}))
        await asyncio.to_thread(model.entered.acquire)
        queued = asyncio.ensure_future(invoke(client, {"x": 2}))
        await _until_waiting(client, rows=1)
        draining = asyncio.ensure_future(application.drain())
        await asyncio.sleep(0)
        ping, refused = await client.get("/ping"), await invoke(client, {"x": 3})
        assert not draining.done()
        model.let_pass()
        answers = await asyncio.gather(first, queued)
        await draining

    assert [ping.status_code, refused.status_code] == [503, 503]
    assert [answer.json() for answer in answers] == [{"predictions": [{"y": 2}]}, {"predictions": [{"y": 4}]}]


async def test_an_answer_that_is_no_json_is_a_500() -> None:
    async with serving(Unserialisable()) as (client, _):
        answer = await invoke(client, {"x": 1})

    assert answer.status_code == 500
    assert "not JSON serializable" in answer.json()["error"]


async def test_numbers_of_numpy_are_json() -> None:
    async with serving(NumpyAnswers()) as (client, _):
        answer = await invoke(client, {"x": 1})

    assert answer.json() == {"predictions": [{"y": 0.5, "z": [0, 1]}]}


async def test_the_metrics_count_requests_rows_and_batches() -> None:
    async with serving() as (client, _):
        await invoke(client, {"instances": [{"x": 1}, {"x": 2}]})
        await invoke(client, {"x": "1"})
        answer = await client.get("/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = answer.text.splitlines()
    assert 'flyball_requests_total{status="200"} 1.0' in samples
    assert 'flyball_requests_total{status="422"} 1.0' in samples
    assert "flyball_rows_total 2.0" in samples
    assert "flyball_batch_rows_sum 2.0" in samples
    assert "flyball_queue_rows 0.0" in samples
    assert 'flyball_model{package="doubles",schema_hash="abc",version="7"} 1.0' in samples


async def test_the_rows_of_a_client_that_went_away_are_not_computed() -> None:
    model = DoublingModel(is_open=False)
    application = make(lambda: model, watch_after_seconds=0.0)
    await application.start()
    busy = asyncio.ensure_future(application.handle(DirectExchange({"x": 1})))
    await asyncio.to_thread(model.entered.acquire)

    leaving = DirectExchange({"x": 2})
    gone = asyncio.ensure_future(application.handle(leaving))
    leaving.leave()
    status = (await gone).status
    model.let_pass()
    await busy
    await application.drain()

    assert status == 499
    assert model.batches == [[1]]
    assert application.state is State.DRAINING


class DirectExchange:
    """A request without a server; its client leaves when the test says so."""

    method, path = "POST", "/invocations"

    def __init__(self, content: Any) -> None:
        self._content = content
        self._left = asyncio.Event()

    def leave(self) -> None:
        self._left.set()

    def header(self, name: str) -> str | None:
        return {"content-type": "application/json"}.get(name)

    async def body(self, *, limit_bytes: int) -> bytes:
        return json.dumps(self._content).encode()

    async def client_gone(self) -> None:
        await self._left.wait()


async def test_under_an_asgi_server_the_model_lives_as_long_as_the_server() -> None:
    model = DoublingModel()
    application = AsgiApplication(lambda: make(lambda: model))
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await application({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_headers_of_a_reply_are_lower_case_and_complete() -> None:
    reply = Reply(status=200, body=b"ab", headers={"Retry-After": "1"})

    assert reply.all_headers() == [
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("retry-after", "1"),
    ]


async def _until_waiting(client: httpx.AsyncClient, *, rows: int) -> None:
    async with asyncio.timeout(10):
        while f"flyball_queue_rows {rows}.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0)
