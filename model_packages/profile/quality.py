"""How good predictions were, as counts that merge: labelled predictions in, metrics with 95 % intervals out.

Shared by training (the holdout) and the monitor (labels that callers send). What is compared with what is said in
quality_fields.py. "No labels" has no metric: it is an empty tally, and never a number.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile import intervals
from model_packages.profile.intervals import Estimate
from model_packages.profile.quality_fields import QualityFields, class_name

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

SCORE_CELLS = 2048
_LARGEST_LOGIT = 14.0  # beyond it, float32 hardly tells a probability from 0 or 1
SCORE_EDGES = 1 / (1 + np.exp(-np.linspace(-_LARGEST_LOGIT, _LARGEST_LOGIT, SCORE_CELLS - 1)))
"""Evenly spread in the logit, because fraud and the like live near 0: neighbours are at most 1.4 % of odds apart."""
_LEAST_PROBABILITY = 1e-7  # a probability of exactly 0 that came true would cost an infinite log loss
GROUPS = 32
"""Of a regression's rows, by the hash of their keys; the interval comes from leaving each out."""
NEGATIVE = "negative_"

Metrics = dict[str, Estimate]


class Labelled(NamedTuple):
    """One prediction and what turned out to be true. `key` tells it from any other."""

    key: str
    response: Mapping[str, Any]
    label: Mapping[str, Any]


