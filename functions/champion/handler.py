"""The champion function's entry point."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.session import Session
from urllib3 import PoolManager

from functions.champion.pointer import ChampionPointers, ResourceEvent
from functions.champion.settings import SERVICE_NAME
from functions.shared.logs import make_logger
from model_packages.errors import OperatorError

logger = make_logger(service=SERVICE_NAME)
http = PoolManager()


def put(url: str, content: bytes) -> None:
    """Sends CloudFormation its answer; the URL was signed without a content type, so none is sent."""
    answer = http.request("PUT", url, body=content, headers={"Content-Type": ""}, retries=3, timeout=10)
    if answer.status >= 400:
        raise OperatorError(f"CloudFormation's response URL answered {answer.status}; it waits until the timeout")


retries = {"mode": "standard", "total_max_attempts": 3}
pointers = ChampionPointers(parameters=Session().create_client("ssm", config=Config(retries=retries)), put=put)


def handler(event: ResourceEvent, _context: Any) -> None:
    """What Lambda calls."""
    outcome = pointers.handle(event)
    facts = {"request_type": event["RequestType"], "status": outcome.status, "parameter": outcome.physical_id}
    logger.info("answered CloudFormation", extra={**facts, "reason": outcome.reason or None})
