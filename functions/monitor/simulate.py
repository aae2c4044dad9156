"""What a package's settings of the drift decision would do on its own traffic: `python -m functions.monitor.simulate`.

How often they would call a change where there is none, what they would have called of the traffic as it was, and how
many rows it takes until a shift of a field is called. It reads files and writes nothing but what it prints.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from functions.monitor.betting import upper_bounds
from functions.monitor.history import History, Traffic
from functions.monitor.sequential_test import Observed, SequentialTest
from functions.monitor.watched import Watched
from model_packages.contract import Monitor, PackageConfig
from model_packages.discovery import ROOT, read_package
from model_packages.errors import OperatorError
from model_packages.fields import FieldSpec
from model_packages.interface import Interface, load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.columns import SIDES, Side
from model_packages.shifting import SCATTERED, Shift, shifted

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES_A_MONTH = 30 * 24 * 60
STREAM_WINDOWS = 250
"""Of one simulated endpoint; each has a baseline of its own, drawn like the windows."""
REPEATS, LONGEST_WINDOWS = 7, 60
"""How often each shift is tried, and after how many windows one gives up."""
DEVIATIONS, SHARES = (0.1, 0.25, 0.5, 1.0), (0.05, 0.1, 0.25, 0.5)
"""The shifts that are tried: of numbers, and of the share of the rows that other fields change in."""
TOLERANCES = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)
CERTAINTY = 0.95


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Of windows drawn from the traffic, in which nothing changes."""

    side: Side
    windows: int
    alarms: int
    lowest_rate: float
    """Per window; with the highest a 95 % confidence interval."""
    highest_rate: float
    stated_rate: float


@dataclass(frozen=True, slots=True)
class AsItWas:
    """The traffic in the order of time, window by window."""

    side: Side
    windows: int
    called: int
    """Windows in which a change was called."""
    fields: tuple[str, ...]
    """What it was called for."""
    calm_tolerance: float | None
    """The least tolerance tried that calls nothing; None: none does."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One shift of one field of the requests, from a window on."""

    field: str
    size: float
    unit: str
    called: int
    tries: int
    """No more are made once most have failed."""
    windows: float | None
    """In the median, the first shifted one included; None where most tries never call it."""
    rows: int | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """All of it, about one package."""

    package: str
    traffic_rows: int
    window_rows: int
    blocks: int
    """Independent observations in a window."""
    notes: tuple[str, ...]
    false_alarms: tuple[FalseAlarms, ...]
    as_it_was: tuple[AsItWas, ...]
    detections: tuple[Detection, ...]