@dataclass(slots=True)
class ProbabilityTally:
    """A binary classification's probabilities. `cells` are [label 0 or 1][cell of the score]."""

    cells: Counts = field(default_factory=lambda: np.zeros((2, SCORE_CELLS), np.int64))
    called: Counts = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    """[label][whether the probability reaches the threshold]"""
    brier: Floats = field(default_factory=lambda: np.zeros(2))
    """Sum and sum of squares."""
    log_loss: Floats = field(default_factory=lambda: np.zeros(2))

    @property
    def rows(self) -> int:
        return int(self.called.sum())

    def __add__(self, other: Self) -> ProbabilityTally:
        return ProbabilityTally(
            self.cells + other.cells,
            self.called + other.called,
            self.brier + other.brier,
            self.log_loss + other.log_loss,
        )

    def metrics(self) -> Metrics:
        """Those that the rows can tell: without a positive, for example, there is no recall."""
        (true_negative, false_positive), (false_negative, true_positive) = self.called.tolist()
        return _told(
            accuracy=intervals.share(true_positive + true_negative, self.rows),
            **_of_positives(self.called),
            f1=intervals.f1(true_positive, false_positive + false_negative),
            roc_auc=_roc_auc(self.cells),
            average_precision=_average_precision(self.cells),
            brier=intervals.positive_mean(self.rows, *self.brier.tolist()),
            log_loss=intervals.positive_mean(self.rows, *self.log_loss.tolist()),
        )

    def to_json(self) -> dict[str, Any]:
        used = np.flatnonzero(self.cells.sum(axis=0))
        return {
            "cells": {str(cell): self.cells[:, cell].tolist() for cell in used},
            "called": self.called.tolist(),
            "brier": self.brier.tolist(),
            "log_loss": self.log_loss.tolist(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        tally = cls()
        for cell, counts in document["cells"].items():
            tally.cells[:, int(cell)] = counts
        tally.called[:] = document["called"]
        tally.brier[:], tally.log_loss[:] = document["brier"], document["log_loss"]
        return tally


@dataclass(slots=True)
class ClassTally:
    """How often each class was predicted where each was true: (label, prediction) -> rows."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    positive: str | None = None
    """Of a binary classification."""

    @property
    def rows(self) -> int:
        return self.counts.total()

    def __add__(self, other: Self) -> ClassTally:
        return ClassTally(self.counts + other.counts, self.positive)

    def metrics(self) -> Metrics:
        if not self.rows:
            return {}
        right = sum(count for (label, prediction), count in self.counts.items() if label == prediction)
        found = _told(accuracy=intervals.share(right, self.rows))
        return found | (self._of_classes() if self.positive is None else self._of_positive(self.positive))

    def recalls(self) -> Metrics:
        """Of each class that was true at least once."""
        classes = sorted({label for label, _ in self.counts})
        totals = Counter[str]()
        for (label, _), count in self.counts.items():
            totals[label] += count
        return _told(**{each: intervals.share(self.counts[each, each], totals[each]) for each in classes})

    def _of_classes(self) -> Metrics:
        return _told(
            balanced_accuracy=intervals.mean_of_shares(list(self.recalls().values())), macro_f1=_macro_f1(self.counts)
        )

    def _of_positive(self, positive: str) -> Metrics:
        called = np.zeros((2, 2), np.int64)
        for (label, prediction), count in self.counts.items():
            called[int(label == positive), int(prediction == positive)] += count
        (_, false_positive), (false_negative, true_positive) = called.tolist()
        return _told(**_of_positives(called), f1=intervals.f1(true_positive, false_positive + false_negative))

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": [[label, prediction, count] for (label, prediction), count in sorted(self.counts.items())],
            "positive": self.positive,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        counts = Counter({(label, prediction): count for label, prediction, count in document["counts"]})
        return cls(counts, document["positive"])


@dataclass(slots=True)
class NumberTally:
    """A regression's moments, in each of GROUPS groups: rows, sum of |error|, of its square and its fourth power, mean
    of the labels and the sum of their squared distances from it.
    """

    moments: Floats = field(default_factory=lambda: np.zeros((GROUPS, 6)))

    @property
    def rows(self) -> int:
        return int(self.moments[:, 0].sum())

    def __add__(self, other: Self) -> NumberTally:
        return NumberTally(_merged(self.moments, other.moments))

    def metrics(self) -> Metrics:
        rows, absolute, squared, fourth, _, spread = _folded(self.moments)
        if not rows:
            return {}
        mean_square = intervals.positive_mean(int(rows), squared, fourth)
        assert mean_square is not None  # noqa: S101 - there are rows
        return _told(
            r2=self._r2(squared, spread),
            mae=intervals.positive_mean(int(rows), absolute, squared),
            rmse=Estimate(*(math.sqrt(each) for each in (mean_square.value, mean_square.low, mean_square.high))),
        )

    def _r2(self, squared: float, spread: float) -> Estimate | None:
        """On the scale of log(1 - R squared), where it is nearly symmetric."""
        if spread <= 0.0:
            return None
        value = 1 - squared / spread
        without = [log for group in range(GROUPS) if (log := self._log_unexplained(group)) is not None]
        if squared <= 0.0 or len(without) < 2:
            return Estimate(value, -math.inf, 1.0)
        low, high = intervals.jackknife(math.log(squared / spread), np.array(without))
        return Estimate(value, 1 - math.exp(min(high, 700.0)), 1 - math.exp(low))

    def _log_unexplained(self, left_out: int) -> float | None:
        if self.moments[left_out, 0] == 0:
            return None
        _, _, squared, _, _, spread = _folded(np.delete(self.moments, left_out, axis=0))
        return math.log(squared / spread) if squared > 0 and spread > 0 else None

    def to_json(self) -> dict[str, Any]:
        return {"moments": {str(group): row.tolist() for group, row in enumerate(self.moments) if row[0]}}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        tally = cls()
        for group, row in document["moments"].items():
            tally.moments[int(group)] = row
        return tally


QualityTally = ProbabilityTally | ClassTally | NumberTally


@dataclass(frozen=True, slots=True)
class Judged:
    """What a set of labelled predictions came to."""

    tally: QualityTally
    losses: Floats
    """0 to 1, one a row that is in the tally, in their order."""
    keys: tuple[str, ...]
    """Of the same rows."""
    skipped: int
    """Rows without a label's or a prediction's value, or with one of another type."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares predictions with labels. `loss_scale` is the error at which a regression's loss is 1."""

    fields: QualityFields
    loss_scale: float = 1.0

    def empty(self) -> QualityTally:
        """No labels."""
        if self.fields.form == "probability":
            return ProbabilityTally()
        return ClassTally(positive=self.fields.positive) if self.fields.form == "class" else NumberTally()

    def read(self, document: Mapping[str, Any]) -> QualityTally:
        """A tally as its to_json() wrote it."""
        return type(self.empty()).from_json(document)

    def judge(self, rows: Iterable[Labelled]) -> Judged:
        """Counts each row once; the caller has seen to it that a key comes once."""
        all_rows = list(rows)
        usable = [(row.key, *pair) for row in all_rows if (pair := self._pair(row)) is not None]
        keys = tuple(key for key, _, _ in usable)
        predictions, labels = [each for _, each, _ in usable], [each for _, _, each in usable]
        if self.fields.form == "probability":
            tally, losses = self._judge_probabilities(np.array(predictions, float), labels)
        elif self.fields.form == "class":
            tally, losses = self._judge_classes(predictions, labels)
        else:
            tally, losses = self._judge_numbers(keys, np.array(predictions, float), np.array(labels, float))
        return Judged(tally=tally, losses=losses, keys=keys, skipped=len(all_rows) - len(usable))

    def metrics(self, tally: QualityTally) -> Metrics:
        """By name; those of which less is better come a second time, as `negative_...`."""
        found = tally.metrics()
        return found | {
            name: found[name.removeprefix(NEGATIVE)].negative
            for name in self.fields.metrics
            if name.startswith(NEGATIVE) and name.removeprefix(NEGATIVE) in found
        }

    def _pair(self, row: Labelled) -> tuple[Any, Any] | None:
        prediction, label = row.response.get(self.fields.prediction), row.label.get(self.fields.label)
        if prediction is None or label is None:
            return None
        numeric = {"probability": (prediction,), "class": (), "number": (prediction, label)}[self.fields.form]
        return (prediction, label) if all(map(_is_number, numeric)) else None

    def _judge_probabilities(self, scores: Floats, labels: Sequence[Any]) -> tuple[QualityTally, Floats]:
        truth = np.array([class_name(label) == self.fields.positive for label in labels], np.int64)
        tally = ProbabilityTally()
        np.add.at(tally.cells, (truth, np.searchsorted(SCORE_EDGES, scores, side="right")), 1)
        np.add.at(tally.called, (truth, (scores >= self.fields.threshold).astype(np.int64)), 1)
        brier = (scores - truth) ** 2
        given = np.clip(np.where(truth == 1, scores, 1 - scores), _LEAST_PROBABILITY, 1)
        tally.brier, tally.log_loss = _sums(brier), _sums(-np.log(given))
        return tally, np.clip(brier, 0, 1)

    def _judge_classes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> tuple[QualityTally, Floats]:
        pairs = [(class_name(label), class_name(one)) for label, one in zip(labels, predictions, strict=True)]
        wrong = np.array([float(label != one) for label, one in pairs])
        return ClassTally(Counter(pairs), self.fields.positive), wrong

    def _judge_numbers(self, keys: Sequence[str], predictions: Floats, labels: Floats) -> tuple[QualityTally, Floats]:
        errors = np.abs(predictions - labels)
        groups = np.array([zlib.crc32(key.encode()) % GROUPS for key in keys], np.int64)
        moments = np.zeros((GROUPS, 6))
        for group in np.unique(groups):
            own, truth = errors[groups == group], labels[groups == group]
            spread = ((truth - truth.mean()) ** 2).sum()
            moments[group] = (len(own), own.sum(), (own**2).sum(), (own**4).sum(), truth.mean(), spread)
        return NumberTally(moments), np.minimum(1.0, errors / self.loss_scale)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sums(values: Floats) -> Floats:
    return np.array([values.sum(), (values**2).sum()])


def _told(**metrics: Estimate | None) -> Metrics:
    """What can be told."""
    return {name: estimate for name, estimate in metrics.items() if estimate is not None}


def _of_positives(called: Counts) -> dict[str, Estimate | None]:
    """Balanced accuracy, precision and recall, from [label][called]."""
    (true_negative, false_positive), (false_negative, true_positive) = called.tolist()
    recall = intervals.share(true_positive, true_positive + false_negative)
    specificity = intervals.share(true_negative, true_negative + false_positive)
    both = [each for each in (recall, specificity) if each is not None]
    return {
        "balanced_accuracy": intervals.mean_of_shares(both) if len(both) == 2 else None,
        "precision": intervals.share(true_positive, true_positive + false_positive),
        "recall": recall,
    }


def _roc_auc(cells: Counts) -> Estimate | None:
    """The chance that a positive scores higher than a negative, a tie counting half."""
    negative, positive = cells.astype(float)
    if not negative.sum() or not positive.sum():
        return None
    below = np.cumsum(negative) - negative / 2  # so many negatives a positive of this cell beats
    value = float((positive * below).sum() / positive.sum() / negative.sum())
    return intervals.roc_auc(value, positives=float(positive.sum()), negatives=float(negative.sum()))


def _average_precision(cells: Counts) -> Estimate | None:
    """The mean, over the positives, of the precision among all that score as high."""
    negative, positive = cells.astype(float)[:, ::-1]  # the highest scores first
    total = float(positive.sum())
    if not total:
        return None
    found, flagged = np.cumsum(positive), np.cumsum(positive + negative)
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    value = float((positive * precision).sum() / total)
    weight = np.divide(positive, flagged**2, out=np.zeros_like(found), where=flagged > 0)
    gained = np.cumsum((weight * (flagged - found))[::-1])[::-1]  # what one positive more here adds further down
    lost = np.cumsum((weight * found)[::-1])[::-1]
    gradient = np.stack([-lost, precision + gained - value])[:, ::-1] / total
    return intervals.smooth(value, cells.astype(float), gradient, weakest=total)


def _macro_f1(counts: Counter[tuple[str, str]]) -> Estimate:
    """The mean of the classes' F1; a class that was never true or predicted has none."""
    classes = {each: index for index, each in enumerate(sorted({each for pair in counts for each in pair}))}
    table = np.zeros((len(classes), len(classes)))
    for (label, prediction), count in counts.items():
        table[classes[label], classes[prediction]] = count
    hits, sides = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    value = float((2 * hits / sides).mean())
    slope = -2 * hits / sides**2 / len(classes)  # by a row that is the class's on one side alone
    gradient = slope[:, None] + slope[None, :] + np.diag(2 / sides / len(classes))
    return intervals.smooth(value, table, gradient, weakest=float(table.sum()))


def _merged(one: Floats, other: Floats) -> Floats:
    """Moments of two sets of rows together; means and spreads by Chan, Golub and LeVeque (1979)."""
    rows = one[..., 0] + other[..., 0]
    share = np.divide(other[..., 0], rows, out=np.zeros_like(rows), where=rows > 0)
    apart = other[..., 4] - one[..., 4]
    merged = one + other
    merged[..., 4] = one[..., 4] + apart * share
    merged[..., 5] += apart**2 * one[..., 0] * share
    return merged


def _folded(moments: Floats) -> tuple[float, ...]:
    """All groups as one."""
    total = moments[0]
    for group in moments[1:]:
        total = _merged(total, group)
    return tuple(total.tolist())
