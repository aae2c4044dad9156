"""Whether labels contradict the champion's answers: they follow them, and say the opposite. Labels that are sent the
wrong way round, or under each other's names, do. A champion that has become useless does not: its answers then have
nothing to do with the labels. Pure; docs/decisions/training-data-check.md says what this finds and what it cannot.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.quality_baseline import QualityBaseline
from model_packages.profile.quality_fields import QualityFields, class_name

CHANCE = 0.001
"""Labels that have nothing to do with the answers are called contradicting this often, in all groups of a run."""
LEAST_ROWS = 20
"""Of a group; fewer say nothing."""
LEAST_STRENGTH = 0.1
"""A weaker association is none, whatever the number of rows."""
STRETCHES = 10
"""Into so many parts of equal size the time is divided."""

Floats = NDArray[np.float64]


class Answered(NamedTuple):
    """One captured row: what the champion answered, what was true, and who asked."""

    prediction: Any
    label: Any
    caller: str


@dataclass(frozen=True, slots=True)
class Association:
    """How labels go with answers. `value` is below 0 where they go against each other, and 0 by chance.

    `strength`, 0 to 1, says how much an answer tells of the label, whatever the classes are called. `score` is how many
    standard deviations of mere chance `value` is from 0.
    """

    value: float
    strength: float
    score: float


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A group of rows whose labels go against the answers."""

    group: str
    rows: int
    association: Association


def contradictions(
    fields: QualityFields, rows: Sequence[Answered], *, promised: float, least_share: float
) -> list[Contradiction]:
    """Every group with more than `least_share` of the rows that contradicts; `rows` are in the order of their time.

    An association counts from half of the `promised` strength on.
    """
    usable = [row for row in rows if _is_usable(fields, row)]
    groups = {
        name: members
        for name, members in _groups(usable)
        if len(members) >= LEAST_ROWS and len(members) > least_share * len(usable)
    }
    limit = NormalDist().inv_cdf(CHANCE / max(1, len(groups)))
    strength = max(promised / 2, LEAST_STRENGTH)
    found = [(name, len(members), association(fields, members)) for name, members in groups.items()]
    return [
        Contradiction(name, count, each)
        for name, count, each in found
        if each is not None and each.score <= limit and each.strength >= strength
    ]


def promised_strength(quality: QualityBaseline | None, fields: QualityFields) -> float:
    """What the champion's holdout lets expect of Association.strength; 0 where it says nothing."""
    if quality is None or not quality.compares(fields):
        return 0.0
    values = {name: estimate.value for name, estimate in quality.metrics.items()}
    if fields.form == "probability":
        return max(0.0, 2 * values.get("roc_auc", 0.5) - 1)
    if fields.form == "number":
        return math.sqrt(max(0.0, values.get("r2", 0.0)))
    by_chance = 1 / max(2, len(fields.classes))
    return max(0.0, (values.get("balanced_accuracy", by_chance) - by_chance) / (1 - by_chance))


def association(fields: QualityFields, rows: Sequence[Answered]) -> Association | None:
    """None where all answers or all labels are the same. Scores are those of permutations of the labels."""
    if fields.form == "class":
        return _of_classes(Counter((class_name(row.prediction), class_name(row.label)) for row in rows))
    predictions = np.array([row.prediction for row in rows], float)
    if fields.form == "number":
        return _of_numbers(predictions, np.array([row.label for row in rows], float))
    return _of_probabilities(predictions, np.array([class_name(row.label) == fields.positive for row in rows]))


def _of_probabilities(scores: Floats, positive: NDArray[np.bool_]) -> Association | None:
    """Twice the area under the ROC curve less 1; the variance is Mann and Whitney's, ties counted."""
    count, positives = len(scores), int(positive.sum())
    negatives = count - positives
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    pairs = positives * negatives
    ties = float((sizes.astype(float) ** 3 - sizes).sum())
    if not pairs or len(sizes) == 1:
        return None
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    area = (float(ranks[positive].sum()) - positives * (positives + 1) / 2) / pairs
    variance = (count + 1 - ties / (count * (count - 1))) / (12 * pairs)
    value = 2 * area - 1
    return Association(value, abs(value), value / 2 / math.sqrt(variance))


def _of_numbers(predictions: Floats, labels: Floats) -> Association | None:
    """Pearson's correlation."""
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return None
    value = float(np.corrcoef(predictions, labels)[0, 1])
    return Association(value, abs(value), value * math.sqrt(len(labels) - 1))


def _of_classes(counts: Mapping[tuple[str, str], int]) -> Association | None:
    """Cohen's kappa, and Cramér's V for the strength."""
    classes = sorted({name for pair in counts for name in pair})
    table = np.zeros((len(classes), len(classes)))
    for (prediction, label), count in counts.items():
        table[classes.index(prediction), classes.index(label)] = count
    total, answers, truths = table.sum(), table.sum(axis=1), table.sum(axis=0)
    kinds = min(int((answers > 0).sum()), int((truths > 0).sum()))
    if kinds < 2:
        return None
    both = np.outer(answers, truths)
    expected, matches = float(np.trace(both)) / total, float(np.trace(table))
    squares = np.divide((table - both / total) ** 2, both / total, out=np.zeros_like(table), where=both > 0)
    deviation = math.sqrt(_variance_of_matches(answers, truths))
    return Association(
        value=(matches - expected) / (total - expected) if total > expected else 0.0,
        strength=math.sqrt(float(squares.sum()) / total / (kinds - 1)),
        score=(matches - expected) / deviation if deviation else 0.0,
    )


def _variance_of_matches(answers: Floats, truths: Floats) -> float:
    """Of how many answers are right when the labels are dealt out anew."""
    total, hits = answers.sum(), answers * truths
    own = float((hits * (total - answers) * (total - truths)).sum())
    others = float(hits.sum() ** 2 - (hits**2).sum())
    return float((own + others) / (total**2 * (total - 1)))


def _groups(rows: Sequence[Answered]) -> Iterator[tuple[str, Sequence[Answered]]]:
    """All of them, each caller's, and each stretch of time."""
    yield "all", rows
    callers = Counter(row.caller for row in rows)
    if len(callers) > 1:
        for caller in sorted(callers):
            name = f"of the caller {caller}" if caller else "without a known caller"
            yield name, [row for row in rows if row.caller == caller]
    for number in range(STRETCHES):
        start, end = (len(rows) * each // STRETCHES for each in (number, number + 1))
        yield f"part {number + 1} of {STRETCHES} in time", rows[start:end]


def _is_usable(fields: QualityFields, row: Answered) -> bool:
    if row.prediction is None or row.label is None:
        return False
    numbers = {"probability": (row.prediction,), "class": (), "number": (row.prediction, row.label)}[fields.form]
    return all(isinstance(each, int | float) and math.isfinite(each) for each in numbers)
