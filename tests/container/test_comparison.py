"""Two models by the package's evaluate(): bounds, slices, what cannot be told, and how long it may take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from container.answers import Holdout, Side
from container.bootstrap import draws_needed, fewest_draws
from container.comparison import Comparison, Contest, Effort, Measure, block_keys
from container.evaluation import Evaluation
from model_packages.contract import Monitor
from model_packages.dataset import Record
from model_packages.interface import Predict

CONFIDENCE = 0.8
ROWS = 60


def record(number: int, *, time: str | None = None) -> Record:
    content: Record = {"request": {"number": number}, "label": {"truth": number % 2}}
    return content | {"time": time} if time else content


def accuracy(predict: Predict, records: Sequence[Record]) -> Evaluation:
    """Over all records, over the small numbers, and over zero, of which there is one record."""
    answers = predict([each["request"] for each in records])
    right = [answer["guess"] == each["label"]["truth"] for answer, each in zip(answers, records, strict=True)]
    numbers = [each["request"]["number"] for each in records]
    parts = {"small": [number < 20 for number in numbers], "zero": [number == 0 for number in numbers]}
    chosen = {name: [r for r, inside in zip(right, part, strict=True) if inside] for name, part in parts.items()}
    return Evaluation(
        metrics={"accuracy": sum(right) / len(right)},
        slices={name: {"accuracy": sum(rows) / len(rows)} for name, rows in chosen.items() if rows},
    )


def side(*, wrong: Sequence[int]) -> Side:
    """A model that errs at some numbers."""

    def guess(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"guess": (request["number"] + (request["number"] in wrong)) % 2}

    return Side([guess({"number": n}) for n in range(ROWS)], lambda requests: [guess(each) for each in requests])


def decide(
    champion: Side,
    challenger: Side,
    *,
    measure: Measure = accuracy,
    compare: str = "accuracy",
    confidence: float = CONFIDENCE,
    effort: Effort | None = None,
) -> Comparison:
    return Contest(
        holdout=Holdout([record(number) for number in range(ROWS)]),
        champion=champion,
        challenger=challenger,
        measure=measure,
        compare=compare,
        metric="accuracy",
        confidence=confidence,
        monitor=Monitor(),
        effort=effort or Effort(),
    ).decide()


def test_a_challenger_that_errs_less_is_surely_better() -> None:
    found = decide(side(wrong=range(20)), side(wrong=range(4)))

    assert found.compared is not None
    assert (found.compared.champion, found.compared.challenger) == (40 / 60, 56 / 60)
    assert found.compared.gain == pytest.approx(16 / 60)
    assert 0.1 < found.compared.low < found.compared.gain < found.compared.high < 0.4
    assert found.compared.rows == ROWS
    assert found.draws == draws_needed(CONFIDENCE)
    assert found.why_not == ""


def test_a_model_is_not_better_than_itself() -> None:
    found = decide(side(wrong=range(20)), side(wrong=range(20)))

    assert found.compared is not None
    assert (found.compared.low, found.compared.gain, found.compared.high) == (0.0, 0.0, 0.0)


def test_each_slice_is_compared_by_the_same_draws_where_it_has_rows() -> None:
    """A draw has the only record of zero in two cases of three."""
    found = decide(side(wrong=range(20)), side(wrong=[0, *range(30, 40)]))

    assert set(found.slices) == {"small", "zero"}
    assert found.slices["small"].low > 0.7
    assert (found.slices["zero"].low, found.slices["zero"].high) == (0.0, 0.0)


def test_a_slice_that_few_draws_have_is_left_out() -> None:
    def only_with_each_small_number(predict: Predict, records: Sequence[Record]) -> Evaluation:
        found = accuracy(predict, records)
        whole = {each["request"]["number"] for each in records} >= set(range(10))
        return Evaluation(found.metrics, found.slices if whole else {})

    found = decide(side(wrong=range(20)), side(wrong=range(4)), measure=only_with_each_small_number)

    assert found.compared is not None
    assert found.slices == {}


def test_a_slice_without_the_compared_metric_is_compared_by_the_gates() -> None:
    def with_another_metric(predict: Predict, records: Sequence[Record]) -> Evaluation:
        found = accuracy(predict, records)
        return Evaluation({**found.metrics, "score": 2 * found.metrics["accuracy"]}, found.slices)

    found = decide(side(wrong=range(20)), side(wrong=range(4)), measure=with_another_metric, compare="score")

    assert found.compared is not None
    assert found.compared.gain == pytest.approx(2 * 16 / 60)
    assert found.slices["small"].gain == pytest.approx(16 / 20)


def test_the_same_holdout_gives_the_same_bounds() -> None:
    models = side(wrong=range(20)), side(wrong=range(10, 25))

    assert decide(*models) == decide(*models)


def test_without_the_metric_nothing_is_compared_and_the_reason_is_told() -> None:
    found = decide(side(wrong=[]), side(wrong=[]), compare="recall")

    assert found.compared is None
    assert found.why_not == "evaluate() tells no recall of this holdout; it tells accuracy"


def test_a_metric_that_is_no_number_is_not_compared() -> None:
    found = decide(side(wrong=[]), side(wrong=[]), measure=lambda *_: Evaluation({"accuracy": float("nan")}, {}))

    assert found.compared is None
    assert found.why_not == "evaluate() tells no accuracy of this holdout; it tells nothing"
    assert found.challenger.metrics == {}


def test_an_evaluate_that_fails_is_a_reason() -> None:
    def failing(predict: Predict, records: Sequence[Record]) -> Evaluation:
        raise ZeroDivisionError("no positive")

    found = decide(side(wrong=[]), side(wrong=[]), measure=failing)

    assert found.compared is None
    assert found.why_not == "evaluate() raised ZeroDivisionError: no positive"


def test_a_metric_that_hardly_any_draw_can_tell_has_no_bounds() -> None:
    def of_every_number(predict: Predict, records: Sequence[Record]) -> Evaluation:
        if len({each["request"]["number"] for each in records}) < ROWS:
            raise ValueError("a number is missing")
        return accuracy(predict, records)

    found = decide(side(wrong=range(20)), side(wrong=[]), measure=of_every_number)

    assert found.compared is None
    assert "too few of the holdouts drawn from this one tell accuracy" in found.why_not


def test_the_budget_ends_the_draws_once_there_are_enough() -> None:
    ticks = itertools.count()
    effort = Effort(budget_seconds=1.0, clock=lambda: float(next(ticks)))

    found = decide(side(wrong=range(20)), side(wrong=[]), confidence=0.99, effort=effort)

    assert found.draws == fewest_draws(0.99) < draws_needed(0.99)


def test_rows_of_a_time_belong_together_and_others_do_not() -> None:
    times = ["2026-01-01T00:00:10Z", "2026-01-01T00:04:50+00:00", "2026-01-01T00:05:10", "never", None]
    records = [record(number, time=each) for number, each in enumerate(times)]

    by_time, by_row = block_keys(records, Monitor()), block_keys(records, Monitor(block="row"))

    assert by_time[0] == by_time[1]
    assert len(set(by_time)) == 4
    assert len(set(by_row)) == 5
