"""Where things lie in the captures bucket: the one home of its prefixes. Pure names; nothing is read or written.

captures/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl   what SageMaker or the gateway captured
labels/<endpoint>/yyyy/mm/dd/hh/<file>.jsonl               feedback, by the hour of the prediction
monitor/<endpoint>/state.json                              what the monitor knows; replaced by compare-and-swap
monitor/<endpoint>/windows/<window>/...                    a window's statistics, violations and report
monitor/<endpoint>/quality/yyyy/mm/dd/hh.json              labels joined with predictions, an hour
monitor/<endpoint>/latest.json                             which window is the newest
monitor/<endpoint>/unreadable/<file>                       records that could not be read
monitor/<endpoint>/jobs/<job>/...                          what a processing job is to fold, and what it folded
"""

from __future__ import annotations

from datetime import UTC, datetime

CAPTURES, LABELS, MONITOR = "captures", "labels", "monitor"
VARIANT = "main"
"""The one production variant of every endpoint: what a shadow variant captures is not the model's."""


def hour_path(moment: datetime) -> str:
    """`yyyy/mm/dd/hh` of a moment, in UTC."""
    return f"{moment.astimezone(UTC):%Y/%m/%d/%H}"


def captures_prefix(endpoint: str, variant: str) -> str:
    """Below it are the hours of one variant's captured files."""
    return f"{CAPTURES}/{endpoint}/{variant}/"


def labels_prefix(endpoint: str) -> str:
    """Below it are the hours of the predictions that got labels."""
    return f"{LABELS}/{endpoint}/"


def monitor_prefix(endpoint: str) -> str:
    """Below it is everything that the monitor writes."""
    return f"{MONITOR}/{endpoint}/"


def state_key(endpoint: str) -> str:
    return f"{monitor_prefix(endpoint)}state.json"


def latest_key(endpoint: str) -> str:
    return f"{monitor_prefix(endpoint)}latest.json"


def window_prefix(endpoint: str, window: str) -> str:
    """Below it are statistics.json, constraint_violations.json, window.json and report.html of one window."""
    return f"{monitor_prefix(endpoint)}windows/{window}/"


def quality_key(endpoint: str, hour: datetime) -> str:
    return f"{monitor_prefix(endpoint)}quality/{hour_path(hour)}.json"


def job_prefix(endpoint: str, job: str) -> str:
    """Below it are order.json, which the monitor writes, and folded.bin, which the processing job writes."""
    return f"{monitor_prefix(endpoint)}jobs/{job}/"


def unreadable_prefix(endpoint: str) -> str:
    return f"{monitor_prefix(endpoint)}unreadable/"
