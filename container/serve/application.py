"""The server's three routes and its life: loading, ready, draining, or dead. It knows no HTTP server: `rsgi` and
`asgi` carry requests to `handle`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from container.serve.exchange import Exchange, Reply, json_reply
from container.serve.invocation import RowFailed, answer, error_reply, parse_body, parse_rows, require_json
from container.serve.metrics import CONTENT_TYPE, ServerMetrics
from container.serve.model_thread import ModelThread, Servable, Ticket
from container.serve.row_queue import RowQueue
from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES, PackageConfig
from model_packages.errors import CallerError, ModelError, ModelUnavailable

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "x-amzn-sagemaker-inference-id"
CLIENT_GONE = 499  # nobody reads it; the metrics count it
WATCH_AFTER_SECONDS = 0.1

logger = logging.getLogger(__name__)

Handler = Callable[[Exchange], Awaitable[Reply]]


class State(StrEnum):
    """Where the server is in its life; only a ready one answers /ping with 200."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    DEAD = "dead"


class Application:
    """Belongs to one event loop. `start` it, let it `handle`, and `drain` it."""

    def __init__(
        self,
        load: Callable[[], Servable],
        *,
        config: PackageConfig,
        metrics: ServerMetrics,
        model_version: str,
        watch_after_seconds: float = WATCH_AFTER_SECONDS,
    ) -> None:
        batching = config.batching
        self._queue: RowQueue[Ticket] = RowQueue(
            maximum_rows=batching.maximum_rows, maximum_bytes=batching.maximum_bytes, queue_rows=batching.queue_rows
        )
        self._metrics = metrics
        metrics.watch(waiting_rows=lambda: self._queue.waiting_rows, in_flight=lambda: self._in_flight)
        self._thread = ModelThread(load, self._queue, on_batch=metrics.batch_computed)
        self._maximum_rows = config.endpoint.maximum_rows
        self._version_header = {CUSTOM_ATTRIBUTES: f"model-version={model_version}"}
        self._watch_after_seconds = watch_after_seconds
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_draining = False
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/ping": {"GET": self._ping},
            "/invocations": {"POST": self._invocations},
            "/metrics": {"GET": self._exposition},
        }

    @property
    def state(self) -> State:
        if self._is_draining:
            return State.DRAINING
        if not self._thread.loaded.done():
            return State.LOADING
        return State.READY if self._thread.is_ready else State.DEAD

    async def start(self) -> None:
        """Loads the model. Raises: ModelNotLoaded."""
        self._thread.start()
        await asyncio.shield(self._thread.loaded)

    async def drain(self) -> None:
        """Takes in nothing more, and returns when every request that is in has been answered."""
        self._is_draining = True
        await self._idle.wait()
        self._queue.close()

    async def handle(self, exchange: Exchange) -> Reply:
        """The reply to one request; every error ends here as one."""
        route = self._routes.get(exchange.path)
        if route is None:
            return json_reply(404, {"error": f"there is no {exchange.path}; there are: {', '.join(self._routes)}"})
        handler = route.get(exchange.method)
        if handler is None:
            allowed = ", ".join(route)
            error = {"error": f"{exchange.method} is not allowed on {exchange.path}; allowed: {allowed}"}
            return json_reply(405, error, headers={"Allow": allowed})
        return await handler(exchange)

    async def _ping(self, _exchange: Exchange) -> Reply:
        return json_reply(200 if self.state is State.READY else 503, {"status": self.state})

    async def _exposition(self, _exchange: Exchange) -> Reply:
        return Reply(status=200, body=self._metrics.text(), content_type=CONTENT_TYPE)

    async def _invocations(self, exchange: Exchange) -> Reply:
        started = time.perf_counter()
        self._in_flight += 1
        self._idle.clear()
        try:
            reply = await self._reply(exchange)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        self._metrics.request_answered(status=reply.status, seconds=time.perf_counter() - started)
        return reply

    async def _reply(self, exchange: Exchange) -> Reply:
        try:
            return await self._predict(exchange)
        except RowFailed as error:
            extra = {"row": error.row, "inference_id": exchange.header(INFERENCE_ID)}
            logger.error("a prediction failed: %s", error.error, exc_info=error.error, extra=extra)  # noqa: TRY400
            return error_reply(error)
        except (CallerError, ModelError) as error:
            return error_reply(error)
        except Exception as error:
            logger.exception("a request failed", extra={"inference_id": exchange.header(INFERENCE_ID)})
            return json_reply(500, {"error": f"the server failed: {type(error).__name__}: {error}"})

    async def _predict(self, exchange: Exchange) -> Reply:
        if self.state is not State.READY:
            raise ModelUnavailable(f"the server is {self.state}")
        require_json(exchange.header("content-type"))
        content = await exchange.body(limit_bytes=SAGEMAKER_PAYLOAD_LIMIT_BYTES)
        body = parse_body(content, maximum_rows=self._maximum_rows)
        rows = parse_rows(body, self._thread.loaded.result().row)
        ticket = Ticket(len(rows))
        watch = _Watch(exchange, after_seconds=self._watch_after_seconds, on_gone=lambda: self._thread.abandon(ticket))
        try:
            outcomes = await self._thread.predict(ticket, rows)
        except asyncio.CancelledError:
            if not ticket.answered.cancelled():
                raise
            return json_reply(CLIENT_GONE, {"error": "the client closed the connection"})
        finally:
            watch.stop()
        return json_reply(200, answer(outcomes), headers=self._version_header)


class _Watch:
    """Looks out for a client that goes away. It starts late: a task for each of a thousand quick requests would cost
    more than the few rows that it saves.
    """

    def __init__(self, exchange: Exchange, *, after_seconds: float, on_gone: Callable[[], None]) -> None:
        self._exchange, self._on_gone = exchange, on_gone
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(after_seconds, self._begin)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._look_out())

    async def _look_out(self) -> None:
        await self._exchange.client_gone()
        self._on_gone()
