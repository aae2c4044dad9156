"""Schedule expressions of EventBridge rules: `rate(5 minutes)` and `cron(0/15 8-17 ? * MON-FRI *)`, in UTC.

All of the documented grammar: six fields, names of months and days, lists, ranges, steps, `?`, and in the fields of
days `L`, `W`, `LW`, `3#2` and `6L`. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

LAST_YEAR: Final = 2199
MONTHS: Final = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS: Final = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
UNITS: Final = {"minute": 60, "hour": 3600, "day": 86_400}


class ScheduleRefused(ValueError):
    """No schedule expression; the text says what is wrong with it."""


class Schedule(Protocol):
    """When a rule fires."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after a moment; None where there is none any more."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds from `anchor` on, the moment at which the rule was made or enabled."""

    period: timedelta
    anchor: datetime

    def next_after(self, moment: datetime) -> datetime:
        periods = max(0, (moment - self.anchor) // self.period)
        return self.anchor + (periods + 1) * self.period


DayRule = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Cron:
    """At the minutes at which every field fits."""

    minutes: Sequence[int]
    hours: Sequence[int]
    months: frozenset[int]
    years: frozenset[int]
    fits: DayRule

    def next_after(self, moment: datetime) -> datetime | None:
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(start.date()):
            earliest = (start.hour, start.minute) if day == start.date() else (0, 0)
            for hour in self.hours:
                for minute in self.minutes:
                    if (hour, minute) >= earliest:
                        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
        return None

    def _days(self, first: date) -> Iterator[date]:
        """Every day from `first` on that fits."""
        for year in range(first.year, LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.fits(day):
                        yield day


def parse_schedule(expression: str, *, anchor: datetime) -> Schedule:
    """A rule's ScheduleExpression; `anchor` is when the rule was made or enabled.

    Raises: ScheduleRefused.
    """
    match = re.fullmatch(r"(rate|cron)\((.*)\)", expression.strip())
    if match is None:
        raise ScheduleRefused(f"found {expression!r}; allowed: rate(VALUE UNIT) or cron(six fields)")
    kind, content = match.groups()
    return _rate(content, anchor) if kind == "rate" else _cron(content)


def _rate(content: str, anchor: datetime) -> Rate:
    match = re.fullmatch(r"(\d+) (minute|hour|day)(s?)", content)
    value = int(match[1]) if match else 0
    if match is None or value < 1 or (value == 1) == bool(match[3]):
        raise ScheduleRefused(f"found rate({content}); allowed: rate(1 minute), rate(5 minutes), hours and days alike")
    return Rate(timedelta(seconds=value * UNITS[match[2]]), anchor)


def _cron(content: str) -> Cron:
    fields = content.split()
    if len(fields) != 6:
        found = f"found {len(fields)} fields in cron({content})"
        raise ScheduleRefused(f"{found}; allowed: minutes hours day-of-month month day-of-week year")
    minutes, hours, days, months, weekdays, years = (field.upper() for field in fields)
    if (days == "?") == (weekdays == "?"):
        raise ScheduleRefused(f"found cron({content}); exactly one of day-of-month and day-of-week has to be ?")
    return Cron(
        minutes=sorted(_numbers(minutes, 0, 59)),
        hours=sorted(_numbers(hours, 0, 23)),
        months=_numbers(months, 1, 12, names=MONTHS),
        years=_numbers(years, 1970, LAST_YEAR),
        fits=_any(days, _day_of_month) if weekdays == "?" else _any(weekdays, _day_of_week),
    )


def _numbers(field: str, low: int, high: int, *, names: Mapping[str, int] | None = None) -> frozenset[int]:
    """The values of a field that counts."""
    found: set[int] = set()
    for part in field.split(","):
        found.update(_range(part, low, high, names or {}))
    return frozenset(found)


def _range(part: str, low: int, high: int, names: Mapping[str, int]) -> range:
    span, has_step, step_text = part.partition("/")
    step = int(step_text) if step_text.isdigit() else 0
    if has_step and step < 1:
        raise ScheduleRefused(f"found the step {step_text!r} in {part!r}; allowed: a whole number from 1")
    first_text, is_span, last_text = span.partition("-")
    if span == "*":
        first, last = low, high
    else:
        first = _number(first_text, names, part)
        last = _number(last_text, names, part) if is_span else high if has_step else first
    if not low <= first <= last <= high:
        raise ScheduleRefused(f"found {part!r}; allowed: {low} to {high}, in order")
    return range(first, last + 1, step or 1)


def _number(text: str, names: Mapping[str, int], part: str) -> int:
    if text in names:
        return names[text]
    if not text.isdigit():
        raise ScheduleRefused(f"found {text!r} in {part!r}; allowed: numbers{' and names' if names else ''}")
    return int(text)


def _any(field: str, rule: Callable[[str], DayRule]) -> DayRule:
    rules = [rule(part) for part in field.split(",")]
    return lambda day: any(fits(day) for fits in rules)


def _day_of_month(part: str) -> DayRule:
    if part == "L":
        return lambda day: day.day == _last(day)
    if part == "LW":
        return lambda day: day == _nearest_weekday(day.replace(day=_last(day)))
    if part.endswith("W"):
        wanted = _number(part[:-1], {}, part)
        if not 1 <= wanted <= 31:
            raise ScheduleRefused(f"found {part!r}; allowed: 1W to 31W")
        return lambda day: wanted <= _last(day) and day == _nearest_weekday(day.replace(day=wanted))
    days = _numbers(part, 1, 31)
    return lambda day: day.day in days


def _day_of_week(part: str) -> DayRule:
    if part == "L":
        return lambda day: _weekday(day) == DAYS["SAT"]
    if match := re.fullmatch(r"(\w+)#([1-5])", part):
        weekday, week = _weekday_number(match[1], part), int(match[2])
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == week
    if len(part) > 1 and part.endswith("L"):
        weekday = _weekday_number(part[:-1], part)
        return lambda day: _weekday(day) == weekday and day.day + 7 > _last(day)
    weekdays = _numbers(part, 1, 7, names=DAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday_number(text: str, part: str) -> int:
    (number,) = _range(text, 1, 7, DAYS) if "-" not in text and "/" not in text and text != "*" else (0,)
    if number == 0:
        raise ScheduleRefused(f"found {part!r}; allowed: one day before # and L")
    return number


def _weekday(day: date) -> int:
    """Sunday is 1."""
    return day.isoweekday() % 7 + 1


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date) -> date:
    """The Monday to Friday that is nearest, in the same month."""
    if day.isoweekday() <= 5:
        return day
    back, forward = day - timedelta(days=day.isoweekday() - 5), day + timedelta(days=8 - day.isoweekday())
    if day.isoweekday() == 6:
        return back if back.month == day.month else forward
    return forward if forward.month == day.month else back
