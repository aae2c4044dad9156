"""Which constraints a window violates, and constraint_violations.json as Model Monitor writes it.

What a package states (package.toml, the schema's types) holds as stated. What was learnt is known only as well as the
baseline's rows tell it. Either way the window is a sample too: a share above the allowed one is a violation only where
chance would not do it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from model_packages.profile.hashing import estimate_distinct

if TYPE_CHECKING:
    from model_packages.contract import Monitor
    from model_packages.profile.baseline import Baseline, FieldProfile
    from model_packages.profile.tally import Tally

CHANCE = 0.001
"""A window that has just the allowed share is called a violation this often at most; and a learnt share may lie as far
above what the baseline showed as a sample of that size does this often."""


class Check(StrEnum):
    """The first six are Model Monitor's own names."""

    DATA_TYPE = "data_type_check"
    COMPLETENESS = "completeness_check"
    BASELINE_DRIFT = "baseline_drift_check"
    MISSING_COLUMN = "missing_column_check"
    EXTRA_COLUMN = "extra_column_check"
    CATEGORICAL_VALUES = "categorical_values_check"
    RANGE = "range_check"
    UNIQUENESS = "uniqueness_check"
    DUPLICATE_RECORDS = "duplicate_records_check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violated constraint. `feature_name` is a field's, or empty where it is about whole records."""

    feature_name: str
    constraint_check_type: Check
    description: str
    share: float
    """Of the rows, or how large the change is."""
    allowed: float
    rows: int = 0
    """How many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A column that the decision calls changed."""

    field: str
    column: str
    change: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the reader of the captures found beside rows that can be counted."""

    records: int
    """Each counted once."""
    duplicates: int = 0
    """Records that came again."""
    extra_fields: Mapping[str, int] = field(default_factory=dict)
    """Rows with a field that the schema does not have, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """`found` of `rows` rows; `expected` of `baseline_rows` before. Stated: the share expected is exact."""

    found: int
    rows: int
    expected: float
    baseline_rows: int
    stated: bool = False

    @property
    def share(self) -> float:
        return self.found / self.rows if self.rows else 0.0

    @property
    def allowed(self) -> float:
        """The largest share that what is known of the baseline does not rule out."""
        return self.expected if self.stated else likely_at_most(self.expected, rows=self.baseline_rows)

    @property
    def too_many(self) -> bool:
        """Whether the true share is above the allowed one, but for a chance of CHANCE (Chernoff's bound again)."""
        if self.share <= self.expected or self.share <= self.allowed:
            return False
        return self.rows * divergence(self.share, self.allowed) >= -math.log(CHANCE)


def find_violations(
    baseline: Baseline,
    tally: Tally,
    *,
    monitor: Monitor,
    records: Records,
    drifts: Sequence[Drift] = (),
) -> tuple[Violation, ...]:
    """All of a window's, field by field in the schema's order. `baseline` already has package.toml's overrides."""
    return (
        *(found for index in range(len(baseline.fields)) for found in _of_field(baseline, tally, monitor, index)),
        *_extra_columns(records, rows=tally.rows),
        *_duplicates(records, monitor),
        *map(_drift, drifts),
    )


def constraint_violations(violations: Sequence[Violation], *, rows: int) -> dict[str, Any]:
    """constraint_violations.json: Model Monitor's keys, and under `flyball` the sizes, in the same order."""
    return {
        "violations": [
            {
                "feature_name": violation.feature_name,
                "constraint_check_type": violation.constraint_check_type.value,
                "description": violation.description,
            }
            for violation in violations
        ],
        "flyball": {
            "rows": rows,
            "chance": CHANCE,
            "sizes": [
                {"share": violation.share, "allowed": violation.allowed, "rows": violation.rows}
                for violation in violations
            ],
        },
    }


def constraint_violations_json(violations: Sequence[Violation], *, rows: int) -> str:
    """The same violations give the same text."""
    return json.dumps(constraint_violations(violations, rows=rows), indent=2, ensure_ascii=False) + "\n"


