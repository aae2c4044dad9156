"""What is a violation and what is chance, and the file as Model Monitor writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field
from scipy import stats

from functions.monitor.violations import (
    CHANCE,
    Check,
    Counted,
    Drift,
    Records,
    Violation,
    constraint_violations_json,
    find_violations,
    likely_at_most,
)
from model_packages.contract import Monitor
from model_packages.fields import Payload
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.learning import build_baseline

Rows = Sequence[Mapping[str, Any]]


class Request(Payload):
    amount: Annotated[float, Field(ge=0, le=1000)]
    country: Literal["DE", "FR"]
    note: str | None = None
    order: str


class Response(Payload):
    score: float


class Label(Payload):
    paid: bool


def request(number: int, **changes: Any) -> dict[str, Any]:
    return {"amount": 10.0 + number % 7, "country": "DE", "note": "n", "order": f"order-{number}", **changes}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    """10,000 rows without a fault, of which a tenth has no note."""
    interface = Interface("shop", request=Request, response=Response, label=Label)
    requests = [request(number, note=None if number % 10 == 0 else "n") for number in range(10_000)]
    return build_baseline(interface, requests=requests, responses=[{"score": 0.5}] * 10_000)


def found_in(baseline: Baseline, rows: Rows, **options: Any) -> tuple[Violation, ...]:
    monitor = Monitor.model_validate(options.pop("monitor", {}))
    overridden = baseline.overridden(monitor)
    tally = fold(overridden, [{"request": row, "response": {"score": 0.5}} for row in rows])
    records = options.pop("records", Records(records=len(rows)))
    return find_violations(overridden, tally, monitor=monitor, records=records, **options)


def checks(violations: Sequence[Violation]) -> list[tuple[str, str]]:
    return [(violation.feature_name, violation.constraint_check_type.value) for violation in violations]


def with_faults(count: int, faults: int, **changes: Any) -> Rows:
    return [request(number, **(changes if number < faults else {})) for number in range(count)]


def test_rows_like_the_baselines_violate_nothing(baseline: Baseline) -> None:
    assert found_in(baseline, with_faults(500, 50, note=None)) == ()


def test_one_missing_value_of_two_hundred_is_chance_and_ten_are_a_violation(baseline: Baseline) -> None:
    one, ten = (found_in(baseline, with_faults(200, faults, amount=None)) for faults in (1, 10))

    assert one == ()
    assert checks(ten) == [("amount", "completeness_check")]
    assert (ten[0].share, ten[0].rows) == (0.05, 10)
    assert 0 < ten[0].allowed < 0.001
    assert "10 of 200 rows have none" in ten[0].description


def test_one_missing_value_is_a_violation_where_the_package_states_that_there_is_none(baseline: Baseline) -> None:
    monitor = {"fields": {"amount": {"completeness": 1.0}}}

    found = found_in(baseline, with_faults(200, 1, amount=None), monitor=monitor)

    assert checks(found) == [("amount", "completeness_check")]
    assert found[0].allowed == 0.0


def test_a_stated_completeness_allows_what_chance_does_to_it(baseline: Baseline) -> None:
    monitor = {"fields": {"amount": {"completeness": 0.95}}}

    within, beyond = (found_in(baseline, with_faults(200, faults, amount=None), monitor=monitor) for faults in (14, 40))

    assert within == ()
    assert checks(beyond) == [("amount", "completeness_check")]


def test_a_field_that_nobody_sends_any_more_is_a_missing_column(baseline: Baseline) -> None:
    found = found_in(baseline, with_faults(300, 300, note=None))

    assert checks(found) == [("note", "missing_column_check")]


def test_one_value_of_another_type_is_a_violation(baseline: Baseline) -> None:
    found = found_in(baseline, with_faults(200, 1, amount="ten"))

    assert checks(found) == [("amount", "data_type_check")]
    assert found[0].description == (
        "Data type match requirement is not met. Expected data type: Fractional, Expected match: 100%. Observed: only "
        "99.5% of data is Fractional; 1 of 200 values are of another type."
    )


def test_numbers_out_of_range_and_unknown_categories(baseline: Baseline) -> None:
    rows = with_faults(200, 20, amount=5000.0, country="US")

    assert checks(found_in(baseline, rows)) == [("amount", "range_check"), ("country", "categorical_values_check")]


def test_a_stated_range_replaces_the_schemas(baseline: Baseline) -> None:
    rows = with_faults(100, 1, amount=900.0)

    found = found_in(baseline, rows, monitor={"fields": {"amount": {"maximum": 800}}})

    assert checks(found) == [("amount", "range_check")]
    assert "at most 800" in found[0].description
    assert found_in(baseline, rows) == ()


def test_a_value_that_was_unique_and_repeats(baseline: Baseline) -> None:
    found = found_in(baseline, with_faults(1000, 500, order="again"))

    assert checks(found) == [("order", "uniqueness_check")]
    assert found[0].share == pytest.approx(0.5, abs=0.05)


def test_fields_that_the_schema_does_not_have_and_records_that_came_twice(baseline: Baseline) -> None:
    records = Records(records=200, duplicates=20, extra_fields={"<b>": 3})

    found = found_in(baseline, with_faults(200, 0), records=records)

    assert checks(found) == [("<b>", "extra_column_check"), ("", "duplicate_records_check")]
    assert found[1].allowed == 0.01


def test_a_called_drift_is_a_violation_and_says_where_in_the_field(baseline: Baseline) -> None:
    drifts = [
        Drift(field="amount", column="amount", change=0.341, tolerance=0.02),
        Drift(field="note", column="note.length", change=0.2, tolerance=0.02),
    ]

    found = found_in(baseline, with_faults(200, 0), drifts=drifts)

    assert [violation.description for violation in found] == [
        "Baseline drift distance: 0.341 exceeds threshold: 0.02.",
        "Baseline drift distance: 0.2 in note.length exceeds threshold: 0.02.",
    ]


def test_a_window_without_answers_violates_nothing_of_the_response(baseline: Baseline) -> None:
    tally = fold(baseline, [{"request": request(number), "response": None} for number in range(50)])

    assert find_violations(baseline, tally, monitor=Monitor(), records=Records(records=50)) == ()


def test_the_document_is_model_monitors_with_sizes_beside() -> None:
    violation = Violation(
        feature_name="amount", constraint_check_type=Check.RANGE, description="bad", share=0.5, allowed=0.1, rows=50
    )

    document = json.loads(constraint_violations_json([violation], rows=100))

    assert document["violations"] == [
        {"feature_name": "amount", "constraint_check_type": "range_check", "description": "bad"}
    ]
    assert document["flyball"] == {
        "rows": 100,
        "chance": CHANCE,
        "sizes": [{"share": 0.5, "allowed": 0.1, "rows": 50}],
    }
    assert json.loads(constraint_violations_json([], rows=0))["violations"] == []


def test_a_learnt_share_is_known_as_well_as_its_rows_tell() -> None:
    # without a hit in m rows, (1 - u)^m = CHANCE
    assert likely_at_most(0.0, rows=1000) == pytest.approx(1 - CHANCE ** (1 / 1000))
    # never less than the exact bound of Clopper and Pearson, and not much more
    for hits, rows in [(1, 100), (20, 500), (300, 1000)]:
        exact = stats.beta.ppf(1 - CHANCE, hits + 1, rows - hits)
        assert exact <= likely_at_most(hits / rows, rows=rows) <= exact * 1.3
    assert likely_at_most(0.0, rows=0) == 1.0


@pytest.mark.parametrize("rows", [30, 200, 5000])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3])
def test_a_window_with_just_the_allowed_share_is_called_no_more_often_than_stated(rows: int, share: float) -> None:
    counts = np.arange(rows + 1)
    chances = stats.binom.pmf(counts, rows, share)

    called = [
        Counted(found=int(count), rows=rows, expected=share, baseline_rows=0, stated=True).too_many for count in counts
    ]

    assert chances[np.array(called)].sum() <= CHANCE


def test_four_rows_of_two_hundred_are_too_many_where_ten_thousand_had_none() -> None:
    called = [Counted(found=found, rows=200, expected=0.0, baseline_rows=10_000).too_many for found in range(5)]

    assert called == [False, False, False, False, True]


def test_without_rows_nothing_is_too_many() -> None:
    assert not Counted(found=0, rows=0, expected=0.0, baseline_rows=100).too_many
