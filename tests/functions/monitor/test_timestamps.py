"""Moments in AWS's answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.monitor.timestamps import parse_moment

NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-14T12:00:00.000Z",
        "2026-02-14T12:00:00Z",
        "2026-02-14T13:00:00+01:00",
        "Sat, 14 Feb 2026 12:00:00 GMT",
        1771070400,
        1771070400.0,
    ],
)
def test_every_form_of_a_moment_is_read(value: Any) -> None:
    assert parse_moment(value) == NOON