def likely_at_most(share: float, *, rows: int) -> float:
    """The largest true share of which `rows` rows could have shown only `share`, at CHANCE (Chernoff's bound)."""
    if not rows:
        return 1.0
    low, high = share, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rows * divergence(share, middle) <= -math.log(CHANCE) else (low, middle)
    return high


def divergence(share: float, other: float) -> float:
    """Kullback and Leibler's, of one coin from another, in nats."""
    pairs = ((share, other), (1 - share, 1 - other))
    return math.fsum(p * math.log(p / q) if q > 0 else math.inf for p, q in pairs if p > 0)


def _of_field(baseline: Baseline, tally: Tally, monitor: Monitor, index: int) -> Iterator[Violation]:
    profile = baseline.fields[index]
    if not tally.rows_of(profile.side):
        return
    override = monitor.fields.get(profile.name)
    stated = override.model_fields_set if override else set()
    yield from _completeness(baseline, tally, index, stated="completeness" in stated)
    yield from _types(tally, profile, index)
    yield from _range(baseline, tally, index, stated=bool({"minimum", "maximum"} & stated))
    yield from _categories(baseline, tally, index, stated="categories" in stated)
    yield from _uniqueness(tally, profile, index)


def _completeness(baseline: Baseline, tally: Tally, index: int, *, stated: bool) -> Iterator[Violation]:
    profile = baseline.fields[index]
    counted = Counted(
        found=int(tally.missing[index]),
        rows=tally.rows_of(profile.side),
        expected=1 - profile.constraints.completeness,
        baseline_rows=baseline.tally.rows_of(profile.side),
        stated=stated,
    )
    if not counted.too_many:
        return
    if counted.found == counted.rows:
        columns = sum(other.side == profile.side for other in baseline.fields)
        text = (
            f"There are missing columns in current dataset: no row of {counted.rows} has a value. Number of columns in "
            f"baseline constraints: {columns}."
        )
        yield _violation(profile.name, Check.MISSING_COLUMN, text, counted)
        return
    text = (
        f"Data completeness requirement is not met. Expected: at least {_percent(1 - counted.allowed)} of rows with "
        f"a value. Observed: {_percent(1 - counted.share)}; {counted.found} of {counted.rows} rows have none."
    )
    yield _violation(profile.name, Check.COMPLETENESS, text, counted)


def _types(tally: Tally, profile: FieldProfile, index: int) -> Iterator[Violation]:
    """One wrong type is one too many: the schema allows none, and the gateway lets none pass."""
    counted = Counted(
        found=int(tally.wrong_type[index]),
        rows=_present(tally, profile, index),
        expected=0,
        baseline_rows=0,
        stated=True,
    )
    if counted.too_many:
        text = (
            f"Data type match requirement is not met. Expected data type: {profile.constraints.inferred_type}, "
            f"Expected match: 100%. Observed: only {_percent(1 - counted.share)} of data is "
            f"{profile.constraints.inferred_type}; {counted.found} of {counted.rows} values are of another type."
        )
        yield _violation(profile.name, Check.DATA_TYPE, text, counted)


def _range(baseline: Baseline, tally: Tally, index: int, *, stated: bool) -> Iterator[Violation]:
    profile = baseline.fields[index]
    counted = _beside(baseline, tally, index, kind="out_of_range", stated=stated)
    if counted.too_many:
        low, high = profile.constraints.minimum, profile.constraints.maximum
        limits = " and ".join(
            f"{words} {limit:g}" for words, limit in (("at least", low), ("at most", high)) if limit is not None
        )
        text = f"Range requirement is not met. Expected: {limits or 'a number in range'}. {_observed(counted)} outside."
        yield _violation(profile.name, Check.RANGE, text, counted)


def _categories(baseline: Baseline, tally: Tally, index: int, *, stated: bool) -> Iterator[Violation]:
    profile = baseline.fields[index]
    counted = _beside(baseline, tally, index, kind="unknown", stated=stated)
    if counted.too_many:
        known = len(profile.constraints.categories)
        text = (
            f"Categorical values requirement is not met. Expected: one of {known} known values, at most "
            f"{_percent(counted.allowed)} others. {_observed(counted)} unknown."
        )
        yield _violation(profile.name, Check.CATEGORICAL_VALUES, text, counted)


