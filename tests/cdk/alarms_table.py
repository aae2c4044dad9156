"""The table of alarms in docs/monitoring.md, made from the table that the stack makes them from.

`python -m tests.cdk.alarms_table --write` writes it between its markers; a test only compares.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cdk.alarms import ALARMS, SHOWN_ONLY, THROTTLED_METRIC, THROTTLED_SPAN, THROTTLED_WHY
from cdk.watch import Missing, Watch
from local.truth_table import is_current, markdown_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"
HEADER = ("Alarm", "Tells", "Reads", "Fires at", "In", "Who has it", "Why")


def tables() -> dict[str, str]:
    """The alarms, and the metrics that have none."""
    shown = markdown_table(("Metric", "Why"), [(f"`{metric}`", why) for metric, why in SHOWN_ONLY.items()])
    return {"alarms": markdown_table(HEADER, [*map(_row, ALARMS), _of_the_api()]), "shown-only": shown}


def _row(watch: Watch) -> tuple[str, ...]:
    pace = f"{watch.pace.says}; silence changes nothing" if watch.missing is Missing.IGNORED else watch.pace.says
    limit = f"{watch.comparison.sign} {watch.limit.says}"
    return (f"`{watch.name}`", watch.severity, _reads(watch), limit, pace, watch.exists.says, watch.why)


def _reads(watch: Watch) -> str:
    readings = watch.readings.items()
    if watch.expression is None:
        ((_, reading),) = readings
        reason = f" for the reason `{reading.reason}`" if reading.reason else ""
        return f"`{reading.metric}` of {reading.source}, {reading.statistic}{reason}"
    named = ", ".join(
        f"{name}: `{reading.metric}` of {reading.source}, {reading.statistic}" for name, reading in readings
    )
    return f"`{watch.expression}`; {named}"


def _of_the_api() -> tuple[str, ...]:
    return (
        "`api-Throttled`",
        "notice",
        f"`{THROTTLED_METRIC}`, out of the access log, Sum",
        "> 0",
        f"{THROTTLED_SPAN.needed} of {THROTTLED_SPAN.of} x {THROTTLED_SPAN.minutes} min",
        "the API, once for all packages",
        THROTTLED_WHY,
    )


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 where the document is current, or has become so."""
    if is_current(DOCUMENT, tables(), write=list(arguments) == ["--write"]):
        return 0
    print("docs/monitoring.md is behind the code; `python -m tests.cdk.alarms_table --write` writes its tables")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
