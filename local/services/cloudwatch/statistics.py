"""CloudWatch's statistics of a period's values, by their names: Average, p99.9, tm(10%:90%), PR(:300) and so on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from local.services.cloudwatch.errors import InvalidParameterValue
from local.services.cloudwatch.samples import Samples

Statistic: TypeAlias = Callable[[Samples], float | None]
"""None where the samples do not tell."""

SIMPLE: Final[dict[str, Statistic]] = {
    "SampleCount": lambda samples: samples.count,
    "Sum": lambda samples: samples.sum,
    "Minimum": lambda samples: samples.minimum,
    "Maximum": lambda samples: samples.maximum,
    "Average": lambda samples: samples.sum / samples.count,
}

_PERCENTILE: Final = re.compile(r"p(\d{1,3}(?:\.\d{1,10})?)")
_SHORT: Final = re.compile(r"(tm|wm|tc|ts)(\d{1,2}(?:\.\d{1,10})?)", re.IGNORECASE)
_RANGE: Final = re.compile(r"(tm|wm|tc|ts|pr)\(([^:()]*):([^:()]*)\)", re.IGNORECASE)


@lru_cache(maxsize=1024)
def statistic(name: str) -> Statistic:
    """The statistic of that name.

    Raises: InvalidParameterValue.
    """
    if name in SIMPLE:
        return _of_some(SIMPLE[name])
    if found := _PERCENTILE.fullmatch(name):
        return _of_some(_percentile(_share(found[1], name)))
    if name.upper() == "IQM":
        return _of_some(_trimmed("tm", _Bound(0.25, None), _Bound(0.75, None)))
    if found := _SHORT.fullmatch(name):
        return _of_some(_trimmed(found[1].lower(), _Bound(None, None), _Bound(_share(found[2], name), None)))
    if found := _RANGE.fullmatch(name):
        return _of_some(_trimmed(found[1].lower(), _bound(found[2], name), _bound(found[3], name)))
    raise _unknown(name)


def needs_values(name: str) -> bool:
    """Whether a statistic is of the single values, and not of their count, sum and extremes."""
    return name not in SIMPLE


def is_percentile(name: str) -> bool:
    """Whether a statistic is a percentile, for which few samples say little."""
    return _PERCENTILE.fullmatch(name) is not None


def samples_needed(name: str) -> float:
    """How many samples make a percentile statistically significant, by AWS's rule."""
    found = _PERCENTILE.fullmatch(name)
    percent = float(found[1]) if found else 50.0
    nearest = min(percent, 100 - percent)
    return 1000 / nearest if nearest else math.inf


def _of_some(function: Statistic) -> Statistic:
    return lambda samples: function(samples) if samples.count else None


def _percentile(share: float) -> Statistic:
    def percentile(samples: Samples) -> float | None:
        if samples.values is None:
            return None
        return _within(samples, _at(sorted(samples.values.items()), share * samples.count))

    return percentile


def _at(ordered: list[tuple[float, float]], rank: float) -> float:
    """The value at a rank (1 is the smallest); what lies between two ranks belongs to the upper one."""
    passed = 0.0
    for value, count in ordered:
        passed += count
        if passed >= rank - 1e-9:
            return value
    return ordered[-1][0]


def _within(samples: Samples, value: float) -> float:
    """A coarse value may lie a little outside of what there was."""
    return min(max(value, samples.minimum), samples.maximum)


class _Bound:
    """An end of a range: a share of the samples, a value, or nothing."""

    def __init__(self, share: float | None, value: float | None) -> None:
        self.share, self.value = share, value


def _bound(text: str, name: str) -> _Bound:
    text = text.strip()
    try:
        if text.endswith("%"):
            return _Bound(_share(text[:-1], name), None)
        return _Bound(None, float(text) if text else None)
    except ValueError as error:
        raise _unknown(name) from error


def _share(text: str, name: str) -> float:
    share = float(text) / 100
    if not 0 <= share <= 1:
        raise _unknown(name)
    return share


def _trimmed(kind: str, low: _Bound, high: _Bound) -> Statistic:
    """Trimmed mean, winsorized mean, trimmed count, trimmed sum, or percentile rank between two bounds."""

    def trimmed(samples: Samples) -> float | None:
        if samples.values is None:
            return None
        ordered = sorted(samples.values.items())
        kept = list(_kept(ordered, samples.count, low, high))
        if kind == "wm":
            return _winsorized(ordered, kept)
        count = sum(share for _, share in kept)
        total = sum(value * share for value, share in kept)
        answers = {"tc": count, "ts": total, "pr": 100 * count / samples.count, "tm": total / count if count else None}
        return answers[kind]

    return trimmed


def _kept(ordered: list[tuple[float, float]], count: float, low: _Bound, high: _Bound) -> list[tuple[float, float]]:
    """Each value with how many of it lie between the bounds."""
    first = 0.0 if low.share is None else low.share * count
    last = count if high.share is None else high.share * count
    kept, passed = [], 0.0
    for value, times in ordered:
        inside = min(passed + times, last) - max(passed, first)
        passed += times
        above = low.value is None or value > low.value
        below = high.value is None or value <= high.value
        if inside > 0 and above and below:
            kept.append((value, inside))
    return kept


def _winsorized(ordered: list[tuple[float, float]], kept: list[tuple[float, float]]) -> float | None:
    """The mean where what lies outside counts as the nearest value inside."""
    if not kept:
        return None
    smallest, largest = kept[0][0], kept[-1][0]
    count = sum(times for _, times in ordered)
    return sum(min(max(value, smallest), largest) * times for value, times in ordered) / count


def _unknown(name: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"The value {name} for parameter Statistic is not supported; found {name!r}, allowed are "
        f"{', '.join(SIMPLE)}, pNN, IQM, and tm, wm, tc, ts and PR with a range"
    )
