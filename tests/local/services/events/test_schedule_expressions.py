"""Schedule expressions, with the examples of AWS's documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from local.services.events.schedule_expressions import ScheduleRefused, parse_schedule

ANCHOR = datetime(2026, 1, 1, 10, 7, 30, tzinfo=UTC)


def fires(expression: str, *, after: str, count: int = 1) -> list[str]:
    """The next times, to the minute; less where there are no more."""
    schedule = parse_schedule(expression, anchor=ANCHOR)
    moment: datetime | None = datetime.fromisoformat(f"{after}+00:00")
    found: list[str] = []
    while len(found) < count and moment is not None:
        moment = schedule.next_after(moment)
        if moment is not None:
            found.append(f"{moment:%Y-%m-%dT%H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("rate(1 minute)", "2026-01-01T10:07:30", ["2026-01-01T10:08", "2026-01-01T10:09"]),
        ("rate(60 minutes)", "2026-01-01T10:07:30", ["2026-01-01T11:07", "2026-01-01T12:07"]),
        ("rate(1 hour)", "2026-01-03T00:00", ["2026-01-03T00:07", "2026-01-03T01:07"]),
        ("rate(1 day)", "2026-01-01T10:07:29", ["2026-01-02T10:07", "2026-01-03T10:07"]),
    ],
)
def test_a_rate_counts_from_the_moment_its_rule_was_made(expression: str, after: str, expected: list[str]) -> None:
    assert fires(expression, after=after, count=2) == expected


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        # the examples of AWS's documentation
        ("cron(0 10 * * ? *)", "2026-03-01T10:00", "2026-03-02T10:00"),
        ("cron(15 12 * * ? *)", "2026-03-01T12:14", "2026-03-01T12:15"),
        ("cron(0 18 ? * MON-FRI *)", "2026-03-06T18:00", "2026-03-09T18:00"),
        ("cron(0 8 1 * ? *)", "2026-03-01T08:00", "2026-04-01T08:00"),
        ("cron(0/15 * * * ? *)", "2026-03-01T10:46", "2026-03-01T11:00"),
        ("cron(0/10 * ? * MON-FRI *)", "2026-03-06T23:51", "2026-03-09T00:00"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-03-06T17:55", "2026-03-09T08:00"),
        ("cron(0/30 20-23 ? * MON-FRI *)", "2026-03-05T22:45", "2026-03-05T23:00"),
        # the rest of the grammar
        ("cron(5,35 14 * * ? *)", "2026-03-01T14:05", "2026-03-01T14:35"),
        ("cron(0 9 ? * 2#1 *)", "2026-03-03T00:00", "2026-04-06T09:00"),
        ("cron(0 9 ? * 6L *)", "2026-03-01T00:00", "2026-03-27T09:00"),
        ("cron(0 9 ? * L *)", "2026-03-01T00:00", "2026-03-07T09:00"),
        ("cron(0 9 L * ? *)", "2026-02-01T00:00", "2026-02-28T09:00"),
        ("cron(0 9 LW * ? *)", "2026-05-01T00:00", "2026-05-29T09:00"),
        ("cron(0 9 1W * ? *)", "2026-08-01T00:00", "2026-08-03T09:00"),
        ("cron(0 9 15W * ? *)", "2026-08-01T00:00", "2026-08-14T09:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "2026-03-01T00:00", "2026-07-01T00:00"),
        ("cron(0 0 29 2 ? *)", "2026-03-01T00:00", "2028-02-29T00:00"),
        ("cron(0 0 1 1 ? 2030)", "2026-03-01T00:00", "2030-01-01T00:00"),
        ("cron(0 0 1 1 ? 2026/3)", "2026-03-01T00:00", "2029-01-01T00:00"),
    ],
)
def test_a_cron_expression_fires_at_the_next_minute_that_fits(expression: str, after: str, expected: str) -> None:
    assert fires(expression, after=after) == [expected]


def test_a_year_that_is_over_never_comes_again() -> None:
    assert fires("cron(0 0 1 1 ? 2020)", after="2026-01-01T00:00") == []


def test_every_fifteen_minutes_is_ninety_six_times_a_day() -> None:
    times = fires("cron(0/15 * * * ? *)", after="2026-02-27T23:59", count=96 * 3)

    assert times[0] == "2026-02-28T00:00"
    assert times[-1] == "2026-03-02T23:45"
    assert all(first < second for first, second in pairwise(times))


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("rate(0 minutes)", "allowed: rate"),
        ("rate(1 minutes)", "allowed: rate"),
        ("rate(5 minute)", "allowed: rate"),
        ("rate(5 seconds)", "allowed: rate"),
        ("every 5 minutes", "allowed: rate"),
        ("at(2026-01-01T00:00:00)", "allowed: rate"),
        ("cron(0 10 * * *)", "found 5 fields"),
        ("cron(0 10 * * * *)", "exactly one of day-of-month and day-of-week"),
        ("cron(0 10 ? * ? *)", "exactly one of day-of-month and day-of-week"),
        ("cron(60 10 * * ? *)", "allowed: 0 to 59"),
        ("cron(0 24 * * ? *)", "allowed: 0 to 23"),
        ("cron(0 10 32 * ? *)", "allowed: 1 to 31"),
        ("cron(0 10 0W * ? *)", "allowed: 1W to 31W"),
        ("cron(0 10 ? * 8 *)", "allowed: 1 to 7"),
        ("cron(0 10 ? * MON#6 *)", "allowed"),
        ("cron(0 10 * FOO ? *)", "allowed: numbers and names"),
        ("cron(0/0 10 * * ? *)", "a whole number from 1"),
        ("cron(0 17-8 * * ? *)", "in order"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str, sentence: str) -> None:
    with pytest.raises(ScheduleRefused, match=sentence):
        parse_schedule(expression, anchor=ANCHOR)
