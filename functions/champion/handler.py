"""The champion function's entry point."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.session import Session
from urllib3 import PoolManager

from functions.champion.pointer import ChampionPointers
from functions.champion.settings import SERVICE_NAME
from functions.shared.custom_resource import ResourceEvent, put_by
from functions.shared.logs import make_logger

logger = make_logger(service=SERVICE_NAME)
put = put_by(PoolManager())
retries = {"mode": "standard", "total_max_attempts": 3}
pointers = ChampionPointers(parameters=Session().create_client("ssm", config=Config(retries=retries)), put=put)


def handler(event: ResourceEvent, _context: Any) -> None:
    """What Lambda calls."""
    outcome = pointers.handle(event)
    facts = {"request_type": event["RequestType"], "status": outcome.status, "parameter": outcome.physical_id}
    logger.info("answered CloudFormation", extra={**facts, "reason": outcome.reason or None})