def _uniqueness(tally: Tally, profile: FieldProfile, index: int) -> Iterator[Violation]:
    """Distinct values are an estimate, so that three of its standard errors are forgiven."""
    least, values = profile.constraints.uniqueness, _present(tally, profile, index)
    if least is None or not values:
        return
    distinct, error = estimate_distinct(tally.registers[index]), 1.04 / math.sqrt(tally.registers.shape[1])
    if distinct * (1 + 3 * error) < least * values:
        text = (
            f"Uniqueness requirement is not met. Expected: at least {_percent(least)} of values distinct. "
            f"Observed: about {_percent(distinct / values)}."
        )
        repeated = max(values - round(distinct), 0)
        yield Violation(
            feature_name=profile.name,
            constraint_check_type=Check.UNIQUENESS,
            description=text,
            share=repeated / values,
            allowed=1 - least,
            rows=repeated,
        )


def _extra_columns(records: Records, *, rows: int) -> Iterator[Violation]:
    for name, found in sorted(records.extra_fields.items()):
        counted = Counted(found=found, rows=max(rows, found), expected=0, baseline_rows=0, stated=True)
        if counted.too_many:
            text = f"There are extra columns in current dataset: {found} of {counted.rows} rows have {name!r}."
            yield _violation(name, Check.EXTRA_COLUMN, text, counted)


def _duplicates(records: Records, monitor: Monitor) -> Iterator[Violation]:
    counted = Counted(
        found=records.duplicates,
        rows=records.records + records.duplicates,
        expected=monitor.maximum_violation_percent / 100,
        baseline_rows=0,
        stated=True,
    )
    if counted.too_many:
        text = (
            f"Duplicate records requirement is not met. Expected: at most {_percent(counted.allowed)} of records "
            f"captured twice. Observed: {_percent(counted.share)}; {counted.found} of {counted.rows}. Each counts once."
        )
        yield _violation("", Check.DUPLICATE_RECORDS, text, counted)


def _drift(drift: Drift) -> Violation:
    within = "" if drift.column == drift.field else f" in {drift.column}"
    return Violation(
        feature_name=drift.field,
        constraint_check_type=Check.BASELINE_DRIFT,
        description=f"Baseline drift distance: {drift.change:.4g}{within} exceeds threshold: {drift.tolerance:.4g}.",
        share=drift.change,
        allowed=drift.tolerance,
    )


def _beside(baseline: Baseline, tally: Tally, index: int, *, kind: str, stated: bool) -> Counted:
    """One kind of wrong value, in the window and in the baseline."""
    profile = baseline.fields[index]
    before = _typed(baseline.tally, profile, index)
    expected = int(getattr(baseline.tally, kind)[index]) / before if before and not stated else 0.0
    return Counted(
        found=int(getattr(tally, kind)[index]),
        rows=_typed(tally, profile, index),
        expected=expected,
        baseline_rows=before,
        stated=stated,
    )


def _present(tally: Tally, profile: FieldProfile, index: int) -> int:
    """Rows with a value that could be read."""
    return tally.rows_of(profile.side) - int(tally.missing[index]) - int(tally.unread[index])


def _typed(tally: Tally, profile: FieldProfile, index: int) -> int:
    """Rows with a value of the right type."""
    return _present(tally, profile, index) - int(tally.wrong_type[index])


def _observed(counted: Counted) -> str:
    return f"Observed: {counted.found} of {counted.rows} values ({_percent(counted.share)}) are"


def _violation(name: str, check: Check, description: str, counted: Counted) -> Violation:
    return Violation(
        feature_name=name,
        constraint_check_type=check,
        description=description,
        share=counted.share,
        allowed=counted.allowed,
        rows=counted.found,
    )


def _percent(share: float) -> str:
    """Enough digits that less than all is never shown as all."""
    text = f"{100 * share:.4g}"
    return f"{100 * share:.8g}%" if text == "100" and share < 1 else f"{text}%"
