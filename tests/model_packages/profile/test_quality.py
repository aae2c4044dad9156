"""Metrics of labelled predictions, from counts that merge: what scikit-learn would say, and nothing without labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from model_packages.errors import OperatorError
from model_packages.profile.intervals import Estimate
from model_packages.profile.quality import Judge, Labelled, NumberTally, QualityTally
from model_packages.profile.quality_baseline import QualityBaseline, build_quality_baseline
from model_packages.profile.quality_fields import QualityFields

PROBABILITY = Judge(
    QualityFields("probability", "p", "y", "accuracy", positive="true", classes=("false", "true"), threshold=0.4)
)
CLASSES = Judge(QualityFields("class", "p", "y", "accuracy"))
POSITIVE = Judge(QualityFields("class", "p", "y", "accuracy", positive="a"))
NUMBERS = Judge(QualityFields("number", "p", "y", "r2"), loss_scale=10.0)


def rows_of(predictions: Sequence[Any], labels: Sequence[Any]) -> list[Labelled]:
    return [
        Labelled(f"id-{index}", {"p": prediction}, {"y": label})
        for index, (prediction, label) in enumerate(zip(predictions, labels, strict=True))
    ]


def values_of(judge: Judge, rows: Sequence[Labelled]) -> dict[str, float]:
    return {name: each.value for name, each in judge.metrics(judge.judge(rows).tally).items()}


def scored(count: int, *, seed: int = 0, prevalence: float = 0.2) -> list[Labelled]:
    """Calibrated probabilities that tell positives apart fairly well."""
    source = np.random.default_rng(seed)
    truth = source.random(count) < prevalence
    scores = 1 / (1 + np.exp(-(1.5 * source.normal(size=count) + 2.0 * truth - 3.0)))
    return rows_of(scores.tolist(), truth.tolist())


def test_probabilities_are_measured_as_scikit_learn_does() -> None:
    rows = scored(3000)
    truth, scores = [row.label["y"] for row in rows], [row.response["p"] for row in rows]
    called = [score >= 0.4 for score in scores]

    found = values_of(PROBABILITY, rows)

    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, called))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, called))
    assert found["precision"] == pytest.approx(reference.precision_score(truth, called))
    assert found["recall"] == pytest.approx(reference.recall_score(truth, called))
    assert found["f1"] == pytest.approx(reference.f1_score(truth, called))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(truth, scores))
    assert found["log_loss"] == pytest.approx(reference.log_loss(truth, scores))
    # from 2048 cells of the score
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, scores), abs=1e-3)
    assert found["average_precision"] == pytest.approx(reference.average_precision_score(truth, scores), abs=2e-3)


def test_classes_are_measured_as_scikit_learn_does() -> None:
    source = np.random.default_rng(0)
    truth = source.choice(list("abcd"), 600, p=[0.5, 0.3, 0.15, 0.05]).tolist()
    guesses = source.choice(list("abcd"), 600).tolist()
    predicted = [label if index % 5 else guess for index, (label, guess) in enumerate(zip(truth, guesses, strict=True))]

    found = values_of(CLASSES, rows_of(predicted, truth))

    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))


def test_a_class_that_counts_as_positive_has_precision_and_recall() -> None:
    truth, predicted = list("aaaabbbb"), list("aaabbbba")

    found = values_of(POSITIVE, rows_of(predicted, truth))

    assert found["precision"] == reference.precision_score(truth, predicted, pos_label="a")
    assert found["recall"] == reference.recall_score(truth, predicted, pos_label="a")
    assert found["f1"] == pytest.approx(reference.f1_score(truth, predicted, pos_label="a"))


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    source = np.random.default_rng(0)
    truth = source.normal(1e6, 3.0, 500)  # a large mean must not eat the digits
    predicted = truth + source.normal(0, 1.0, 500)

    found = values_of(NUMBERS, rows_of(predicted.tolist(), truth.tolist()))

    assert found["r2"] == pytest.approx(reference.r2_score(truth, predicted), abs=1e-9)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted))
    assert found["rmse"] == pytest.approx(math.sqrt(reference.mean_squared_error(truth, predicted)))
    assert found["negative_rmse"] == -found["rmse"]


@pytest.mark.parametrize("errors", [0, 1, 10])
@pytest.mark.parametrize("judge", [PROBABILITY, CLASSES, POSITIVE, NUMBERS])
def test_what_is_said_of_predictions_is_python_s_own_numbers(judge: Judge, errors: int) -> None:
    """With none and with nothing but errors too, where the intervals have formulas of their own: the monitor's state
    takes no NumPy numbers.
    """
    samples: dict[str, tuple[list[Any], list[Any]]] = {
        "probability": ([False, True] * 5, [0.1, 0.9] * 5),
        "class": (["a", "b"] * 5, ["a", "b"] * 5),
        "number": ([1.0, 2.0] * 5, [1.0, 2.0] * 5),
    }
    labels, guesses = samples[judge.fields.form]
    predictions = [*reversed(guesses[:errors]), *guesses[errors:]] if errors != 1 else [guesses[1], *guesses[1:]]

    found = judge.metrics(judge.judge(rows_of(predictions, labels)).tally)

    assert found
    assert {type(end) for each in found.values() for end in (each.value, each.low, each.high)} == {float}


@pytest.mark.parametrize("judge", [PROBABILITY, CLASSES, POSITIVE, NUMBERS])
def test_no_labels_have_no_quality(judge: Judge) -> None:
    judged = judge.judge([])

    assert (judged.tally.rows, judge.metrics(judged.tally), len(judged.losses)) == (0, {}, 0)
    assert judge.metrics(judge.empty()) == {}


def test_what_the_rows_cannot_tell_is_left_out() -> None:
    found = values_of(PROBABILITY, rows_of([0.1, 0.2, 0.9], [False, False, False]))

    assert set(found) == {
        *("accuracy", "precision", "f1", "brier", "log_loss", "negative_brier", "negative_log_loss"),
    }


def test_a_constant_truth_has_no_r2() -> None:
    assert "r2" not in values_of(NUMBERS, rows_of([1.0, 2.0], [5.0, 5.0]))


@pytest.mark.parametrize(
    ("judge", "prediction", "label"),
    [
        (PROBABILITY, None, True),
        (PROBABILITY, 0.5, None),
        (PROBABILITY, "high", True),
        (PROBABILITY, True, True),
        (NUMBERS, 1.0, "one"),
        (NUMBERS, math.nan, 1.0),
        (CLASSES, "a", None),
    ],
)
def test_a_row_without_a_usable_value_is_skipped_and_counted(judge: Judge, prediction: Any, label: Any) -> None:
    judged = judge.judge(rows_of([prediction], [label]))

    assert (judged.tally.rows, judged.skipped, judged.keys) == (0, 1, ())


def test_a_field_that_is_not_there_is_a_missing_value() -> None:
    assert CLASSES.judge([Labelled("id", {}, {})]).skipped == 1


def some_rows(judge: Judge) -> st.SearchStrategy[list[Labelled]]:
    """Up to 60 rows of the judge's form, each with a key of its own."""
    pairs: dict[str, st.SearchStrategy[tuple[Any, Any]]] = {
        "probability": st.tuples(st.floats(0, 1), st.booleans()),
        "class": st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")),
        "number": st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
    }
    lists = st.lists(pairs[judge.fields.form], max_size=60)
    return lists.map(lambda found: rows_of([one for one, _ in found], [label for _, label in found]))


