"""The gate's benchmark runs, its metrics are scikit-learn's, and its challengers are worth what it says of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, log_loss

from tests.benchmarks.gate import (
    POPULATION,
    TASKS,
    TRUTHS,
    Bools,
    Floats,
    Holdout,
    is_promoted,
    measure,
    noise_of,
    paired,
    table,
)

NAMES = list(TASKS)
ACCURACY, PRECISION, LOSS = NAMES


def holdout(name: str, rows: int = 400) -> Holdout:
    return Holdout.drawn(TASKS[name], rows, 1.0, np.random.default_rng(3))


def test_the_metrics_are_those_of_scikit_learn() -> None:
    values = {name: TASKS[name].metric.value(holdout(name).champion, holdout(name).labels) for name in NAMES}

    scores = {name: (holdout(name).labels, holdout(name).champion) for name in NAMES}
    assert values[ACCURACY] == pytest.approx(accuracy_score(scores[ACCURACY][0], scores[ACCURACY][1] > 0))
    assert values[PRECISION] == pytest.approx(average_precision_score(*scores[PRECISION]))
    assert values[LOSS] == pytest.approx(-log_loss(scores[LOSS][0], 1 / (1 + np.exp(-scores[LOSS][1]))))


@pytest.mark.parametrize("name", NAMES)
def test_every_row_once_is_the_holdout_and_swapping_all_turns_the_gain_around(name: str) -> None:
    one, metric = holdout(name), TASKS[name].metric
    sides = one.champion, one.challenger, one.labels
    rows = len(one.labels)

    drawn = metric.drawn(*sides, np.arange(rows)[None])
    swapped = metric.swapped(*sides, np.array([[False] * rows, [True] * rows]))

    gain = one.gain(metric)
    assert drawn == pytest.approx([gain], abs=1e-6)
    assert swapped == pytest.approx([gain, -gain], abs=1e-6)


def test_a_ranking_of_drawn_and_of_swapped_rows_is_scikit_learns() -> None:
    one, metric, generator = holdout(PRECISION), TASKS[PRECISION].metric, np.random.default_rng(5)
    rows, swaps = generator.integers(400, size=(3, 400)), generator.random((3, 400)) < 0.5

    drawn = metric.drawn(one.champion, one.challenger, one.labels, rows)
    swapped = metric.swapped(one.champion, one.challenger, one.labels, swaps)

    def precision(scores: Floats, labels: Bools) -> float:
        return float(average_precision_score(labels, scores))

    assert drawn == pytest.approx(
        [
            precision(one.challenger[draw], one.labels[draw]) - precision(one.champion[draw], one.labels[draw])
            for draw in rows
        ],
        abs=1e-6,
    )
    assert swapped == pytest.approx(
        [
            precision(np.where(swap, one.champion, one.challenger), one.labels)
            - precision(np.where(swap, one.challenger, one.champion), one.labels)
            for swap in swaps
        ],
        abs=1e-6,
    )


def test_without_a_positive_there_is_no_ranking_to_judge() -> None:
    one = Holdout(np.zeros(20), np.ones(20), np.zeros(20, bool))

    compared = paired(one, TASKS[PRECISION].metric, np.random.default_rng(1))

    assert compared is None
    assert not is_promoted(compared)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_better_challenger_is_better_by_the_margin(name: str) -> None:
    task = TASKS[name]
    gains = [
        Holdout.drawn(task, POPULATION, noise_of(name, truth), np.random.default_rng(11)).gain(task.metric)
        for truth in TRUTHS
    ]

    assert gains == pytest.approx([0.0, -task.margin, task.margin], abs=task.margin / 4)


@pytest.mark.slow
def test_few_holdouts_of_each_kind_are_measured_and_shown() -> None:
    results = {(name, 300, truth): measure(name, 300, truth, 3) for name in NAMES for truth in TRUTHS}

    assert {count.holdouts for count in results.values()} == {3}
    assert table(results).count("\n") == len(NAMES) + 1
