"""The one form of a function's log: a JSON object a line, by AWS Lambda Powertools, written by pydantic-core."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.logging import Logger
from pydantic_core import to_json


def make_logger(*, service: str, level: str = "INFO") -> Logger:
    """A logger to standard output. It names no source line: every message here is written in one place."""
    return Logger(service=service, level=level, location=None, utc=True, use_rfc3339=True, json_serializer=_write_json)


def _write_json(record: dict[str, Any]) -> str:
    return to_json(record, fallback=str).decode()