@pytest.mark.parametrize("judge", [PROBABILITY, CLASSES, POSITIVE, NUMBERS])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_tallies_of_hours_add_up_to_the_tally_of_the_day(judge: Judge, data: st.DataObject) -> None:
    rows = data.draw(some_rows(judge))
    cut = data.draw(st.integers(0, len(rows)))
    whole: QualityTally = judge.judge(rows).tally

    parts = judge.judge(rows[:cut]).tally + judge.judge(rows[cut:]).tally  # type: ignore[operator]

    assert parts.rows == whole.rows
    for name, each in judge.metrics(parts).items():
        other = judge.metrics(whole)[name]
        assert [each.value, each.low, each.high] == pytest.approx(
            [other.value, other.low, other.high], rel=1e-6, abs=1e-9
        )


@pytest.mark.parametrize("judge", [PROBABILITY, CLASSES, POSITIVE, NUMBERS])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_tally_comes_back_from_json(judge: Judge, data: st.DataObject) -> None:
    tally = judge.judge(data.draw(some_rows(judge))).tally

    again = judge.read(json.loads(json.dumps(tally.to_json())))

    assert judge.metrics(again) == judge.metrics(tally)
    assert again.rows == tally.rows


@pytest.mark.parametrize("judge", [PROBABILITY, CLASSES, POSITIVE, NUMBERS])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_value_lies_within_its_interval_and_an_interval_within_what_is_possible(
    judge: Judge, data: st.DataObject
) -> None:
    judged = judge.judge(data.draw(some_rows(judge)))

    for name, each in judge.metrics(judged.tally).items():
        rounding = 1e-9 * max(1.0, abs(each.value))
        assert each.low - rounding <= each.value <= each.high + rounding, name
        if name not in ("mae", "rmse", "r2", "brier", "log_loss") and not name.startswith("negative"):
            assert -1e-9 <= each.low <= each.high <= 1 + 1e-9, name
    assert np.all((judged.losses >= 0) & (judged.losses <= 1))


