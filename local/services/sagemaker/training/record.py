"""A training job's record: what DescribeTrainingJob shows of it, with ISO times, and how each step changes it.

Pure functions from one record to the next. The order of secondary statuses is AWS's: Starting, Downloading, Training,
Stopping where it is stopped, Uploading, and the last one; after Interrupted they begin again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

Job: TypeAlias = Mapping[str, Any]
"""JSON types only, under AWS's names; `Tags` are kept in it too."""

LONGEST_REASON: Final = 1024


class JobStatus(StrEnum):
    """The statuses of a whole job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


class Step(StrEnum):
    """The secondary statuses that a job can have here."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    INTERRUPTED = "Interrupted"
    STOPPING = "Stopping"
    UPLOADING = "Uploading"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    MAX_WAIT_TIME_EXCEEDED = "MaxWaitTimeExceeded"


BILLED: Final = frozenset({Step.DOWNLOADING, Step.TRAINING, Step.STOPPING, Step.UPLOADING})
"""The steps in which a job has its instances; from an interruption until it has others, nothing is billed."""

ENDED: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED})

LAST_WORDS: Final[Mapping[Step, str]] = {
    Step.COMPLETED: "Training job completed",
    Step.FAILED: "Training job failed",
    Step.STOPPED: "Training job stopped",
    Step.MAX_RUNTIME_EXCEEDED: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    Step.MAX_WAIT_TIME_EXCEEDED: "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    status: JobStatus
    step: Step
    failure_reason: str | None = None


COMPLETED: Final = Outcome(JobStatus.COMPLETED, Step.COMPLETED)
STOPPED: Final = Outcome(JobStatus.STOPPED, Step.STOPPED)


def failed(reason: str) -> Outcome:
    """A failure, in the words of FailureReason."""
    return Outcome(JobStatus.FAILED, Step.FAILED, reason[:LONGEST_REASON])


def new_job(request: Mapping[str, Any], *, arn: str, now: datetime) -> Job:
    """The record of a job that was just asked for."""
    job = {
        **request,
        "TrainingJobArn": arn,
        "CreationTime": now.isoformat(),
        "TrainingJobStatus": JobStatus.IN_PROGRESS.value,
        "SecondaryStatusTransitions": [],
    }
    return entered(job, Step.STARTING, "Starting the training job", now=now)


def has_ended(job: Job) -> bool:
    return job["TrainingJobStatus"] in ENDED


def entered(job: Job, step: Step, message: str, *, now: datetime) -> Job:
    """The job in its next step, or with another message in the step that it is in."""
    former: Sequence[Mapping[str, Any]] = job["SecondaryStatusTransitions"]
    if former and former[-1]["Status"] == step:
        transitions = [*former[:-1], {**former[-1], "StatusMessage": message}]
    else:
        begun = {"Status": step.value, "StartTime": now.isoformat(), "StatusMessage": message}
        transitions = [*_closed(former, now), begun]
    started = {"TrainingStartTime": now.isoformat()} if step is Step.DOWNLOADING else {}
    return {
        **started,
        **job,
        "SecondaryStatus": step.value,
        "SecondaryStatusTransitions": transitions,
        "LastModifiedTime": now.isoformat(),
    }


def stopping(job: Job, *, now: datetime) -> Job:
    """The job after StopTrainingJob."""
    return entered(
        {**job, "TrainingJobStatus": JobStatus.STOPPING.value}, Step.STOPPING, "Stopping the training job", now=now
    )


def ended(job: Job, outcome: Outcome, *, now: datetime) -> Job:
    """The job with its outcome and its times."""
    last = entered(job, outcome.step, LAST_WORDS[outcome.step], now=now)
    *former, final = last["SecondaryStatusTransitions"]
    done = {
        **last,
        "TrainingJobStatus": outcome.status.value,
        "SecondaryStatusTransitions": [*former, {**final, "EndTime": now.isoformat()}],
        **({"FailureReason": outcome.failure_reason} if outcome.failure_reason else {}),
    }
    if "TrainingStartTime" not in done:
        return done
    seconds = (now - datetime.fromisoformat(done["TrainingStartTime"])).total_seconds()
    return {
        **done,
        "TrainingEndTime": now.isoformat(),
        "TrainingTimeInSeconds": max(1, round(seconds)),
        "BillableTimeInSeconds": max(1, round(_billed_seconds(done["SecondaryStatusTransitions"]))),
    }


def _billed_seconds(transitions: Sequence[Mapping[str, Any]]) -> float:
    moments = [
        (datetime.fromisoformat(each["StartTime"]), datetime.fromisoformat(each["EndTime"]))
        for each in transitions
        if each["Status"] in BILLED
    ]
    return sum((end - start).total_seconds() for start, end in moments)


def _closed(transitions: Sequence[Mapping[str, Any]], now: datetime) -> list[Mapping[str, Any]]:
    if not transitions:
        return []
    return [*transitions[:-1], {**transitions[-1], "EndTime": now.isoformat()}]
