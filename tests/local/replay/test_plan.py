"""When the rows of a replay come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.replay.plan import ROWS_A_STEP, arrivals, first_from, shift_moment, steps
from model_packages.errors import OperatorError

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_row_arrives_once_within_the_time_and_in_order() -> None:
    moments = arrivals(1000, start=START, days=10, seed=1)

    assert len(moments) == 1000
    assert moments == sorted(moments)
    assert START <= moments[0] < moments[-1] <= START + timedelta(days=10)


def test_traffic_is_the_same_for_a_seed_and_flat_over_the_days() -> None:
    moments = arrivals(3000, start=START, days=30, seed=1)

    a_day = [sum(1 for moment in moments if moment.date() == (START + timedelta(days=day)).date()) for day in range(30)]
    assert moments == arrivals(3000, start=START, days=30, seed=1)
    assert moments != arrivals(3000, start=START, days=30, seed=2)
    assert all(60 < rows < 150 for rows in a_day)


def test_steps_take_every_row_once_and_no_step_reaches_over_a_whole_hour() -> None:
    moments = arrivals(2000, start=START, days=3, seed=1)

    plan = list(steps(moments))

    assert [number for step in plan for number in step.rows] == list(range(2000))
    assert all(step.moment == moments[step.first] for step in plan)
    assert all(1 <= step.count <= ROWS_A_STEP for step in plan)
    hours = [{(moments[number] - START) // timedelta(hours=1) for number in step.rows} for step in plan]
    assert {len(each) for each in hours} == {1}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("50%", START + timedelta(days=15)),
        ("0%", START),
        ("2026-01-11T12:00:00Z", START + timedelta(days=10, hours=12)),
        ("2026-01-11", START + timedelta(days=10)),
    ],
)
def test_a_shift_begins_at_a_share_of_the_time_or_at_a_moment(at: str, expected: datetime) -> None:
    assert shift_moment(at, start=START, days=30) == expected


@pytest.mark.parametrize("at", ["half", "50 percent", "%", "2026-13-01"])
def test_any_other_time_is_refused_with_an_example(at: str) -> None:
    with pytest.raises(OperatorError, match="such as 50%, or a moment such as 2026-01-01T00:00:00Z"):
        shift_moment(at, start=START, days=30)


def test_the_first_shifted_row_is_the_first_at_or_after_the_moment() -> None:
    moments = [START + timedelta(hours=hour) for hour in range(4)]

    assert [first_from(moments, START + timedelta(hours=hours)) for hours in (-1, 1, 1.5, 9)] == [0, 1, 2, 4]