def test_a_perfect_score_of_few_rows_is_not_certain() -> None:
    rows = rows_of([0.9] * 5 + [0.1] * 20, [True] * 5 + [False] * 20)

    found = PROBABILITY.metrics(PROBABILITY.judge(rows).tally)

    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"):
        assert (found[name].value, found[name].high) == pytest.approx((1.0, 1.0)), name
        assert found[name].low < 0.95, name


def probability_sample(source: np.random.Generator, count: int) -> list[Labelled]:
    truth = source.random(count) < 0.1
    scores = 1 / (1 + np.exp(-(2 * (source.normal(size=count) + 2 * truth) - 2 + math.log(0.1 / 0.9))))
    return rows_of(scores.tolist(), truth.tolist())


def class_sample(source: np.random.Generator, count: int) -> list[Labelled]:
    truth = source.choice(4, count, p=[0.4, 0.3, 0.2, 0.1])
    predicted = np.where(source.random(count) < 0.85, truth, source.integers(0, 4, count))
    return rows_of(predicted.tolist(), truth.tolist())


def number_sample(source: np.random.Generator, count: int) -> list[Labelled]:
    truth = source.normal(50, 10, count)
    predicted = truth + source.normal(0, 5, count)
    # keys decide the groups, so each sample has its own
    keys = source.integers(0, 1 << 40, count).tolist()
    pairs = zip(keys, predicted.tolist(), truth.tolist(), strict=True)
    return [Labelled(str(key), {"p": one}, {"y": label}) for key, one, label in pairs]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "sample", "count"),
    [(PROBABILITY, probability_sample, 400), (CLASSES, class_sample, 200), (NUMBERS, number_sample, 200)],
)
def test_95_percent_intervals_hold_the_truth_about_that_often(
    judge: Judge, sample: Callable[[np.random.Generator, int], list[Labelled]], count: int
) -> None:
    truth = values_of(judge, sample(np.random.default_rng(10_000), 200_000))
    repetitions = 300
    held = dict.fromkeys(truth, 0)

    for seed in range(repetitions):
        found = judge.metrics(judge.judge(sample(np.random.default_rng(seed), count)).tally)
        for name, each in found.items():
            held[name] += each.low <= truth[name] <= each.high

    coverage = {name: times / repetitions for name, times in held.items()}
    assert {name: share for name, share in coverage.items() if share < 0.91} == {}


def test_losses_are_one_a_row_from_0_to_1() -> None:
    assert PROBABILITY.judge(rows_of([0.1, 0.9], [True, True])).losses.tolist() == pytest.approx([0.81, 0.01])
    assert CLASSES.judge(rows_of(["a", "b"], ["a", "a"])).losses.tolist() == [0.0, 1.0]
    assert NUMBERS.judge(rows_of([0.0, 0.0], [5.0, 50.0])).losses.tolist() == [0.5, 1.0]


def test_a_holdout_s_quality_comes_back_from_its_text() -> None:
    baseline = build_quality_baseline(PROBABILITY.fields, scored(500))

    again = QualityBaseline.from_json(baseline.to_json())

    assert again == baseline
    assert again.to_json() == baseline.to_json()
    assert baseline.rows == 500
    assert baseline.loss == pytest.approx(baseline.metrics["brier"].value)


def test_a_regression_s_whole_loss_is_four_mean_errors() -> None:
    rows = rows_of([0.0, 0.0, 0.0], [1.0, 2.0, 3.0])

    baseline = build_quality_baseline(NUMBERS.fields, rows)

    assert baseline.loss_scale == 8.0
    assert baseline.loss == pytest.approx(0.25)
    assert build_quality_baseline(NUMBERS.fields, rows_of([1.0], [1.0])).loss_scale == 1.0


def test_a_holdout_compares_with_what_was_judged_by_the_same_fields() -> None:
    baseline = build_quality_baseline(PROBABILITY.fields, scored(50))

    assert baseline.compares(QualityFields(**{**_parts(PROBABILITY.fields), "metric": "f1"}))
    assert not baseline.compares(QualityFields(**{**_parts(PROBABILITY.fields), "threshold": 0.5}))


def _parts(fields: QualityFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in QualityFields.__dataclass_fields__}


def test_a_quality_of_another_format_is_told() -> None:
    with pytest.raises(OperatorError, match=r"quality\.json has the format 7; allowed: 1"):
        QualityBaseline.from_json('{"format": 7}')


def test_an_estimate_with_its_sign_turned_has_its_ends_turned() -> None:
    assert Estimate(2.0, 1.0, 5.0).negative == Estimate(-2.0, -5.0, -1.0)


def test_a_regression_with_one_row_says_what_it_can() -> None:
    tally = NUMBERS.judge(rows_of([1.0], [3.0])).tally

    assert isinstance(tally, NumberTally)
    assert NUMBERS.metrics(tally)["mae"] == Estimate(2.0, 0.0, math.inf)
