"""The simulation of a package's settings on its own traffic: what it finds of traffic of which the truth is known."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from functions.monitor.history import History, Traffic
from functions.monitor.simulate import REPEATS, Simulation, Simulator, text, window_rows
from functions.monitor.watched import Watched
from model_packages.contract import Monitor, PackageConfig
from model_packages.dataset import Record, write_records
from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline
from model_packages.profile.learning import build_baseline
from tests.functions.monitor import shop
from tests.functions.monitor.flowers import NOON, captured, lines_of, requests_of

BY_ROWS = Monitor(block="row")


@pytest.fixture(scope="module")
def requests() -> list[dict[str, object]]:
    return shop.as_rows(shop.requests(np.random.default_rng(0), 3000))


@pytest.fixture(scope="module")
def baseline(requests: list[dict[str, object]]) -> Baseline:
    return build_baseline(shop.INTERFACE, requests=requests, responses=[])


def traffic_of(requests: list[dict[str, object]], callers: list[str] | None = None) -> Traffic:
    rows = tuple({"request": request, "response": None} for request in requests)
    return Traffic(rows, tuple(callers or [""] * len(rows)), is_captured=False)


def simulator(baseline: Baseline, traffic: Traffic, monitor: Monitor = BY_ROWS, *, rows: int = 300) -> Simulator:
    return Simulator(interface=shop.INTERFACE, monitor=monitor, baseline=baseline, traffic=traffic, window_rows=rows)


@pytest.fixture(scope="module")
def found(baseline: Baseline, requests: list[dict[str, object]]) -> Simulation:
    return simulator(baseline, traffic_of(requests)).run(windows=300, sizes=[0.01, 0.5])


def test_traffic_without_a_change_raises_no_alarm_and_the_interval_says_how_sure_that_is(found: Simulation) -> None:
    alarms = found.false_alarms[0]

    assert (alarms.side, alarms.windows, alarms.alarms) == ("request", 300, 0)
    assert alarms.lowest_rate == pytest.approx(0.0, abs=1e-9)
    assert alarms.highest_rate == pytest.approx(1 - 0.025 ** (1 / 300), rel=1e-6)
    assert alarms.stated_rate == 0.001


def test_traffic_as_it_was_is_quiet_where_it_is_like_the_baseline(found: Simulation) -> None:
    assert (found.as_it_was[0].windows, found.as_it_was[0].called, found.as_it_was[0].fields) == (10, 0, ())


def test_a_large_shift_of_each_field_is_called_and_a_tiny_one_is_not(found: Simulation) -> None:
    large = {each.field: each for each in found.detections if each.size == 0.5}
    tiny = {each.field: each for each in found.detections if each.size == 0.01}

    assert set(large) == set(tiny) == {"amount", "items", "channel", "discount"}
    assert all(each.called == REPEATS and each.windows is not None for each in large.values())
    assert large["channel"].windows == 1.0
    assert large["channel"].rows == 300
    assert tiny["amount"].windows is None
    assert tiny["amount"].tries == REPEATS // 2 + 1


def test_what_is_found_can_be_read_by_people_and_by_scripts(found: Simulation) -> None:
    said = text(found, BY_ROWS)

    assert "0 alarms in 300 windows" in said
    assert "channel 50% of the rows" in said
    assert json.loads(json.dumps(asdict(found)))["window_rows"] == 300


def test_traffic_that_changed_is_told_with_the_field_and_the_tolerance_that_would_bear_it(
    baseline: Baseline, requests: list[dict[str, object]]
) -> None:
    changed = [{**request, "channel": "web"} if number % 5 == 0 else request for number, request in enumerate(requests)]

    told = simulator(baseline, traffic_of(changed)).run(windows=1, sizes=[0.9]).as_it_was[0]

    assert told.called > 0
    assert told.fields == ("channel",)
    assert told.calm_tolerance is not None
    assert 0.05 <= told.calm_tolerance <= 0.2


def test_traffic_that_fills_no_window_is_said_to_be_too_little(
    baseline: Baseline, requests: list[dict[str, object]]
) -> None:
    told = simulator(baseline, traffic_of(requests), rows=4000).run(windows=1, sizes=[0.9])

    assert "fills no window" in text(told, BY_ROWS)


def test_the_same_traffic_gives_the_same_findings(baseline: Baseline, requests: list[dict[str, object]]) -> None:
    first, second = (simulator(baseline, traffic_of(requests)).run(windows=50, sizes=[0.3]) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("monitor", "blocks"),
    [(BY_ROWS, 300), (Monitor(), 12), (Monitor(block="caller"), 30)],
    ids=["row", "time", "caller"],
)
def test_a_window_is_drawn_in_the_blocks_that_the_package_counts_in(
    baseline: Baseline, requests: list[dict[str, object]], monitor: Monitor, blocks: int
) -> None:
    traffic = traffic_of(requests, [f"caller {number // 10}" for number in range(len(requests))])
    history = simulator(baseline, traffic, monitor).history("request")

    drawn, first = history.drawn(np.random.default_rng(1)), next(history.in_order())

    assert (drawn.rows, drawn.blocks, first.rows, first.blocks) == (300, blocks, 300, blocks)


def test_windows_in_order_are_what_was_there(baseline: Baseline, requests: list[dict[str, object]]) -> None:
    history = simulator(baseline, traffic_of(requests), Monitor()).history("request")
    watched = Watched.of(baseline, Monitor(), side="request")

    windows = list(history.in_order())

    assert len(windows) == 10
    assert sum(window.hits for window in windows) == pytest.approx(
        watched.rates.hits(baseline.tally.cells, np.asarray(3000))
    )
    means, sizes = windows[0].block_means, windows[0].block_rows
    assert means is not None
    assert sizes is not None
    assert sizes @ means == pytest.approx(windows[0].hits)


def test_callers_that_nobody_knows_are_said_to_be_unknown(
    baseline: Baseline, requests: list[dict[str, object]]
) -> None:
    told = simulator(baseline, traffic_of(requests), Monitor(block="caller")).run(windows=1, sizes=[0.9])

    assert any("nobody knows the callers" in note for note in told.notes)
    assert told.blocks == 300


def test_a_season_is_judged_by_its_own_tolerance(baseline: Baseline, requests: list[dict[str, object]]) -> None:
    monitor = Monitor(block="row", season_hours=24)

    told = simulator(baseline, traffic_of(requests), monitor).run(windows=60, sizes=[0.9])

    assert told.false_alarms[0].alarms == 0
    assert any("season" in note for note in told.notes)


def test_traffic_is_read_from_records_in_the_order_of_time(tmp_path: Path) -> None:
    records: list[Record] = [
        {"request": {"amount": number}, "label": {}, "time": f"2026-01-0{number}T00:00:00Z"} for number in (3, 1, 2)
    ]
    write_records(records, tmp_path / "records.jsonl")

    traffic = Traffic.of_records(tmp_path)

    assert [row["request"]["amount"] for row in traffic.rows] == [1, 2, 3]
    assert list(traffic.sides()) == ["request"]


def test_traffic_is_read_from_captured_files_with_their_answers(tmp_path: Path) -> None:
    later = captured(30, time=NOON + timedelta(hours=1))
    (tmp_path / "13").mkdir()
    (tmp_path / "13" / "b.jsonl").write_bytes(lines_of(later))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines_of(captured(20, seed=1))))

    traffic = Traffic.of_captures(tmp_path)

    assert len(traffic.rows) == 50
    assert traffic.rows[0]["request"] == requests_of(random.Random(1), 20)[0]  # noqa: S311
    assert list(traffic.sides()) == ["request", "response"]


def test_a_folder_without_captured_rows_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="holds no captured row; allowed"):
        Traffic.of_captures(tmp_path)


def test_rows_without_an_answer_are_no_predictions(baseline: Baseline, requests: list[dict[str, object]]) -> None:
    traffic = traffic_of(requests[:100])
    rows = tuple(
        {**row, "response": {"chance": 0.1} if number < 40 else None} for number, row in enumerate(traffic.rows)
    )
    watched = Watched.of(baseline, BY_ROWS, side="response")

    history = History.of(
        replace(traffic, rows=rows), baseline, watched.rates, side="response", monitor=BY_ROWS, window_rows=20
    )

    assert history.rows == 40


@pytest.mark.parametrize(("expected", "rows"), [(0, 200), (720_000, 1000)])
def test_a_window_has_the_rows_that_the_budget_expects(expected: int, rows: int) -> None:
    config = PackageConfig.model_validate(
        {
            "description": "A shop.",
            "task": "binary_classification",
            "gate": {"metric": "accuracy", "minimum": 0.5},
            "budget": {"requests_per_month": expected},
        }
    )

    assert window_rows(config) == rows
