"""What is known about one window, as window.json holds it: facts only, no HTML and no AWS.

The monitor fills it, the report and the console read it. Shares are 0 to 1, evidence is log10, times are in UTC.
Reading tolerates keys that a later release adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

from functions.monitor.distances import Distances
from functions.monitor.two_sample import TwoSampleResult
from functions.monitor.violations import Violation

Side = Literal["request", "response"]
Status = Literal["change", "no_change", "too_few_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Which model answered, and what it is compared with."""

    package: str
    endpoint: str
    variant: str
    version: str
    """The model version's name or number; `initial` is the one that `flyball train` built."""
    schema_hash: str
    baseline_rows: int
    description: str = ""
    """What the model predicts from what, in the package's words."""
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time from the first row of the window to its last, and when the window was closed."""

    begin: datetime
    end: datetime
    closed: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Requests that the gateway refused during the window, by field and reason; they are in no distribution."""

    field: str
    """A JSON pointer or a field's name; empty where the body as a whole was refused."""
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Where the window's rows came from, and what is not among them."""

    rows: int
    records: int
    """Captured records; one may hold several rows."""
    blocks: int
    """Independent observations: rows, times or callers, as monitor.block says."""
    minimum_rows: int
    files: int = 0
    duplicates: int = 0
    """Records that were captured twice, counted once."""
    late: int = 0
    unreadable: int = 0
    answered: int | None = None
    """Requests that the endpoint answered, where that is known."""
    coverage: float | None = None
    """Captured records of those that should have been captured; None: nobody counted."""
    unreadable_by_reason: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0
    """Requests that the gateway refused; one of them may be in several refusals."""
    refusals: tuple[Refusals, ...] = ()
    refusals_are_all: bool = True
    """False where there were more than are told."""
    set_aside: int = 0
    """Rows of the version before, which were too few for a window of their own."""
    folded_by: Literal["function", "processing"] = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsUsed:
    """What of `[monitor]` the window was judged by."""

    tolerance: float
    windows_per_false_alarm: int
    block: str
    window_minutes: int
    maximum_violation_percent: float
    minimum_coverage_percent: float
    block_minutes: int = 0
    """With block = "time"."""
    season_hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldQuality:
    """What is wrong with one field's values: how many of the window's rows, beside what the constraint allows."""

    field: str
    side: Side
    rows: int
    missing: int
    wrong_type: int
    out_of_range: int
    unknown: int
    distinct: float | None = None
    """An estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnComparison:
    """One column of the baseline beside the window's, on the same cells.

    A numeric column has one edge fewer than cells: (-inf, e1], (e1, e2], ..., (ek, inf). A category column's last
    cell is any other category.
    """

    name: str
    field: str
    side: Side
    kind: Literal["numeric", "category"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    baseline: tuple[int, ...]
    window: tuple[int, ...]
    baseline_rows: int = 0
    """Those without a value too; what the cells do not have of them has none. 0: not known."""
    window_rows: int = 0
    distances: Distances | None
    """None: the window or the baseline has no value here."""
    tolerance: float
    change: float | None = None
    """The share of the window's rows that would have to move, those without a value counted; chance is part of it."""
    evidence: float | None = None
    """The sequential test's log10 evidence on this column alone, where it is watched."""
    changed: bool = False
    """Whether the decision names this column."""
    words: str = ""
    """What the decision says of it: "more rows are above 103: 38.1%, 10.0% in the baseline"."""
    watched: bool = True
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the sequential test says after this window about one side."""

    evidence: float
    """log10; 0 and less is none."""
    threshold: float
    """log10 of `windows_per_false_alarm`: called from here on."""
    called: bool
    score: float
    """The largest change of any watched column: at least this share of the rows would have to move."""
    fields: tuple[str, ...] = ()
    """What has changed, the most evidence first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQuality:
    """The model against labels. Without labels there is none of it."""

    metric: str
    value: float
    low: float
    high: float
    """Ends of the 95 % confidence interval."""
    labelled_rows: int
    unmatched_labels: int = 0
    expected: float | None = None
    """What the holdout showed."""
    minimum: float | None = None
    """What the package asks for."""
    evidence: float | None = None
    """log10, of the sequential test that the model errs more than on its holdout."""
    since: datetime | None = None
    """The labelled predictions begin here: labels come later than the window's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A captured row that lies where the column changed most."""

    column: str
    value: str
    """The field's value as JSON."""
    inference_id: str = ""
    request: str = ""
    """The whole request as JSON, cut after some length."""
    response: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWindow:
    """One point of the evidence's history."""

    window: str
    end: datetime
    rows: int
    evidence: float
    prediction_evidence: float = 0.0
    score: float = 0.0
    status: Status = "no_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDocument:
    """window.json."""

    window: str
    status: Status
    served: Served
    span: Span
    traffic: Traffic
    settings: SettingsUsed
    inputs: Decision
    predictions: Decision
    columns: tuple[ColumnComparison, ...] = ()
    fields: tuple[FieldQuality, ...] = ()
    violations: tuple[Violation, ...] = ()
    two_sample: tuple[TwoSampleResult, ...] = ()
    quality: LiveQuality | None = None
    examples: tuple[Example, ...] = ()
    history: tuple[PastWindow, ...] = field(default=())
    """The last windows, oldest first, this one included."""


_DOCUMENT = TypeAdapter(WindowDocument)


def to_json(document: WindowDocument) -> bytes:
    """The same document gives the same bytes."""
    return _DOCUMENT.dump_json(document, indent=1)


def from_json(text: str | bytes) -> WindowDocument:
    """Raises: pydantic.ValidationError that names what is missing or wrong."""
    return _DOCUMENT.validate_json(text)
