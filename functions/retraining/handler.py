"""The retraining function's entry point. Everything that can be made before the first event is made while Lambda
starts it.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from urllib3 import PoolManager

from functions.retraining.composition import compose
from functions.retraining.core import Clients
from functions.retraining.loop import RetrainingLoop
from functions.retraining.quality_records import READERS
from functions.retraining.settings import RetrainingSettings
from functions.shared.custom_resource import put_by
from functions.shared.logs import make_logger
from model_packages.discovery import read_package
from model_packages.errors import FlyballError
from model_packages.interface import load_interface
from model_packages.sizing import with_instances

BUSY_CODES = frozenset(
    {"LimitExceededException", "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException"}
)


class ThrottlingException(Exception):
    """A service asks to come back later: the state machine does, by this name."""


def make_clients() -> Clients:
    """Those of this process. They try again by themselves: a step has minutes."""
    session = Session()
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(retries=retries, max_pool_connections=READERS, tcp_keepalive=True)
    services = {
        "s3": "s3",
        "sagemaker": "sagemaker",
        "ssm": "ssm",
        "cloudwatch": "cloudwatch",
        "logs": "logs",
        "sns": "sns",
        "states": "stepfunctions",
    }
    made = {name: session.create_client(service, config=config) for name, service in services.items()}
    return Clients(**made, put=put_by(PoolManager()))


def make_loop(settings: RetrainingSettings) -> RetrainingLoop:
    """The loop as it runs in Lambda."""
    interface = load_interface(settings.package)
    package = read_package(Path(inspect.getfile(interface.request)).parent)
    declared = package.config.endpoint
    config = with_instances(  # as the environment that it is deployed to runs it
        package.config,
        minimum=settings.minimum_instances or declared.minimum_instances,
        maximum=settings.maximum_instances or declared.maximum_instances,
    )
    return compose(make_clients(), settings=settings, config=config, interface=interface, logger=logger)


settings = RetrainingSettings.from_environment(os.environ)
logger = make_logger(service=settings.package, level=settings.log_level)
loop = make_loop(settings)


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """What Lambda calls. An error is logged once with its cause and raised: its class is what Step Functions sees."""
    about = {"step": event.get("step"), "run": event.get("run")}
    try:
        answer = loop.handle(event)
    except Exception as error:
        told = _told(error)
        frames = traceback.format_tb(error.__traceback__)
        # Not logger.exception: an error's message may quote a payload, as pydantic's do.
        logger.error("failed", extra={**about, "cause": told, "frames": frames})  # noqa: TRY400
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in BUSY_CODES:
            raise ThrottlingException(told) from error
        raise
    logger.info("done", extra=about)
    return answer


def _told(error: Exception) -> str:
    """What may be logged of it."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    return str(error) if isinstance(error, FlyballError) else type(error).__qualname__
