"""The monitor's entry point. Everything that can be made before the first event is made while Lambda starts it."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.session import Session

from functions.monitor.composition import Clients, compose
from functions.monitor.folding import READERS
from functions.monitor.monitor import Monitor
from functions.monitor.settings import MonitorSettings
from functions.monitor.timestamps import parse_moment
from functions.shared.logs import make_logger
from model_packages.discovery import read_package
from model_packages.errors import FlyballError
from model_packages.interface import load_interface


class LazyClient:
    """A client that is made when it is first called."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _client(self) -> Any:
        return self._make()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)


def make_clients() -> Clients:
    """Those of this process. They try again by themselves: a run has minutes."""
    session = Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_moment)
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(retries=retries, max_pool_connections=READERS, tcp_keepalive=True)
    s3, ssm, cloudwatch, logs = (
        session.create_client(service, config=config) for service in ("s3", "ssm", "cloudwatch", "logs")
    )
    # SageMaker's description is the largest that botocore reads, and the initial version needs none of it.
    sagemaker = LazyClient(lambda: session.create_client("sagemaker", config=config))
    return Clients(s3=s3, sagemaker=sagemaker, ssm=ssm, cloudwatch=cloudwatch, logs=logs)


def make_monitor(settings: MonitorSettings) -> Monitor:
    """The monitor as it runs in Lambda."""
    interface = load_interface(settings.package)
    package = read_package(Path(inspect.getfile(interface.request)).parent)
    logger = make_logger(service=settings.package, level=settings.log_level)
    return compose(make_clients(), settings=settings, config=package.config, interface=interface, logger=logger)


monitor = make_monitor(MonitorSettings.from_environment(os.environ))


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """What Lambda calls. An error is logged once with its cause and raised, so that Lambda counts it."""
    try:
        run = monitor.handle(event)
    except Exception as error:
        told = str(error) if isinstance(error, FlyballError) else type(error).__qualname__
        frames = traceback.format_tb(error.__traceback__)
        # Not logger.exception: an error's message may quote a payload, as pydantic's do.
        monitor.logger.error("failed", extra={"cause": told, "frames": frames})  # noqa: TRY400
        raise
    monitor.logger.info("looked", extra=run.as_json())
    return run.as_json()
