"""Closes a window: what its counts say beside the baseline's, as documents and as metrics. Pure: the same window gives
the same documents; somebody else writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from functions.monitor import window_document as document
from functions.monitor.baselines import Champion
from functions.monitor.coverage import Coverage
from functions.monitor.decision import Decision, Detector
from functions.monitor.distances import Distances, compare
from functions.monitor.examples import pick_examples
from functions.monitor.folding import KeptRow, Reading
from functions.monitor.metrics import FieldMetric, WindowMetric
from functions.monitor.publishing import Measurement, Name, measured
from functions.monitor.refusals import RefusedRequests
from functions.monitor.report import render_report
from functions.monitor.two_sample import compare_samples
from functions.monitor.violations import Drift, Records, Violation, constraint_violations_json, find_violations
from functions.shared import layout
from model_packages.contract import PackageConfig
from model_packages.fields import FieldSpec
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.columns import SIDES, Side
from model_packages.profile.documents import as_text, statistics
from model_packages.profile.hashing import estimate_distinct
from model_packages.profile.tally import Tally

HISTORY_WINDOWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A window's counts, and what was found beside them."""

    window: str
    tally: Tally
    reading: Reading
    closed: datetime
    examples: Sequence[KeptRow] = ()
    refused: RefusedRequests = field(default_factory=RefusedRequests)
    coverage: Coverage | None = None
    set_aside: int = 0
    """Rows of the version before, too few for a window of their own."""
    quality: document.LiveQuality | None = None
    folded_by_job: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a window is compared with, and how the package wants it done."""

    endpoint: str
    interface: Interface
    champion: Champion
    baseline: Baseline
    config: PackageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a window shows beside the baseline."""

    decisions: Mapping[Side, Decision]
    distances: Sequence[Distances | None]
    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What one window came to."""

    window: str
    documents: Mapping[str, str]
    """Texts by their keys in the bucket."""
    measurements: tuple[Measurement, ...]
    detectors: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]


def window_id(sequence: int, closed: datetime) -> str:
    """Sorts by the order in which windows were closed, and says when."""
    return f"{sequence:06d}-{closed:%Y%m%dT%H%M%SZ}"


def close(
    counted: Counted, *, model: Model, detectors: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> Closed:
    """Compares, decides and writes it down. `detectors` are the sequential tests as they were before this window."""
    tests: dict[Side, Detector] = {
        side: Detector.from_json(detectors.get(side, {}), model.baseline, model.config.monitor, side=side)
        for side in SIDES
    }
    decisions = {side: test.update(counted.window, counted.tally, end=counted.closed) for side, test in tests.items()}
    comparison = Comparison(
        decisions=decisions,
        distances=compare(model.baseline.columns, baseline=model.baseline.counts, window=counted.tally.cells),
        violations=_violations(counted, model, decisions),
    )
    past = (*history, _point(counted, decisions))[-HISTORY_WINDOWS:]
    return Closed(
        window=counted.window,
        documents=_documents(counted, model, comparison, past),
        measurements=(*_window_measurements(counted, comparison), *_field_measurements(counted, model, comparison)),
        detectors={**detectors, **{side: test.to_json() for side, test in tests.items()}},
        history=past,
    )


def _violations(counted: Counted, model: Model, decisions: Mapping[Side, Decision]) -> Sequence[Violation]:
    records = Records(
        records=counted.reading.records,
        duplicates=counted.reading.duplicates,
        extra_fields=counted.reading.extra_fields,
    )
    drifts = [
        Drift(field=found.field, column=found.column, change=found.change, tolerance=found.tolerance)
        for side in SIDES
        for found in decisions[side].findings
        if found.changed
    ]
    return find_violations(model.baseline, counted.tally, monitor=model.config.monitor, records=records, drifts=drifts)


def _documents(
    counted: Counted, model: Model, comparison: Comparison, past: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    prefix, rows = layout.window_prefix(model.endpoint, counted.window), counted.tally.rows
    window = _window_document(counted, model, comparison, past)
    return {
        f"{prefix}statistics.json": as_text(statistics(model.baseline, counted.tally)),
        f"{prefix}constraint_violations.json": constraint_violations_json(comparison.violations, rows=rows),
        f"{prefix}window.json": document.to_json(window).decode(),
        f"{prefix}report.html": render_report(window),
    }


def _window_document(
    counted: Counted, model: Model, comparison: Comparison, past: Sequence[Mapping[str, Any]]
) -> document.WindowDocument:
    decisions = comparison.decisions
    examples = pick_examples(model.baseline, counted.tally, distances=comparison.distances, rows=counted.examples)
    return document.WindowDocument(
        window=counted.window,
        status=_status(decisions["request"]),
        served=_served(model),
        span=_span(counted),
        traffic=_traffic(counted, model, blocks=decisions["request"].blocks),
        settings=_settings(model),
        inputs=_told(decisions["request"]),
        predictions=_told(decisions["response"]),
        columns=tuple(_columns(counted, model, comparison)),
        fields=tuple(_fields(counted, model)),
        violations=tuple(comparison.violations),
        two_sample=compare_samples(baseline=model.baseline.tally.samples, window=counted.tally.samples),
        quality=counted.quality,
        examples=examples,
        history=tuple(_past(point) for point in past),
    )


def _served(model: Model) -> document.Served:
    return document.Served(
        package=model.interface.package,
        endpoint=model.endpoint,
        variant=layout.VARIANT,
        version=model.champion.label,
        schema_hash=model.baseline.schema_hash,
        baseline_rows=model.baseline.rows,
        description=model.config.description,
        task=model.config.task,
    )


def _span(counted: Counted) -> document.Span:
    reading = counted.reading
    return document.Span(
        begin=reading.first or counted.closed, end=reading.last or counted.closed, closed=counted.closed
    )


def _traffic(counted: Counted, model: Model, *, blocks: int) -> document.Traffic:
    reading, coverage = counted.reading, counted.coverage
    refusals = [
        document.Refusals(field=found.field, reason=found.reason, count=found.count)
        for found in counted.refused.refusals
    ]
    return document.Traffic(
        rows=counted.tally.rows,
        records=reading.records,
        blocks=blocks,
        minimum_rows=model.config.monitor.minimum_rows,
        files=reading.files,
        duplicates=reading.duplicates,
        late=reading.late,
        unreadable=sum(reading.unreadable.values()),
        answered=coverage.answered if coverage else None,
        coverage=coverage.value if coverage else None,
        unreadable_by_reason=reading.unreadable,
        refused=counted.refused.requests,
        refusals=tuple(refusals),
        refusals_are_all=counted.refused.is_whole,
        set_aside=counted.set_aside,
        folded_by="processing" if counted.folded_by_job else "function",
    )


def _settings(model: Model) -> document.SettingsUsed:
    monitor = model.config.monitor
    return document.SettingsUsed(
        tolerance=monitor.tolerance,
        windows_per_false_alarm=monitor.windows_per_false_alarm,
        block=monitor.block,
        block_minutes=monitor.block_minutes,
        season_hours=monitor.season_hours,
        window_minutes=monitor.window_minutes,
        maximum_violation_percent=monitor.maximum_violation_percent,
        minimum_coverage_percent=monitor.minimum_coverage_percent,
    )


def _told(decision: Decision) -> document.Decision:
    return document.Decision(
        evidence=decision.evidence,
        threshold=decision.threshold,
        called=decision.called,
        score=decision.score,
        fields=decision.fields,
    )


def _status(decision: Decision) -> document.Status:
    return "too_few_rows" if decision.state == "no_evidence" else decision.state


def _columns(counted: Counted, model: Model, comparison: Comparison) -> Iterator[document.ColumnComparison]:
    findings = {
        (side, found.column): found for side, decision in comparison.decisions.items() for found in decision.findings
    }
    specs = _specs(model.interface)
    for index, (column, distances) in enumerate(zip(model.baseline.columns, comparison.distances, strict=True)):
        constraints = model.baseline.field_of(column).constraints
        finding, place = findings.get((column.side, column.name)), model.baseline.cells_of(index)
        spec = specs.get((column.side, column.field))
        yield document.ColumnComparison(
            name=column.name,
            field=column.field,
            side=column.side,
            kind=column.kind,
            edges=column.edges,
            categories=column.categories,
            baseline=tuple(model.baseline.counts[place].tolist()),
            window=tuple(counted.tally.cells[place].tolist()),
            baseline_rows=model.baseline.tally.rows_of(column.side),
            window_rows=counted.tally.rows_of(column.side),
            distances=distances,
            tolerance=constraints.tolerance or model.config.monitor.tolerance,
            change=finding.change if finding else None,
            evidence=finding.evidence if finding else None,
            changed=bool(finding and finding.changed),
            words=finding.words if finding else "",
            watched=constraints.watch,
            unit=(spec.unit if spec else None) or "",
            description=(spec.description if spec else None) or "",
        )


def _specs(interface: Interface) -> dict[tuple[Side, str], FieldSpec]:
    sides: dict[Side, Sequence[FieldSpec]] = {
        "request": interface.request_fields,
        "response": interface.response_fields,
    }
    return {(side, spec.name): spec for side, specs in sides.items() for spec in specs}


def _fields(counted: Counted, model: Model) -> Iterator[document.FieldQuality]:
    tally = counted.tally
    for index, profile in enumerate(model.baseline.fields):
        yield document.FieldQuality(
            field=profile.name,
            side=profile.side,
            rows=tally.rows_of(profile.side),
            missing=int(tally.missing[index]),
            wrong_type=int(tally.wrong_type[index]),
            out_of_range=int(tally.out_of_range[index]),
            unknown=int(tally.unknown[index]),
            distinct=estimate_distinct(tally.registers[index]) if tally.registers[index].any() else None,
        )


def _point(counted: Counted, decisions: Mapping[Side, Decision]) -> Mapping[str, Any]:
    inputs, predictions = decisions["request"], decisions["response"]
    return {
        "window": counted.window,
        "end": counted.closed.isoformat(),
        "rows": counted.tally.rows,
        "evidence": inputs.evidence,
        "prediction_evidence": predictions.evidence,
        "score": inputs.score,
        "status": _status(inputs),
    }


def _past(point: Mapping[str, Any]) -> document.PastWindow:
    return document.PastWindow(**{**point, "end": datetime.fromisoformat(point["end"])})


def _window_measurements(counted: Counted, comparison: Comparison) -> tuple[Measurement, ...]:
    tally, reading = counted.tally, counted.reading
    inputs, predictions = comparison.decisions["request"], comparison.decisions["response"]
    seen = reading.records + reading.duplicates
    values: dict[Name, float | None] = {
        WindowMetric.ROWS: tally.rows,
        WindowMetric.DUPLICATES: reading.duplicates / seen if seen else None,
        WindowMetric.VIOLATIONS: len(comparison.violations),
        WindowMetric.DRIFT_SCORE: inputs.score,
        WindowMetric.DRIFT_EVIDENCE: inputs.evidence,
        WindowMetric.PREDICTION_DRIFT_SCORE: predictions.score,
        WindowMetric.PREDICTION_DRIFT_EVIDENCE: predictions.evidence,
    }
    return measured(values, time=counted.closed)


def _field_measurements(counted: Counted, model: Model, comparison: Comparison) -> tuple[Measurement, ...]:
    """The largest share of any field's rows with each kind of wrong value, and how far each field has changed."""
    tally, baseline = counted.tally, model.baseline
    rows = [max(1, tally.rows_of(field.side)) for field in baseline.fields]
    allowed = [1 - field.constraints.completeness for field in baseline.fields]
    values: dict[Name, float | None] = {
        WindowMetric.MISSING: _largest(
            found / count - least for found, count, least in zip(tally.missing, rows, allowed, strict=True)
        ),
        WindowMetric.WRONG_TYPE: _largest(found / count for found, count in zip(tally.wrong_type, rows, strict=True)),
        WindowMetric.OUT_OF_RANGE: _largest(found / n for found, n in zip(tally.out_of_range, rows, strict=True)),
        WindowMetric.UNKNOWN_CATEGORY: _largest(found / n for found, n in zip(tally.unknown, rows, strict=True)),
    }
    changes = _changes(comparison.decisions) if model.config.monitor.field_metrics else {}
    return (
        *measured(values, time=counted.closed),
        *(
            Measurement(name=FieldMetric.CHANGE.value, value=change, time=counted.closed, field=name)
            for name, change in changes.items()
        ),
    )


def _largest(shares: Iterator[float]) -> float:
    return max(0.0, max((float(share) for share in shares), default=0.0))


def _changes(decisions: Mapping[Side, Decision]) -> dict[str, float]:
    """Of each field that is watched: the change of its column that changed most."""
    changes: dict[str, float] = {}
    for found in (finding for side in SIDES for finding in decisions[side].findings):
        changes[found.field] = max(changes.get(found.field, 0.0), found.change)
    return changes
