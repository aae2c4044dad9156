"""Whether inputs, predictions or the model's errors have changed: a sequential test with a stated rate of false alarms.

Without a change beyond the tolerance, one is called after `windows_per_false_alarm` windows or more in expectation,
whatever the windows' sizes, the number of fields and how they depend on each other, and over the whole life of the
endpoint. The condition and what it costs are in docs/decisions/drift-decision.md. Nothing is read or written here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from functions.monitor.sequential_test import Observed, RateLimits, SequentialTest
from functions.monitor.watched import Change, Watched
from model_packages.contract import Monitor
from model_packages.profile.baseline import Baseline
from model_packages.profile.columns import Side
from model_packages.profile.tally import Tally

State = Literal["no_evidence", "no_change", "change"]
LEAST_LOG10 = -3.0
"""Evidence below this is shown as this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one column shows in one window, and what it has added to the evidence."""

    column: str
    field: str
    change: float
    """The share of the window's rows that would have to move to look as the baseline; chance is part of it."""
    tolerance: float
    distribution_gap: float | None
    """Of a numeric column: the largest difference of the two distribution functions at an edge."""
    evidence: float
    """log10 of the column's part; where it reaches the threshold, the column raises the alarm alone."""
    changed: bool
    """Whether a change is called because of this column."""
    direction: Literal["more", "fewer"]
    words: str
    """Such as "more rows are above 103: 38.1 %, 10.0 % in the baseline"."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known after a window."""

    window: str
    state: State
    """`no_evidence`: the window has no row, and what is known is what was known before."""
    called: bool
    evidence: float
    """log10; from the threshold on a change is called, and one above it is the most."""
    threshold: float
    rows: int
    blocks: int
    """Independent observations among the rows."""
    findings: tuple[Finding, ...] = ()
    """Of all watched columns, the most evidence first."""

    @property
    def score(self) -> float:
        """The largest change of any column."""
        return max((finding.change for finding in self.findings), default=0.0)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that have changed, each once, the most evidence first."""
        return tuple(dict.fromkeys(finding.field for finding in self.findings if finding.changed))


class Detector:
    """The sequential test on what goes in ("request") or on what comes out ("response")."""

    def __init__(self, baseline: Baseline, monitor: Monitor, *, side: Side) -> None:
        """With no evidence. `baseline` is overridden by the same `monitor`."""
        self._watched = Watched.of(baseline, monitor, side=side)
        self._test = SequentialTest.of(self._watched.limits(), monitor)
        self._by_rows = monitor.block == "row"

    @classmethod
    def from_json(cls, document: Mapping[str, Any], baseline: Baseline, monitor: Monitor, *, side: Side) -> Self:
        """Going on from `to_json`; with no evidence where that is of another baseline or of other settings."""
        detector = cls(baseline, monitor, side=side)
        detector._test.restore(document)
        return detector

    def to_json(self) -> dict[str, Any]:
        """What the test knows, without what it compares with."""
        return self._test.to_json()

    def update(self, window: str, tally: Tally, *, end: datetime) -> Decision:
        """Takes a window in and says what is known after it. A window that was taken in before changes nothing."""
        observed = self._watched.observed(tally, by_rows=self._by_rows)
        self._test.add(window, observed, end=end)
        return _decision(self._test, window, observed, findings=self._findings(tally))

    def _findings(self, tally: Tally) -> tuple[Finding, ...]:
        evidence = self._test.groups
        raise_it = (evidence >= self._test.threshold) | (evidence == evidence.max(initial=-math.inf))
        changes = self._watched.changes(tally, evidence=self._test.rates)
        found = [
            _finding(change, evidence=float(evidence[column]), changed=self._test.called and bool(raise_it[column]))
            for column, change in enumerate(changes)
        ]
        return tuple(sorted(found, key=lambda one: (-one.evidence, -one.change)))


class LossDetector:
    """The sequential test on the model's errors: whether it loses more than on the holdout. Losses are 0 to 1."""

    def __init__(self, *, holdout_loss: float, holdout_rows: int, monitor: Monitor) -> None:
        """With no evidence. `holdout_loss` is the mean of `holdout_rows` losses."""
        rates = RateLimits(
            shares=np.array([holdout_loss]),
            rows=holdout_rows,
            tolerances=np.array([monitor.quality.tolerance]),
            weights=np.ones(1),
            starts=(0,),
            is_tail=np.zeros(1, np.bool_),
        )
        self._test = SequentialTest.of(rates, monitor)

    @classmethod
    def from_json(
        cls, document: Mapping[str, Any], *, holdout_loss: float, holdout_rows: int, monitor: Monitor
    ) -> Self:
        """Going on from `to_json`; with no evidence where that is of another holdout or of other settings."""
        detector = cls(holdout_loss=holdout_loss, holdout_rows=holdout_rows, monitor=monitor)
        detector._test.restore(document)
        return detector

    def to_json(self) -> dict[str, Any]:
        """What the test knows, without what it compares with."""
        return self._test.to_json()

    def update(
        self, window: str, losses: NDArray[Any], *, end: datetime, block_keys: NDArray[np.int64] | None = None
    ) -> Decision:
        """Takes labelled predictions in, each once. Without `block_keys` each is an observation of its own."""
        observed = _observed_losses(np.asarray(losses, np.float64), block_keys)
        self._test.add(window, observed, end=end)
        return _decision(self._test, window, observed)


def _observed_losses(losses: NDArray[np.float64], block_keys: NDArray[np.int64] | None) -> Observed:
    keys = np.arange(len(losses)) if block_keys is None else block_keys
    _, block, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    means = np.bincount(block, weights=losses, minlength=len(sizes)) / sizes
    return Observed(len(losses), np.array([losses.sum()]), means[:, None], sizes.astype(np.float64))


def _decision(test: SequentialTest, window: str, observed: Observed, findings: tuple[Finding, ...] = ()) -> Decision:
    state: State = "change" if test.called else "no_change"
    return Decision(
        window=window,
        state=state if observed.rows else "no_evidence",
        called=test.called,
        evidence=_log10(test.total),
        threshold=_log10(test.threshold),
        rows=observed.rows,
        blocks=observed.blocks,
        findings=findings,
    )


def _finding(change: Change, *, evidence: float, changed: bool) -> Finding:
    return Finding(
        column=change.column.name,
        field=change.column.field,
        change=change.moved,
        tolerance=change.tolerance,
        distribution_gap=change.distribution_gap,
        evidence=_log10(evidence),
        changed=changed,
        direction=change.direction,
        words=change.words,
    )


def _log10(natural: float) -> float:
    return max(LEAST_LOG10, natural / math.log(10.0))
