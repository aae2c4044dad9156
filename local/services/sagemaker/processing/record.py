"""A processing job's record: what DescribeProcessingJob shows of it, with ISO times, and how each step changes it.

Pure functions from one record to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

Job: TypeAlias = Mapping[str, Any]
"""JSON types only, under AWS's names; `Tags` are kept in it too."""

LONGEST_REASON: Final = 1024


class JobStatus(StrEnum):
    """The statuses of a processing job."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


ENDED: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. `exit_message` is what its container said of it."""

    status: JobStatus
    failure_reason: str = ""
    exit_message: str = ""


STOPPED: Final = Outcome(JobStatus.STOPPED)


def failed(reason: str, *, exit_message: str = "") -> Outcome:
    """A failure, in the words of FailureReason."""
    return Outcome(JobStatus.FAILED, reason[:LONGEST_REASON], exit_message[:LONGEST_REASON])


def new_job(request: Mapping[str, Any], *, arn: str, now: datetime) -> Job:
    """The record of a job that was just asked for."""
    return {
        **request,
        "ProcessingJobArn": arn,
        "CreationTime": now.isoformat(),
        "LastModifiedTime": now.isoformat(),
        "ProcessingJobStatus": JobStatus.IN_PROGRESS.value,
    }


def has_ended(job: Job) -> bool:
    return job["ProcessingJobStatus"] in ENDED


def begun(job: Job, *, now: datetime) -> Job:
    """The job once its container has started, for the first time or again."""
    return {"ProcessingStartTime": now.isoformat(), **job, "LastModifiedTime": now.isoformat()}


def stopping(job: Job, *, now: datetime) -> Job:
    """The job after StopProcessingJob."""
    return {**job, "ProcessingJobStatus": JobStatus.STOPPING.value, "LastModifiedTime": now.isoformat()}


def ended(job: Job, outcome: Outcome, *, now: datetime) -> Job:
    """The job with its outcome and its times."""
    said = {"FailureReason": outcome.failure_reason, "ExitMessage": outcome.exit_message}
    return {
        **job,
        "ProcessingJobStatus": outcome.status.value,
        "ProcessingEndTime": now.isoformat(),
        "LastModifiedTime": now.isoformat(),
        **{name: text for name, text in said.items() if text},
    }