@dataclass(frozen=True)
class Simulator:
    """A package, its baseline and its traffic."""

    interface: Interface
    monitor: Monitor
    baseline: Baseline
    """Overridden by the same `monitor`."""
    traffic: Traffic
    window_rows: int
    seed: int = 0

    def run(self, *, windows: int, sizes: Sequence[float] = ()) -> Simulation:
        """`windows` are drawn for the false alarms; `sizes` are tried in place of the usual shifts."""
        histories = {side: self.history(side) for side in self.traffic.sides() if self._watched(side).rates.columns}
        return Simulation(
            package=self.interface.package,
            traffic_rows=len(self.traffic.rows),
            window_rows=self.window_rows,
            blocks=next((history.drawn(self._draw()).blocks for history in histories.values()), 0),
            notes=tuple(self._notes()),
            false_alarms=tuple(self.false_alarms(side, one, windows=windows) for side, one in histories.items()),
            as_it_was=tuple(self.as_it_was(side, one) for side, one in histories.items()),
            detections=tuple(self.detections(sizes)) if "request" in histories else (),
        )

    def history(self, side: Side, traffic: Traffic | None = None) -> History:
        """The traffic, or another, on the baseline's cells."""
        return History.of(
            traffic or self.traffic,
            self.baseline,
            self._watched(side).rates,
            side=side,
            monitor=self.monitor,
            window_rows=self.window_rows,
        )

    def false_alarms(self, side: Side, history: History, *, windows: int) -> FalseAlarms:
        """Where the traffic is what the baseline was made of, each stream's baseline is drawn from it as well."""
        draw, alarms, done = self._draw(), 0, 0
        while done < windows:
            watched = self._watched(side)
            rows = watched.baseline.rows_of(side)
            own = replace(watched.baseline, cells=history.drawn_cells(draw, rows))
            test = SequentialTest.of(replace(watched, baseline=own).limits(), self.monitor)
            length = min(STREAM_WINDOWS, windows - done)
            alarms += sum(_alarms(self._calls(test, (history.drawn(draw) for _ in range(length)))))
            done += length
        rates = np.array([alarms / done, 1.0 - alarms / done])
        high, low = upper_bounds(rates, done, error=(1.0 - CERTAINTY) / 2.0).tolist()
        return FalseAlarms(side, done, alarms, 1.0 - low, high, 1.0 / self.monitor.windows_per_false_alarm)

    def as_it_was(self, side: Side, history: History) -> AsItWas:
        test, windows = self._test(side, self.monitor), list(history.in_order())
        fields: dict[str, None] = {}
        called = 0
        for is_called in self._calls(test, windows):
            called += is_called
            fields |= dict.fromkeys(self._named(side, test) if is_called else ())
        return AsItWas(side, len(windows), called, tuple(fields), self._calm_tolerance(side, windows))

    def detections(self, sizes: Sequence[float]) -> Iterator[Detection]:
        """Every watched field of the requests by every size."""
        watched = {column.field for column in self._watched("request").rates.columns}
        for field in self.interface.request_fields:
            usual = DEVIATIONS if field.kind in SCATTERED else SHARES
            for size in (sizes or usual) if field.name in watched else ():
                if (found := self._detection(field, size)) is not None:
                    yield found

    def _detection(self, field: FieldSpec, size: float) -> Detection | None:
        """None where the field cannot be shifted so."""
        requests = [row["request"] for row in self.traffic.rows]
        try:
            changed = shifted(requests, Shift(field=field.name, size=size), fields=[field], seed=self.seed, first=0)
        except OperatorError:
            return None
        rows = tuple({**row, "request": request} for row, request in zip(self.traffic.rows, changed, strict=True))
        history, draw = self.history("request", replace(self.traffic, rows=rows)), self._draw()
        delays: list[float] = []
        while len(delays) < REPEATS and delays.count(math.inf) <= REPEATS // 2:
            delays.append(self._delay(history, draw))
        median = float(np.median([*delays, *[math.inf] * (REPEATS - len(delays))]))
        return Detection(
            field=field.name,
            size=size,
            unit="standard deviations" if field.kind in SCATTERED else "of the rows",
            called=len(delays) - delays.count(math.inf),
            tries=len(delays),
            windows=median if np.isfinite(median) else None,
            rows=int(median * self.window_rows) if np.isfinite(median) else None,
        )

    def _delay(self, history: History, draw: np.random.Generator) -> float:
        calls = self._calls(deepcopy(self._beginning), iter(lambda: history.drawn(draw), None))
        found = (number for number, called in enumerate(islice(calls, LONGEST_WINDOWS), start=1) if called)
        return float(next(found, math.inf))

    @cached_property
    def _beginning(self) -> SequentialTest:
        return self._test("request", self.monitor)

    def _calm_tolerance(self, side: Side, windows: Sequence[Observed]) -> float | None:
        name = "season_tolerance" if self.monitor.season_hours else "tolerance"
        for tolerance in (getattr(self.monitor, name), *TOLERANCES):
            monitor = self.monitor.model_copy(update={name: tolerance})
            if tolerance >= getattr(self.monitor, name) and not any(self._calls(self._test(side, monitor), windows)):
                return float(tolerance)
        return None

    def _named(self, side: Side, test: SequentialTest) -> Iterator[str]:
        evidence = test.groups
        columns = self._watched(side).rates.columns
        for place in np.flatnonzero((evidence >= test.threshold) | (evidence == evidence.max())):
            yield columns[int(place)].field

    def _calls(self, test: SequentialTest, windows: Iterable[Observed]) -> Iterator[bool]:
        """Whether a change is called, after each window."""
        for number, observed in enumerate(windows, start=1):
            test.add(str(number), observed, end=BEGIN + number * timedelta(minutes=self.monitor.window_minutes))
            yield test.called

    def _test(self, side: Side, monitor: Monitor) -> SequentialTest:
        return SequentialTest.of(Watched.of(self.baseline, monitor, side=side).limits(), monitor)

    def _watched(self, side: Side) -> Watched:
        return self._sides[side]

    @cached_property
    def _sides(self) -> dict[Side, Watched]:
        return {side: Watched.of(self.baseline, self.monitor, side=side) for side in SIDES}

    def _draw(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def _notes(self) -> Iterator[str]:
        if self.monitor.block == "caller" and not any(self.traffic.callers):
            yield 'nobody knows the callers of these rows, so each row is its own block, in place of block = "caller"'
        if self.monitor.season_hours:
            yield "drawn windows have no season; only the traffic as it was has one"
        if not self.traffic.is_captured:
            yield "the traffic is the training data: it has no predictions, and is as the baseline by nature"


def window_rows(config: PackageConfig) -> int:
    """How many rows a window of this package has, by the requests that its budget expects."""
    expected = config.budget.requests_per_month * config.monitor.window_minutes / MINUTES_A_MONTH
    return max(config.monitor.minimum_rows, round(expected))


def text(found: Simulation, monitor: Monitor) -> str:
    """For people."""
    lines = [
        f"{found.package}: windows of {found.window_rows:,} rows ({found.blocks:,} independent observations), drawn "
        f"from {found.traffic_rows:,} rows; tolerance {monitor.tolerance:g}, block = {monitor.block!r}",
        *(f"note: {note}" for note in found.notes),
        "",
        *map(_false_alarm_line, found.false_alarms),
        *map(_as_it_was_line, found.as_it_was),
        "",
        f"{'shift of a field':<52}{'called':>8}{'windows':>10}{'rows':>12}",
        *map(_detection_line, found.detections),
    ]
    return "\n".join(lines)


def _false_alarm_line(found: FalseAlarms) -> str:
    return (
        f"{found.side}s without a change: {found.alarms} alarms in {found.windows:,} windows, so surely no more than "
        f"one in {1.0 / found.highest_rate:,.0f}; stated: one in {1.0 / found.stated_rate:,.0f}"
    )


def _as_it_was_line(found: AsItWas) -> str:
    if not found.windows:
        return f"{found.side}s as they were: the traffic fills no window; try fewer --rows"
    said = f"{found.side}s as they were: a change is called in {found.called} of {found.windows} windows"
    if not found.called:
        return said
    calm = "no tolerance up to 0.5" if found.calm_tolerance is None else f"a tolerance of {found.calm_tolerance:g}"
    return f"{said} ({', '.join(found.fields)}); {calm} calls none"


def _detection_line(found: Detection) -> str:
    size = f"{found.size:+g} {found.unit}" if found.unit != "of the rows" else f"{found.size:.0%} {found.unit}"
    windows = "-" if found.windows is None else f"{found.windows:.0f}"
    rows = "-" if found.rows is None else f"{found.rows:,}"
    return f"{f'{found.field} {size}':<52}{f'{found.called}/{found.tries}':>8}{windows:>10}{rows:>12}"


def _alarms(calls: Iterable[bool]) -> Iterator[bool]:
    """Where an alarm begins."""
    before = False
    for called in calls:
        yield called and not before
        before = called


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m functions.monitor.simulate", description=__doc__)
    parser.add_argument("package")
    parser.add_argument("--baseline", type=Path, required=True, help="baseline.json of the version that serves")
    traffic = parser.add_mutually_exclusive_group(required=True)
    traffic.add_argument("--records", type=Path, help="a folder of labelled records")
    traffic.add_argument("--captures", type=Path, help="a folder of captured files")
    parser.add_argument("--rows", type=int, help="rows of a window; by default what the package's budget expects")
    parser.add_argument("--windows", type=int, default=5000, help="how many windows are drawn for the false alarms")
    parser.add_argument("--size", type=float, action="append", default=[], help="a shift to try instead of the usual")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _simulator(options: argparse.Namespace) -> Simulator:
    config = read_package(ROOT / options.package).config
    return Simulator(
        interface=load_interface(options.package),
        monitor=config.monitor,
        baseline=Baseline.from_json(options.baseline.read_bytes()).overridden(config.monitor),
        traffic=Traffic.of_captures(options.captures) if options.captures else Traffic.of_records(options.records),
        window_rows=options.rows or window_rows(config),
    )


def main() -> int:
    """Exit code 2, and one sentence, where something about what is to be read is wrong."""
    options = _arguments()
    try:
        simulator = _simulator(options)
        found = simulator.run(windows=options.windows, sizes=options.size)
    except (OperatorError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(found)) if options.json else text(found, simulator.monitor))
    return 0


if __name__ == "__main__":
    sys.exit(main())
