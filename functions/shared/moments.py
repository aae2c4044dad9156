"""Reads moments as callers and containers write them, who may leave out the zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def read_moment(text: Any) -> datetime:
    """ISO 8601; without a zone it is UTC. Raises: TypeError for what is no text, ValueError for another text."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
