"""statistics.json and constraints.json as Model Monitor publishes them, with what it does not have under "flyball".

A field is one feature; what is counted of a text or a tensor stands under its "flyball". Buckets are our fixed cells,
so a KLL sketch, which they would be made of there, is absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from model_packages.profile.columns import SIDES, Column
from model_packages.profile.hashing import estimate_distinct
from model_packages.profile.tally import FAULTS, Tally

if TYPE_CHECKING:
    from model_packages.contract import Monitor
    from model_packages.profile.baseline import Baseline, FieldProfile

STATISTICS, CONSTRAINTS, BASELINE = "statistics.json", "constraints.json", "baseline.json"
"""The three files of a version's baseline."""
DATATYPE_THRESHOLD = 1.0
"""The least share of a field's values that are of its type: the schema allows no other."""


def statistics(baseline: Baseline, tally: Tally) -> dict[str, Any]:
    """What a tally says of each field: the baseline's own tally, or a window's."""
    return {
        "version": 0.0,
        "dataset": {"item_count": tally.rows},
        "features": [_feature_statistics(baseline, tally, field) for field in baseline.fields],
        "flyball": {**_origin(baseline), "rows": {side: tally.rows_of(side) for side in SIDES}},
    }


def constraints(baseline: Baseline, monitor: Monitor) -> dict[str, Any]:
    """What the baseline, with package.toml's overrides, expects of each field."""
    overridden = baseline.overridden(monitor)
    return {
        "version": 0.0,
        "features": [_feature_constraints(field) for field in overridden.fields],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": DATATYPE_THRESHOLD,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": monitor.tolerance,
                "comparison_method": "Simple",
                "categorical_comparison_threshold": monitor.tolerance,
                "categorical_drift_method": "LInfinity",
            },
        },
        "flyball": _origin(baseline),
    }


def baseline_files(baseline: Baseline, monitor: Monitor) -> dict[str, str]:
    """Name -> text of a version's three files. baseline.json holds what was learnt, without the overrides."""
    return {
        STATISTICS: as_text(statistics(baseline, baseline.tally)),
        CONSTRAINTS: as_text(constraints(baseline, monitor)),
        BASELINE: baseline.to_json(),
    }


def as_text(document: Mapping[str, Any]) -> str:
    """A document as its file holds it."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _origin(baseline: Baseline) -> dict[str, Any]:
    return {"package": baseline.package, "schema_hash": baseline.schema_hash, "baseline": baseline.identity}


def _feature_statistics(baseline: Baseline, tally: Tally, field: FieldProfile) -> dict[str, Any]:
    place = baseline.place_of(field)
    first = baseline.columns.index(field.columns[0])
    missing = int(tally.missing[place])
    common = {"num_present": tally.rows_of(field.side) - missing, "num_missing": missing}
    own = {name: int(getattr(tally, name)[place]) for name in FAULTS if name != "missing"}
    described: dict[str, Any] = {"name": field.name, "inferred_type": field.constraints.inferred_type}
    flyball: dict[str, Any] = {"side": field.side, "kind": field.kind, **own}
    if field.kind in ("numeric", "integer"):
        described["numerical_statistics"] = {"common": common, **_numerical(baseline, tally, first)}
    elif field.kind in ("boolean", "category"):
        buckets = _category_buckets(baseline, tally, first)
        seen = sum(bucket["count"] > 0 for bucket in buckets)
        described["string_statistics"] = _string(common, distinct=seen, buckets=buckets)
    else:
        columns = enumerate(field.columns, start=first)
        flyball["columns"] = {column.name: _derived(baseline, tally, at, column) for at, column in columns}
        if field.kind == "text":
            distinct = round(estimate_distinct(tally.registers[place]))
            described["string_statistics"] = _string(common, distinct=distinct, buckets=[])
        else:
            flyball["common"] = common
    if field.kind == "integer":
        flyball["distinct_count"] = round(estimate_distinct(tally.registers[place]))
    return {**described, "flyball": flyball}


def _string(common: Mapping[str, int], *, distinct: int, buckets: list[dict[str, Any]]) -> dict[str, Any]:
    return {"common": common, "distinct_count": distinct, "distribution": {"categorical": {"buckets": buckets}}}


def _derived(baseline: Baseline, tally: Tally, at: int, column: Column) -> dict[str, Any]:
    if column.kind == "category":
        return {"distribution": {"categorical": {"buckets": _category_buckets(baseline, tally, at)}}}
    return _numerical(baseline, tally, at)


def _numerical(baseline: Baseline, tally: Tally, at: int) -> dict[str, Any]:
    column, counts = baseline.columns[at], tally.cells[baseline.slices[at]].tolist()
    count = sum(counts)
    low, high = tally.extremes[at].tolist()
    about, squares = tally.sums[at].tolist()
    mean = about / count if count else math.nan
    variance = max(squares / count - mean * mean, 0.0) if count else math.nan
    return {
        "mean": _finite(column.centre + mean),
        "sum": _finite(column.centre * count + about),
        "std_dev": _finite(math.sqrt(variance)),
        "min": _finite(low),
        "max": _finite(high),
        "distribution": {"kll": {"buckets": _number_buckets(column, counts, low=low, high=high)}},
    }


def _number_buckets(column: Column, counts: list[int], *, low: float, high: float) -> list[dict[str, Any]]:
    """The outer cells have no end: theirs is the least and the greatest value."""
    if not any(counts):
        return []
    ends = [min([low, *column.edges[:1]]), *column.edges, max([high, *column.edges[-1:]])]
    return [
        {"lower_bound": lower, "upper_bound": upper, "count": count}
        for lower, upper, count in zip(ends, ends[1:], counts, strict=False)
    ]


def _category_buckets(baseline: Baseline, tally: Tally, at: int) -> list[dict[str, Any]]:
    column, counts = baseline.columns[at], tally.cells[baseline.slices[at]].tolist()
    return [{"value": label, "count": count} for label, count in zip(column.labels, counts, strict=True)]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _feature_constraints(field: FieldProfile) -> dict[str, Any]:
    expected = field.constraints
    described: dict[str, Any] = {
        "name": field.name,
        "inferred_type": expected.inferred_type,
        "completeness": expected.completeness,
    }
    if field.kind in ("numeric", "integer"):
        described["num_constraints"] = {"is_non_negative": expected.minimum is not None and expected.minimum >= 0}
    if expected.categories:
        described["string_constraints"] = {"domains": list(expected.categories)}
    own = {name: getattr(expected, name) for name in ("minimum", "maximum", "uniqueness", "tolerance", "watch")}
    stated = {name: value for name, value in own.items() if value is not None}
    return {**described, "flyball": {"side": field.side, "kind": field.kind, **stated}}
