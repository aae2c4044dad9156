"""What the monitor's CloudWatch metrics are called; the stack's alarms and dashboard import the names from here.

All are in the gateway's namespace with the dimension `service`, the package's name. They are published once a window
and stamped with the window's end. Publishing twice does no harm where they are read with the statistic Maximum.
"""

from __future__ import annotations

from enum import StrEnum

FIELD_DIMENSION = "field"
"""Beside `service`: the field of Request or Response that a field's metric is about."""


class WindowMetric(StrEnum):
    """One value a window. Shares are 0 to 1; evidence is log10, and 0 and less is none."""

    ROWS = "WindowRows"
    UNREADABLE = "UnreadableRecords"
    """Captured records that could not be read; they are kept."""
    LATE = "LateRecords"
    """Captured records that came after `late_minutes`; they are kept and not compared."""
    COVERAGE = "CaptureCoverage"
    """Captured records, of the answered requests that should have been captured."""
    DUPLICATES = "DuplicateShare"
    MISSING = "MissingShare"
    """The largest share of any field's rows beyond what its completeness allows."""
    WRONG_TYPE = "WrongTypeShare"
    OUT_OF_RANGE = "OutOfRangeShare"
    UNKNOWN_CATEGORY = "UnknownCategoryShare"
    VIOLATIONS = "ConstraintViolations"
    """How many constraints the window violates."""
    DRIFT_SCORE = "DriftScore"
    """The largest change of any input field: the share of rows that would have to move."""
    DRIFT_EVIDENCE = "DriftEvidence"
    """Of the sequential test on the inputs; the alarm's threshold is log10(windows_per_false_alarm)."""
    PREDICTION_DRIFT_SCORE = "PredictionDriftScore"
    PREDICTION_DRIFT_EVIDENCE = "PredictionDriftEvidence"
    QUALITY = "LiveQuality"
    """Of the labelled predictions, in the package's metric; absent without labels."""
    QUALITY_LOW = "LiveQualityLow"
    """The lower end of its 95 % confidence interval."""
    QUALITY_HIGH = "LiveQualityHigh"
    QUALITY_EVIDENCE = "QualityDropEvidence"
    """Of the sequential test that the model errs more than on its holdout."""
    LABELLED_ROWS = "LabelledRows"
    """Predictions of the window with a label. 0 is published too: no labels are not good quality."""
    UNMATCHED_LABELS = "UnmatchedLabels"
    """Labels whose prediction was not captured."""


class FieldMetric(StrEnum):
    """One value a window and field."""

    CHANGE = "FieldChange"
    """How far the field's distribution is from the baseline's: the share of rows that would have to move."""


class EndpointMetric(StrEnum):
    """What an event about the endpoint says, published when it comes."""

    UPDATING = "EndpointUpdating"
    """1 when the endpoint begins to change and 0 when it has; missing data means that nothing has changed since."""
