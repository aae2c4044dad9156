"""Documents of windows for tests of what reads them: a change of one field, and nothing at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from functions.monitor.distances import BinnedColumn, Distances, compare
from functions.monitor.two_sample import TwoSampleResult
from functions.monitor.violations import Check, Violation
from functions.monitor.window_document import (
    ColumnComparison,
    Decision,
    Example,
    FieldQuality,
    LiveQuality,
    PastWindow,
    Refusals,
    Served,
    SettingsUsed,
    Span,
    Traffic,
    WindowDocument,
)
from model_packages.profile.columns import Column

END = datetime(2026, 11, 27, 10, tzinfo=UTC)
AMOUNT = Column("amount", "amount", "request", "numeric", edges=(4.2, 9.5, 15.0, 23.0, 34.5, 52.0, 84.0, 152.0, 390.0))
CATEGORIES = ("groceries", "restaurants", "fuel", "fashion", "electronics", "travel", "gaming", "gift_cards", "cash")
MERCHANT = Column("merchant_category", "merchant_category", "request", "category", categories=CATEGORIES)
NEW_DEVICE = Column("new_device", "new_device", "request", "category", categories=("false", "true"))
LENGTH = Column("descriptor.length", "descriptor", "request", "numeric", edges=(12.0, 15.0, 18.0, 21.0, 26.0))
CHANCE = Column("fraud_probability", "fraud_probability", "response", "numeric", edges=(0.001, 0.004, 0.02, 0.1, 0.5))
ACTION = Column("decision", "decision", "response", "category", categories=("approve", "review"))


def column(
    found: Column, *, baseline: list[float], window: list[float], rows: int = 1180, seed: int = 0, **changes: Any
) -> ColumnComparison:
    """As a draw of `rows` rows from shares `window` beside 20,000 from `baseline`."""
    generator = np.random.default_rng(seed)
    before = generator.multinomial(20_000, np.array(baseline) / sum(baseline))
    now = generator.multinomial(rows, np.array(window) / sum(window))
    comparison = ColumnComparison(
        name=found.name,
        field=found.field,
        side=found.side,
        kind=found.kind,
        edges=found.edges,
        categories=found.categories,
        baseline=tuple(before.tolist()),
        window=tuple(now.tolist()),
        distances=_distances(found, before, now),
        tolerance=0.03,
        evidence=-0.2,
    )
    return replace(comparison, **changes)


def changed() -> WindowDocument:
    """A window in which amounts have grown, with something in every section."""
    tenth, payments = [1.0] * 10, [30.0, 18, 10, 11, 9, 7, 6, 3, 4, 0]
    grown = [4.0, 5, 6, 6, 7, 8, 11, 16, 22, 18]
    words = "more rows are above 84: 56.2%, 30.0% in the baseline"
    probabilities = [30.0, 40, 20, 6, 3, 1]
    return WindowDocument(
        window="000042-20261127T100000Z",
        status="change",
        served=_served(),
        span=Span(begin=END - timedelta(hours=1), end=END, closed=END + timedelta(minutes=3)),
        traffic=_traffic(),
        settings=_settings(),
        inputs=Decision(evidence=4.0, threshold=3.0, called=True, score=0.342, fields=("amount",)),
        predictions=Decision(evidence=0.6, threshold=3.0, called=False, score=0.041),
        columns=(
            column(NEW_DEVICE, baseline=[93, 7, 0], window=[93, 7, 0], seed=1, description="never seen with this card"),
            column(MERCHANT, baseline=payments, window=[*payments[:9], 0.2], seed=2),
            column(
                AMOUNT,
                baseline=tenth,
                window=grown,
                seed=3,
                changed=True,
                change=0.342,
                evidence=4.0,
                words=words,
                unit="EUR",
                description="what is paid, converted",
            ),
            column(LENGTH, baseline=[1.0] * 6, window=[1.0] * 6, seed=4),
            column(CHANCE, baseline=probabilities, window=[28, 39, 20, 7, 4, 2], seed=5, evidence=0.6),
            column(ACTION, baseline=[96, 4, 0], window=[94, 6, 0], seed=6),
        ),
        fields=(
            FieldQuality(field="amount", side="request", rows=1180, missing=0, wrong_type=0, out_of_range=9, unknown=0),
            FieldQuality(
                field="merchant_category",
                side="request",
                rows=1180,
                missing=132,
                wrong_type=0,
                out_of_range=0,
                unknown=2,
            ),
            FieldQuality(
                field="new_device", side="request", rows=1180, missing=0, wrong_type=0, out_of_range=0, unknown=0
            ),
        ),
        violations=_violations(),
        two_sample=_two_sample(),
        quality=_quality(),
        examples=_examples(),
        history=_history(),
    )


def unchanged(*, status: Literal["no_change", "too_few_rows"] = "no_change") -> WindowDocument:
    """A quiet window without labels, or one with too few rows."""
    document, few = changed(), status == "too_few_rows"
    payments = [30.0, 18, 10, 11, 9, 7, 6, 3, 4, 0]
    return replace(
        document,
        status=status,
        traffic=replace(document.traffic, rows=12 if few else 1180, refusals=()),
        inputs=Decision(evidence=-0.4, threshold=3.0, called=False, score=0.031),
        predictions=Decision(evidence=-0.3, threshold=3.0, called=False, score=0.02),
        columns=()
        if few
        else (
            column(AMOUNT, baseline=[1.0] * 10, window=[1.0] * 10),
            column(MERCHANT, baseline=payments, window=payments),
        ),
        fields=(),
        violations=(),
        two_sample=(),
        quality=None,
        examples=(),
        history=(),
    )


def _distances(found: BinnedColumn, before: Any, now: Any) -> Distances | None:
    return compare([found], baseline=before, window=now)[0]


def _served() -> Served:
    return Served(
        package="payments",
        endpoint="flyball-payments",
        variant="champion",
        version="7",
        schema_hash="d41d8cd98f00",
        baseline_rows=20_000,
        description="Scores card payments for fraud (synthetic data).",
        task="binary_classification",
    )


def _traffic() -> Traffic:
    return Traffic(
        rows=1180,
        records=1032,
        blocks=1180,
        minimum_rows=200,
        files=14,
        duplicates=3,
        late=0,
        unreadable=2,
        answered=1041,
        coverage=0.991,
        unreadable_by_reason={"not-json": 1, "no-id": 1},
        refused=19,
        refusals=(
            Refusals(field="/amount", reason="greater_than_equal", count=17),
            Refusals(field="", reason="json_invalid", count=2),
        ),
    )


def _settings() -> SettingsUsed:
    return SettingsUsed(
        tolerance=0.03,
        windows_per_false_alarm=1000,
        block="row",
        window_minutes=60,
        maximum_violation_percent=1.0,
        minimum_coverage_percent=90.0,
        block_minutes=5,
    )


def _violations() -> tuple[Violation, ...]:
    return (
        Violation(
            feature_name="amount",
            constraint_check_type=Check.RANGE,
            description="Range requirement is not met. Expected: at least 0.01 and at most 50000. Observed: 9 of 1180 "
            "values (0.7627%) are outside.",
            share=9 / 1180,
            allowed=0.0003,
            rows=9,
        ),
        Violation(
            feature_name="amount",
            constraint_check_type=Check.BASELINE_DRIFT,
            description="Baseline drift distance: 0.342 exceeds threshold: 0.03.",
            share=0.342,
            allowed=0.03,
        ),
    )


def _two_sample() -> tuple[TwoSampleResult, ...]:
    rows: dict[str, Any] = {"field": "request.image", "baseline_rows": 500, "window_rows": 500}
    return (
        TwoSampleResult(test="mmd", statistic=0.0031, chance=0.0, p_value=0.002, **rows),
        TwoSampleResult(test="domain_classifier", statistic=0.674, chance=0.5, p_value=3e-9, **rows),
    )


def _quality() -> LiveQuality:
    return LiveQuality(
        metric="average_precision",
        value=0.52,
        low=0.44,
        high=0.59,
        labelled_rows=812,
        unmatched_labels=4,
        expected=0.56,
        minimum=0.45,
        evidence=0.3,
        since=END - timedelta(days=14),
    )


def _examples() -> tuple[Example, ...]:
    request = '{"amount": 812.4, "merchant_category": "electronics", "country": "DE", "channel": "online"}'
    answer = '{"fraud_probability": 0.21, "decision": "review"}'
    return tuple(
        Example(column="amount", value=value, inference_id=f"0193-{value}", request=request, response=answer)
        for value in ("812.4", "455.0", "1290.99")
    )


def _history() -> tuple[PastWindow, ...]:
    generator, evidence, points = np.random.default_rng(7), 0.0, []
    for number in range(42):
        evidence = max(-0.3, evidence + generator.normal(-0.15, 0.35)) if number < 39 else evidence + 1.75
        points.append(
            PastWindow(
                window=f"{number + 1:06d}",
                end=END - timedelta(hours=41 - number),
                rows=int(generator.integers(800, 1500)),
                evidence=min(4.0, round(evidence, 2)),
                prediction_evidence=round(float(generator.normal(0.1, 0.3)), 2),
                score=0.04 if number < 39 else 0.33,
                status="change" if evidence >= 3 else "no_change",
            )
        )
    return tuple(points)
