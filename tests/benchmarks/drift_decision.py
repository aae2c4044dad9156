"""False alarms and delays of the drift decision and of other rules, on the same streams.

`python -m tests.benchmarks.drift_decision [--streams 200] [--without-libraries]` prints docs/benchmarks.md's tables.
Evidently and NannyML are installed into build/bench/ at the first run (3 GB), and asked about a part of the windows;
their default rules, written down in drift_rules.py, see all of them. One process, one core, about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from functions.monitor.rates import Rates
from functions.monitor.sequential_test import Observed, RateLimits, SequentialTest
from model_packages.contract import Monitor
from model_packages.profile.columns import Column
from tests.benchmarks import drift_libraries
from tests.benchmarks.drift_rules import FIELDS, RULES, Bools, Scores, score_codes, score_numbers
from tests.benchmarks.drift_streams import CATEGORIES, KINDS, NUMERIC, REFERENCE_ROWS, WINDOWS, Codes, Stream, Values

OURS, SHARE_RULE = "Flyball", "Evidently, half of the fields"
NAMES = (OURS, RULES[0], RULES[1], RULES[2], "Evidently, any field", SHARE_RULE, "NannyML, any field")
SHIFTS: Mapping[str, tuple[int, float]] = {
    "mild, a number by 0.3 sd": (0, 0.3),
    "mild, a category by 10 %": (NUMERIC + 4, 0.1),
    "sudden, a number by 1 sd": (0, 1.0),
}
"""The field (numbers come first) and the size."""
SHIFT_WINDOWS = (0, 100)
TOLERANCE, WINDOWS_PER_FALSE_ALARM = 0.02, 1000
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Counted:
    """One field of a stream: how the rules score it, and its cells for ours, [windows or blocks, cells]."""

    scores: Scores
    cells: NDArray[np.int64]


@dataclass(frozen=True)
class CountedStream:
    """All that is looked at of one stream, field by field, and of the fields that shift."""

    stream: Stream

    @cached_property
    def fields(self) -> list[Counted]:
        return [self._count(number, 0.0) for number in range(NUMERIC + CATEGORIES)]

    @cached_property
    def shifted(self) -> dict[str, Counted]:
        return {name: self._count(number, size) for name, (number, size) in SHIFTS.items()}

    @cached_property
    def references(self) -> list[NDArray[np.float32] | Codes]:
        numbers = [self.stream.reference_numbers(number) for number in range(NUMERIC)]
        return [*numbers, *(self.stream.reference_codes(field) for field in range(CATEGORIES))]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        numbers = [_numeric_column(number, self.references[number]) for number in range(NUMERIC)]
        return (*numbers, *(_category_column(number) for number in range(CATEGORIES)))

    @cached_property
    def rates(self) -> Rates:
        ends = np.cumsum([column.cells for column in self.columns]).tolist()
        places = [slice(end - column.cells, end) for column, end in zip(self.columns, ends, strict=True)]
        return Rates(self.columns, tuple(places))

    @cached_property
    def block(self) -> NDArray[np.int64]:
        """Which of the rows of Counted.cells each row is counted in."""
        if self.stream.kind != "bursty":
            return self.stream.window_of_row
        keys = self.stream.window_of_row * 10_000 + self.stream.block_of_row
        return np.asarray(np.unique(keys, return_inverse=True)[1])

    @cached_property
    def block_windows(self) -> NDArray[np.int64]:
        """The window of each row of Counted.cells."""
        return self.stream.window_of_row[np.unique(self.block, return_index=True)[1]]

    def test(self, monitor: Monitor) -> SequentialTest:
        expected = [
            np.bincount(_cells(column, reference), minlength=column.cells)
            for column, reference in zip(self.columns, self.references, strict=True)
        ]
        sizes = self.rates.sizes
        limits = RateLimits(
            shares=self.rates.hits(np.concatenate(expected), np.asarray(REFERENCE_ROWS)) / REFERENCE_ROWS,
            rows=REFERENCE_ROWS,
            tolerances=self.rates.by_column([monitor.tolerance] * len(sizes)),
            weights=self.rates.by_column([1.0 / (len(sizes) * size) for size in sizes]),
            starts=self.rates.starts,
            is_tail=self.rates.is_tail,
        )
        return SequentialTest.of(limits, monitor)

    def cells(self, shift: str | None) -> NDArray[np.int64]:
        """Of all fields, where one of them may have shifted."""
        counted = list(self.fields)
        if shift is not None:
            counted[SHIFTS[shift][0]] = self.shifted[shift]
        return np.concatenate([each.cells for each in counted], axis=1)

    def observed(self, cells: NDArray[np.int64], window: int) -> Observed:
        rows = int(self.stream.sizes[window])
        first, end = np.searchsorted(self.block_windows, [window, window + 1])
        found = cells[first:end]
        hits = self.rates.hits(found.sum(axis=0), np.asarray(rows))
        if self.stream.kind != "bursty":
            return Observed(rows, hits)
        sizes = found[:, : self.columns[0].cells].sum(axis=1)  # no value is missing
        return Observed(rows, hits, self.rates.hits(found, sizes) / sizes[:, None], sizes.astype(np.float64))

    def _count(self, number: int, shift: float) -> Counted:
        values, scores = self._numbers(number, shift) if number < NUMERIC else self._codes(number, shift)
        return Counted(scores, self._counts(number, values))

    def _numbers(self, number: int, shift: float) -> tuple[Values, Scores]:
        values, reference = self.stream.numbers(number, shift=shift), self.references[number]
        return values, score_numbers(values, self.stream.sizes, reference.astype(np.float32))

    def _codes(self, number: int, moved: float) -> tuple[Codes, Scores]:
        codes, reference = self.stream.codes(number - NUMERIC, moved=moved), self.references[number].astype(np.int64)
        categories = len(self.columns[number].categories)
        return codes, score_codes(codes, self.stream.sizes, reference, categories=categories)

    def _counts(self, number: int, values: NDArray[np.float32] | Codes) -> NDArray[np.int64]:
        column, blocks = self.columns[number], int(self.block[-1]) + 1
        keys = self.block * column.cells + _cells(column, values)
        return np.bincount(keys, minlength=blocks * column.cells).reshape(blocks, column.cells)


@dataclass
class Result:
    """Of one rule on the streams of one kind."""

    alarmed_streams: int = 0
    alarmed_windows: int = 0
    delays: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """By shift and its first window: windows until it is called, the first one included; inf where it never is."""

    def add_alarms(self, alarms: Bools) -> None:
        self.alarmed_streams += bool(alarms.any())
        self.alarmed_windows += int(alarms.sum())

    def add_delay(self, shift: str, at: int, alarms: Iterable[bool]) -> None:
        delay = next((float(number) for number, alarm in enumerate(alarms, start=1) if alarm), np.inf)
        self.delays.setdefault((shift, at), []).append(delay)


Results = dict[str, dict[str, Result]]


def measure(kinds: Sequence[str], streams: int) -> Results:
    """Every rule on `streams` streams of each kind."""
    results: Results = {kind: {name: Result() for name in NAMES} for kind in kinds}
    for kind in kinds:
        started = time.perf_counter()
        for seed in range(streams):
            counted = CountedStream(Stream(kind, seed))
            _measure_others(counted, results[kind])
            _measure_ours(counted, results[kind][OURS])
        print(f"{kind}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return results


def monitor_for(kind: str) -> Monitor:
    """What a package with such traffic states."""
    return Monitor(
        tolerance=TOLERANCE,
        windows_per_false_alarm=WINDOWS_PER_FALSE_ALARM,
        block="caller" if kind == "bursty" else "row",
        season_hours=24 if kind == "seasonal" else 0,
    )


def _measure_others(counted: CountedStream, results: Mapping[str, Result]) -> None:
    verdicts = np.stack([each.scores.verdicts for each in counted.fields])
    for name, alarms in _alarms(verdicts.sum(axis=0)).items():
        results[name].add_alarms(alarms)
    for shift, (number, _) in SHIFTS.items():
        changed = verdicts.sum(axis=0) - verdicts[number] + counted.shifted[shift].scores.verdicts
        for name, alarms in _alarms(changed).items():
            for at in SHIFT_WINDOWS:
                results[name].add_delay(shift, at, alarms[at:].tolist())


def _alarms(fields: NDArray[np.int64]) -> dict[str, Bools]:
    """From how many fields have changed, [rules, windows]."""
    any_field = fields > 0
    return {
        **dict(zip(RULES[:3], any_field, strict=False)),
        "Evidently, any field": any_field[3],
        SHARE_RULE: fields[3] >= FIELDS / 2,
        "NannyML, any field": any_field[4],
    }


def _measure_ours(counted: CountedStream, result: Result) -> None:
    beginning = counted.test(monitor_for(counted.stream.kind))
    tests = {0: deepcopy(beginning)}
    result.add_alarms(np.array(list(_calls(counted, beginning, shift=None, tests=tests))))
    for shift in SHIFTS:
        for at in SHIFT_WINDOWS:
            result.add_delay(shift, at, _calls(counted, deepcopy(tests[at]), shift=shift, first=at))


def _calls(
    counted: CountedStream,
    test: SequentialTest,
    *,
    shift: str | None,
    first: int = 0,
    tests: dict[int, SequentialTest] | None = None,
) -> Iterator[bool]:
    """Whether ours calls a change, window by window; into `tests` go its states where shifts begin."""
    cells = counted.cells(shift)
    for window in range(first, WINDOWS):
        if tests is not None and window in SHIFT_WINDOWS:
            tests[window] = deepcopy(test)
        end = START + timedelta(hours=window)
        test.add(str(window), counted.observed(cells, window), end=end)
        yield test.called


def _cells(column: Column, values: NDArray[np.float32] | Codes) -> NDArray[np.int64]:
    if column.kind == "category":
        return values.astype(np.int64)
    return np.searchsorted(np.asarray(column.edges, np.float32), values).astype(np.int64)


def _numeric_column(number: int, reference: NDArray[np.float32] | Codes) -> Column:
    edges = tuple(np.unique(np.quantile(reference, np.arange(0.1, 1.0, 0.1))).tolist())
    return Column(f"number_{number}", f"number_{number}", "request", "numeric", edges=edges)


def _category_column(number: int) -> Column:
    name = f"category_{number}"
    return Column(name, name, "request", "category", categories=tuple(str(code) for code in range(3 + number)))


def false_alarm_table(results: Results, streams: int) -> str:
    """Streams with any alarm, and the share of all windows with one."""
    lines = [f"| rule | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    for name in NAMES:
        each = [results[kind][name] for kind in results]
        shown = [f"{one.alarmed_streams} / {100 * one.alarmed_windows / (streams * WINDOWS):.3g} %" for one in each]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def delay_table(results: Results, kind: str) -> str:
    """Mean windows until a shift is called, and how many streams never call it."""
    heads = [f"{shift}, from window {at}" for shift in SHIFTS for at in SHIFT_WINDOWS]
    lines = [f"| {kind} | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name in NAMES:
        found = [results[kind][name].delays[shift, at] for shift in SHIFTS for at in SHIFT_WINDOWS]
        lines.append(f"| {name} | {' | '.join(map(_shown, found))} |")
    return "\n".join(lines)


def _shown(delays: Sequence[float]) -> str:
    called = [delay for delay in delays if np.isfinite(delay)]
    missed = len(delays) - len(called)
    if not called:
        return "never"
    mean = f"{np.mean(called):.1f} ({np.median(called):.0f})"
    return f"{mean}, {missed} never" if missed else mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--without-libraries", action="store_true")
    options = parser.parse_args()
    results = measure(options.kinds, options.streams)
    print(false_alarm_table(results, options.streams))
    for kind in options.kinds:
        print(f"\n{delay_table(results, kind)}")
    if not options.without_libraries:
        print(f"\n{drift_libraries.table(Path('build/bench'), options.kinds)}")


if __name__ == "__main__":
    main()
