"""The decision on inputs, predictions and errors: when a change is called, what is said of it, and when it is over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from functions.monitor.decision import Decision, Detector, LossDetector
from model_packages.contract import Monitor, MonitoredField, Quality
from model_packages.profile.baseline import Baseline
from model_packages.profile.tally import Tally
from tests.functions.monitor import shop

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
BY_ROWS = Monitor(block="row", tolerance=0.02)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return shop.learnt()


def run(detector: Detector, tallies: list[Tally], *, first: int = 0) -> list[Decision]:
    """One window an hour."""
    return [
        detector.update(f"window {number}", tally, end=BEGIN + timedelta(hours=number))
        for number, tally in enumerate(tallies, start=first)
    ]


def usual(baseline: Baseline, windows: int, *, rows: int = 500, seed: int = 0) -> list[Tally]:
    return [shop.window(baseline, rows, seed=1000 * seed + number) for number in range(windows)]


def test_traffic_like_the_training_data_is_no_change_in_windows_of_any_size(baseline: Baseline) -> None:
    sizes = [1, 2, 17, 200, 1000, 20_000]
    tallies = [shop.window(baseline, sizes[number % len(sizes)], seed=number) for number in range(60)]

    inputs = run(Detector(baseline, BY_ROWS, side="request"), tallies)
    predictions = run(Detector(baseline, BY_ROWS, side="response"), tallies)

    assert {decision.state for decision in [*inputs, *predictions]} == {"no_change"}
    assert max(decision.evidence for decision in [*inputs, *predictions]) < 2.0


def test_a_change_is_called_and_its_field_named(baseline: Baseline) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")
    run(detector, usual(baseline, 20))

    decisions = run(detector, [shop.window(baseline, 500, seed=99 + n, louder=0.8) for n in range(4)], first=20)

    called = next(decision for decision in decisions if decision.called)
    assert called.state == "change"
    assert called.fields == ("amount",)
    assert called.evidence >= called.threshold == pytest.approx(3.0)


def test_what_is_said_of_a_change_is_what_happened(baseline: Baseline) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")

    decision = run(detector, [shop.window(baseline, 2000, seed=1, web=0.5)])[0]

    found = decision.findings[0]
    assert (found.column, found.changed, found.direction) == ("channel", True, "more")
    assert found.words.startswith("more rows are web: 6")
    assert found.words.endswith("in the baseline")
    assert found.change == pytest.approx(0.35, abs=0.03)
    assert found.distribution_gap is None
    assert decision.score == found.change


def test_a_number_has_the_largest_gap_of_its_distribution_functions(baseline: Baseline) -> None:
    decision = run(Detector(baseline, BY_ROWS, side="request"), [shop.window(baseline, 2000, seed=1, louder=1.0)])[0]

    amount = next(finding for finding in decision.findings if finding.column == "amount")

    assert amount.distribution_gap == pytest.approx(0.38, abs=0.04)  # 2 * Phi(1/2) - 1
    assert "above" in amount.words


def test_inputs_and_predictions_are_decided_apart(baseline: Baseline) -> None:
    tallies = [shop.window(baseline, 1000, seed=number, higher=0.3) for number in range(3)]

    inputs = run(Detector(baseline, BY_ROWS, side="request"), tallies)
    predictions = run(Detector(baseline, BY_ROWS, side="response"), tallies)

    assert not inputs[-1].called
    assert predictions[-1].called
    assert predictions[-1].fields == ("chance",)


def test_a_change_within_the_tolerance_never_alarms(baseline: Baseline) -> None:
    tallies = [shop.window(baseline, 2000, seed=number, web=0.15) for number in range(40)]  # moves a tenth of the rows

    tolerant = run(Detector(baseline, replace_tolerance(0.12), side="request"), tallies)
    strict = run(Detector(baseline, BY_ROWS, side="request"), tallies)

    assert not any(decision.called for decision in tolerant)
    assert strict[-1].called


def test_a_field_has_its_own_tolerance_or_is_not_watched(baseline: Baseline) -> None:
    tallies = [shop.window(baseline, 2000, seed=number, web=0.15) for number in range(10)]
    tolerant = Monitor(block="row", fields={"channel": MonitoredField(tolerance=0.12)})
    blind = Monitor(block="row", fields={"channel": MonitoredField(watch=False)})

    for monitor in (tolerant, blind):
        decisions = run(Detector(baseline.overridden(monitor), monitor, side="request"), tallies)
        assert not any(decision.called for decision in decisions)

    assert "channel" not in {finding.field for finding in decisions[-1].findings}


def test_missing_values_are_a_change_too(baseline: Baseline) -> None:
    tally = shop.window(baseline, 1000, seed=1)
    place = next(place for place, column in enumerate(baseline.columns) if column.name == "discount")
    cells = tally.cells.copy()
    cells[baseline.cells_of(place)] //= 2

    decision = run(Detector(baseline, BY_ROWS, side="request"), [replace(tally, cells=cells)])[0]

    assert decision.fields == ("discount",)
    assert "rows are without a value" in decision.findings[0].words


def test_a_window_that_comes_twice_counts_once(baseline: Baseline) -> None:
    tally = shop.window(baseline, 300, seed=1, louder=0.3)
    once, twice = (Detector(baseline, BY_ROWS, side="request") for _ in range(2))

    first = run(once, [tally])[0]
    again = [twice.update("window 0", tally, end=BEGIN) for _ in range(30)][-1]

    assert again == first
    assert twice.to_json() == once.to_json()


def test_the_state_goes_on_from_json_as_if_it_had_never_been_away(baseline: Baseline) -> None:
    tallies = [shop.window(baseline, 300, seed=number, louder=0.25) for number in range(8)]
    whole = Detector(baseline, BY_ROWS, side="request")
    expected = run(whole, tallies)

    document, decisions = json.dumps({}), []
    for number, tally in enumerate(tallies):
        detector = Detector.from_json(json.loads(document), baseline, BY_ROWS, side="request")
        decisions += run(detector, [tally], first=number)
        document = json.dumps(detector.to_json())

    assert decisions == expected
    assert json.loads(document) == whole.to_json()
    assert len(document) < 10_000


@pytest.mark.parametrize("monitor", [Monitor(block="row", tolerance=0.03), Monitor()], ids=["tolerance", "block"])
def test_other_settings_begin_anew(baseline: Baseline, monitor: Monitor) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")
    run(detector, [shop.window(baseline, 500, seed=1, louder=1.0)])

    other = Detector.from_json(detector.to_json(), baseline, monitor, side="request")

    assert other.to_json() == Detector(baseline, monitor, side="request").to_json()


def test_another_version_begins_anew(baseline: Baseline) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")
    run(detector, [shop.window(baseline, 500, seed=1, louder=1.0)])
    retrained = shop.learnt(3000, seed=5)

    decision = run(
        Detector.from_json(detector.to_json(), retrained, BY_ROWS, side="request"),
        [shop.window(retrained, 200, seed=2)],
    )[0]

    assert not decision.called
    assert decision.evidence < 1.0


def test_an_alarm_is_over_a_few_windows_after_the_change_is(baseline: Baseline) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")
    assert run(detector, [shop.window(baseline, 5000, seed=n, louder=1.0) for n in range(30)])[-1].called

    decisions = run(detector, usual(baseline, 3), first=30)

    assert not decisions[-1].called
    assert decisions[-1].evidence < 1.0


def test_a_lasting_change_stays_called(baseline: Baseline) -> None:
    decisions = run(
        Detector(baseline, BY_ROWS, side="request"),
        [shop.window(baseline, 1000, seed=n, louder=0.5) for n in range(40)],
    )

    assert all(decision.called for decision in decisions[3:])


def test_a_window_without_rows_is_no_evidence_and_leaves_everything_as_it_was(baseline: Baseline) -> None:
    detector = Detector(baseline, BY_ROWS, side="request")
    before = run(detector, [shop.window(baseline, 2000, seed=1, louder=1.0)])[0]

    empty = run(detector, [Tally.empty(baseline)], first=1)[0]

    assert (empty.state, empty.rows, empty.blocks) == ("no_evidence", 0, 0)
    assert empty.called
    assert empty.evidence == before.evidence


def test_without_a_watched_field_there_is_nothing_to_decide(baseline: Baseline) -> None:
    monitor = Monitor(fields={name: MonitoredField(watch=False) for name in ("chance",)})
    detector = Detector(baseline.overridden(monitor), monitor, side="response")

    decision = run(detector, usual(baseline, 1))[0]

    assert decision.findings == ()
    assert not decision.called
    assert decision.score == 0.0


def test_an_image_that_could_not_be_read_is_no_change(baseline: Baseline) -> None:
    tally = shop.window(baseline, 1000, seed=1)
    place = next(place for place, field in enumerate(baseline.fields) if field.name == "amount")
    unread, cells = tally.unread.copy(), tally.cells.copy()
    unread[place], cells[baseline.cells_of(0)] = 1000, 0

    decisions = run(Detector(baseline, BY_ROWS, side="request"), [replace(tally, unread=unread, cells=cells)] * 1)

    assert not decisions[0].called


def test_many_alike_requests_of_one_caller_are_one_observation(baseline: Baseline) -> None:
    """30 callers a window, each with a burst of rows of one amount: without blocks each window looks like a change."""
    tallies = [burst(baseline, number) for number in range(30)]

    by_caller = run(Detector(baseline, Monitor(block="caller"), side="request"), tallies)
    by_row = run(Detector(baseline, BY_ROWS, side="request"), tallies)

    assert not any(decision.called for decision in by_caller)
    assert by_caller[0].blocks == 30
    assert any(decision.called for decision in by_row)


def test_a_change_is_called_by_blocks_too(baseline: Baseline) -> None:
    tallies = [
        shop.window(baseline, 600, seed=number, louder=1.0, block_keys=np.arange(600) // 10) for number in range(6)
    ]

    decisions = run(Detector(baseline, Monitor(block="time"), side="request"), tallies)

    assert decisions[0].blocks == 60
    assert decisions[-1].called
    assert decisions[-1].fields == ("amount",)


def test_rows_that_were_folded_without_blocks_count_as_one(baseline: Baseline) -> None:
    decision = run(Detector(baseline, Monitor(block="time"), side="request"), usual(baseline, 1))[0]

    assert decision.blocks == 1


def test_the_daily_rhythm_is_no_change_and_a_change_of_the_whole_day_is(baseline: Baseline) -> None:
    monitor = Monitor(block="row", season_hours=24, season_tolerance=0.2)
    seasonal = Detector(baseline, monitor, side="request")
    without = Detector(baseline, BY_ROWS, side="request")
    quiet = [day_and_night(baseline, number) for number in range(97)]

    decisions = run(seasonal, quiet)
    changed = run(seasonal, [day_and_night(baseline, number, louder=0.4) for number in range(97, 150)], first=97)

    assert not any(decision.called for decision in decisions)
    assert any(decision.called for decision in run(without, quiet))
    assert changed[-1].called
    assert changed[-1].fields == ("amount",)


def test_a_large_change_is_called_in_the_middle_of_a_season(baseline: Baseline) -> None:
    detector = Detector(baseline, Monitor(block="row", season_hours=168), side="request")
    run(detector, [day_and_night(baseline, number) for number in range(30)])

    decisions = run(detector, [day_and_night(baseline, number, louder=1.5) for number in range(30, 32)], first=30)

    assert decisions[-1].called


def test_a_season_begins_anew_when_an_alarm_is_over(baseline: Baseline) -> None:
    detector = Detector(baseline, Monitor(block="row", season_hours=24), side="request")
    run(detector, [day_and_night(baseline, number) for number in range(5)])
    assert run(detector, [day_and_night(baseline, 5, louder=2.0)], first=5)[-1].called

    quiet = run(detector, [day_and_night(baseline, number) for number in range(6, 40)], first=6)

    over = next(number for number, decision in enumerate(quiet, start=6) if not decision.called)
    assert not quiet[-1].called
    assert datetime.fromisoformat(detector.to_json()["clocks"][1]["begin"]) >= BEGIN + timedelta(hours=over)


def test_a_season_with_a_long_gap_in_it_is_not_judged(baseline: Baseline) -> None:
    detector = Detector(baseline, Monitor(block="row", season_hours=24), side="request")
    run(detector, [day_and_night(baseline, number) for number in range(8)])  # the night of the first day alone

    late = detector.update("after the gap", day_and_night(baseline, 50), end=BEGIN + timedelta(hours=50))

    assert not late.called


@pytest.mark.parametrize("block", ["row", "time"])
def test_the_state_of_a_season_goes_on_from_json(baseline: Baseline, block: str) -> None:
    monitor = Monitor.model_validate({"block": block, "season_hours": 24})
    whole = Detector(baseline, monitor, side="request")
    tallies = [day_and_night(baseline, number, block_keys=np.arange(200) // 5) for number in range(60)]
    run(whole, tallies)

    detector = Detector(baseline, monitor, side="request")
    for number, tally in enumerate(tallies):
        run(detector, [tally], first=number)
        detector = Detector.from_json(json.loads(json.dumps(detector.to_json())), baseline, monitor, side="request")

    assert detector.to_json()["clocks"][0] == whole.to_json()["clocks"][0]
    kept, expected = detector.to_json()["clocks"][1], whole.to_json()["clocks"][1]
    assert {key: kept[key] for key in ("begin", "windows", "full_block")} == {
        key: expected[key] for key in ("begin", "windows", "full_block")
    }


def errors(draw: np.random.Generator, rate: float, rows: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (draw.random(rows) < rate).astype(float)


def test_errors_as_on_the_holdout_are_no_change_and_more_of_them_are() -> None:
    draw = np.random.default_rng(0)
    detector = LossDetector(holdout_loss=0.1, holdout_rows=5000, monitor=Monitor(quality=Quality(tolerance=0.02)))

    quiet = [detector.update(str(n), errors(draw, 0.1, 200), end=BEGIN) for n in range(100)]
    worse = [detector.update(str(n), errors(draw, 0.2, 200), end=BEGIN) for n in range(100, 115)]

    assert not any(decision.called for decision in quiet)
    assert worse[-1].called
    assert worse[-1].rows == 200


def test_errors_come_in_blocks_and_the_state_goes_on_from_json() -> None:
    settings = {"holdout_loss": 0.1, "holdout_rows": 500, "monitor": Monitor()}
    detector = LossDetector(**settings)  # type: ignore[arg-type]
    wrong = np.array([1.0] * 50 + [0.0] * 50)

    decision = detector.update("one", wrong, end=BEGIN, block_keys=np.arange(100) // 50)
    again = LossDetector.from_json(detector.to_json(), **settings).update("one", wrong, end=BEGIN)  # type: ignore[arg-type]

    assert decision.blocks == 2
    assert again.evidence == decision.evidence


def test_no_label_is_no_evidence() -> None:
    detector = LossDetector(holdout_loss=0.1, holdout_rows=500, monitor=Monitor())

    decision = detector.update("one", np.zeros(0), end=BEGIN)

    assert decision.state == "no_evidence"


def replace_tolerance(tolerance: float) -> Monitor:
    return Monitor(block="row", tolerance=tolerance)


def burst(baseline: Baseline, seed: int) -> Tally:
    """Rows of 30 callers; what a caller sends, it sends 20 times."""
    draw = np.random.default_rng(seed)
    once = shop.requests(draw, 30)
    return shop.folded(
        baseline,
        {name: np.repeat(values, 20) for name, values in once.items()},
        block_keys=np.repeat(np.arange(30), 20),
    )


def day_and_night(baseline: Baseline, hour: int, *, louder: float = 0.0, block_keys: shop.Keys | None = None) -> Tally:
    """Purchases of an hour; by day there are larger ones, and over the day all is as in the baseline."""
    by_day = hour % 24 >= 12
    return shop.window(
        baseline, 200, seed=5000 + hour, louder=(0.35 if by_day else -0.35) + louder, block_keys=block_keys
    )
