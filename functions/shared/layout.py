"""Where things lie in the captures bucket: the one home of its prefixes. Pure names; nothing is read or written.

captures/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl   what SageMaker or the gateway captured
labels/<endpoint>/yyyy/mm/dd/hh/<file>.jsonl               feedback, by the hour of the prediction
monitor/<endpoint>/state.json                              what the monitor knows; replaced by compare-and-swap
monitor/<endpoint>/windows/<window>/...                    a window's statistics, violations and report
monitor/<endpoint>/quality/yyyy/mm/dd/hh.json              labels joined with predictions, an hour
monitor/<endpoint>/latest.json                             which window is the newest
monitor/<endpoint>/unreadable/<file>                       records that could not be read
monitor/<endpoint>/jobs/<job>/...                          what a processing job is to fold, and what it folded
retraining/<endpoint>/<run>/training/*.jsonl.gz            what a run of the retraining loop trains on
retraining/<endpoint>/<run>/holdout/*.jsonl.gz             what it compares champion and challenger on
retraining/<endpoint>/<run>/origins.jsonl.gz               which prediction each captured row is of; no job reads it
retraining/<endpoint>/<run>/checkpoints/...                what its training goes on from after an interruption

And in the artifacts bucket, where nothing quotes a request:
<package>/retraining/state.json                            the loop's lock, triggers and runs; compare-and-swap
<package>/runs/<run>/manifest.json                         what the run's data was made of, with hashes
<package>/runs/<run>/check.json                            whether the data may be trained on, and what was noted of it
<package>/runs/<run>/<training job>/output/...             model.tar.gz and output.tar.gz, as SageMaker writes them
<package>/runs/<run>/evaluation/...                        evidence.json, and baseline/ as the challenger has it
<package>/runs/<run>/decision.json                         what the gate decided, and why
"""

from __future__ import annotations

from datetime import UTC, datetime

CAPTURES, LABELS, MONITOR, RETRAINING = "captures", "labels", "monitor", "retraining"
VARIANT = "main"
"""The one production variant of every endpoint: what a shadow variant captures is not the model's."""
BASELINE_FOLDER = "baseline/"
"""Of a run's evaluation: the challenger's baseline, as the job has copied it out of the archive."""


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


def dataset_prefix(endpoint: str, run: str) -> str:
    """Below it are training/, holdout/ and checkpoints/ of one run of the retraining loop."""
    return f"{RETRAINING}/{endpoint}/{run}/"


def loop_key(package: str) -> str:
    """In the artifacts bucket; `package` as AWS has its name."""
    return f"{package}/{RETRAINING}/state.json"


def runs_prefix(package: str) -> str:
    """In the artifacts bucket: below it is each run's prefix. `package` as AWS has its name."""
    return f"{package}/runs/"


def run_prefix(package: str, run: str) -> str:
    """In the artifacts bucket: below it is everything that a run leaves. `package` as AWS has its name."""
    return f"{runs_prefix(package)}{run}/"


def evaluation_prefix(package: str, run: str) -> str:
    """In the artifacts bucket: below it are evidence.json and BASELINE_FOLDER. `package` as AWS has its name."""
    return f"{run_prefix(package, run)}evaluation/"
