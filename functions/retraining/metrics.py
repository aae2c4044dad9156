"""What the retraining loop's CloudWatch metrics are called; the stack imports the names from here.

All are in the gateway's namespace with the dimension `service`, the package's name. Each is put when a run ends, and
stamped with that moment. Publishing twice does no harm where they are read with the statistic Maximum.
"""

from __future__ import annotations

from enum import StrEnum


class RetrainingMetric(StrEnum):
    """All but the last are 1 when they happen."""

    PROMOTED = "RetrainingPromoted"
    REJECTED = "RetrainingRejected"
    ROLLED_BACK = "RetrainingRolledBack"
    FAILED = "RetrainingFailed"
    TIMED_OUT = "RetrainingTimedOut"
    SKIPPED = "RetrainingSkipped"
    """A trigger that was not acted on, with the reason in the loop's state."""
    SECONDS = "RetrainingSeconds"
    """From the moment that a run took the lock to its end."""
