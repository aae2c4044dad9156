"""The verb `serve`: one process that listens, loads the model, and leaves as SageMaker wants it to.

granian's embedded server runs on this process's own event loop, not granian's usual parent with workers: the signal,
the queue, the state behind /ping and the exit code then belong to one process, which SageMaker started without an
init. It listens before the model is loaded, so that /ping says 503 and not "connection refused".
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from functools import partial
from typing import Any, NoReturn

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from prometheus_client import disable_created_metrics

from container.device import set_serving_threads
from container.inference import Predictor, load_predictor
from container.logs import log_to
from container.package import locate
from container.serve.application import Application
from container.serve.metrics import ServerMetrics
from container.serve.rsgi import RsgiApplication
from container.settings import Settings
from container.version import check_origin
from container.warm_up import warm_up
from model_packages.errors import OperatorError
from model_packages.interface import load_interface

DRAIN_SECONDS = 25.0  # SageMaker sends SIGKILL 30 s after SIGTERM
CLOSE_SECONDS = 3.0
BACKLOG = 1024
CONCURRENT_REQUESTS = 8192  # beyond it granian stops to read, and /ping too would wait

logger = logging.getLogger(__name__)


class NotDrained(OperatorError):
    """The process was told to stop, and requests that were in got no answer in time."""


class ServerEnded(OperatorError):
    """The HTTP server stopped by itself, for example because its port is taken."""


def run(settings: Settings) -> int:
    """Serves until SIGTERM, and returns the exit code: 0 if every request that was in has been answered.

    The reason for any other code is the last line of the log.
    """
    log_to(sys.stdout)
    set_serving_threads()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        asyncio.run(_serve(settings))
    except Exception as error:
        logger.exception("the server ends")
        logger.critical("%s", error)
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """Ends the process now. Nothing can interrupt a thread that loads a model or waits for a device, and a thread that
    a package started must not keep the process alive beyond SageMaker's 30 s.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def load(settings: Settings) -> Predictor:
    """The model, after a prediction that worked."""
    started = time.perf_counter()
    check_origin(settings.model_dir, load_interface(settings.package))
    predictor = load_predictor(settings.package, settings.model_dir)
    warm_up(predictor)
    seconds = round(time.perf_counter() - started, 3)
    logger.info("the model is loaded", extra={"device": str(predictor.device), "seconds": seconds})
    return predictor


def make_application(settings: Settings) -> Application:
    """The application of the package that `settings` names; its model is loaded by `start`."""
    metrics = ServerMetrics(
        package=settings.package,
        model_version=settings.model_version,
        schema_hash=load_interface(settings.package).schema_hash,
    )
    return Application(
        partial(load, settings),
        config=locate(settings.package).config,
        metrics=metrics,
        model_version=settings.model_version,
    )


async def _serve(settings: Settings) -> None:
    stop = _stop_signal()
    application = make_application(settings)
    server = _http_server(application, settings)
    serving = asyncio.create_task(server.serve())
    try:
        await _until_stopped(stop, serving=serving, loading=asyncio.create_task(application.start()))
        logger.info("draining")
        await _drain(application)
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=CLOSE_SECONDS)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until_stopped(stop: asyncio.Event, *, serving: asyncio.Task[None], loading: asyncio.Task[None]) -> None:
    """Returns when the process is told to stop. Raises: ServerEnded or ModelNotLoaded if it cannot go on."""
    stopping = asyncio.create_task(stop.wait())
    awaited: set[asyncio.Task[Any]] = {serving, loading, stopping}
    while not stopping.done():
        done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if serving in done:
            raise ServerEnded("the HTTP server ended by itself; is its port taken?") from serving.exception()
        if loading in done:
            loading.result()
            awaited.discard(loading)


async def _drain(application: Application) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await application.drain()
    except TimeoutError as error:
        raise NotDrained(f"requests were still unanswered {DRAIN_SECONDS:.0f} s after SIGTERM") from error


def _http_server(application: Application, settings: Settings) -> Server:
    return Server(
        RsgiApplication(application),
        address=settings.address,
        port=settings.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONCURRENT_REQUESTS,
        log_level=LogLevels.error,
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )
