"""CloudWatch's ways to write a moment."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(timestamp: float) -> datetime:
    """A time in seconds since 1970 as an aware one, in UTC."""
    return datetime.fromtimestamp(timestamp, UTC)


def in_json(timestamp: float) -> str:
    """As messages, events and reasons' data have it: 2026-01-01T00:00:00.000+0000."""
    when = moment(timestamp)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


def in_reason(timestamp: float) -> str:
    """As a datapoint in a reason has it: 01/01/26 00:00:00."""
    return f"{moment(timestamp):%d/%m/%y %H:%M:%S}"


def in_words(timestamp: float) -> str:
    """As a composite alarm's reason has it: Thursday 01 January, 2026 00:00:00 UTC."""
    return f"{moment(timestamp):%A %d %B, %Y %H:%M:%S} UTC"
