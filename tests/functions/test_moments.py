"""A moment without a zone is in UTC, and what is none is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.shared.moments import read_moment

NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-02-14T12:00:00Z", "2026-02-14T13:00:00+01:00", "2026-02-14T12:00:00"])
def test_a_moment_has_a_zone_whoever_wrote_it(text: str) -> None:
    moment = read_moment(text)

    assert moment == NOON
    assert moment.tzinfo is not None


@pytest.mark.parametrize(("text", "error"), [("noon", ValueError), ("", ValueError), (None, TypeError)])
def test_what_is_no_moment_is_refused(text: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_moment(text)
