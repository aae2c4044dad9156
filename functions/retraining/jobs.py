"""The two SageMaker jobs of a run, training and evaluation: their one name, how they are stopped, what they logged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

LOG_GROUPS = ("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs")
TAIL_LINES = 20
MAXIMUM_LINE_CHARACTERS = 500
MAXIMUM_STREAMS = 16
"""As many as a job has instances."""


class JobStopper(Protocol):
    """As much of botocore's SageMaker client as stopping jobs needs."""

    def stop_training_job(self, **arguments: Any) -> Any: ...

    def stop_processing_job(self, **arguments: Any) -> Any: ...


class LogStreams(Protocol):
    """As much of botocore's CloudWatch Logs client as reading a log's end needs."""

    def describe_log_streams(self, **arguments: Any) -> Any: ...

    def get_log_events(self, **arguments: Any) -> Any: ...


def job_name(endpoint: str, run: str) -> str:
    """Of both jobs of a run: the same at each call, of at most 60 characters."""
    return f"{endpoint[:39]}-{hashlib.sha256(run.encode()).hexdigest()[:20]}"


def stop_jobs(sagemaker: JobStopper, *, name: str) -> None:
    """Stops what still runs. A job that has ended, or was never begun, is refused by SageMaker, and that is all."""
    for stop, argument in (
        (sagemaker.stop_training_job, "TrainingJobName"),
        (sagemaker.stop_processing_job, "ProcessingJobName"),
    ):
        with _where_there_is_something():
            stop(**{argument: name})


@contextmanager
def _where_there_is_something() -> Iterator[None]:
    """Goes on where AWS says that there is nothing to stop; anything else is raised."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOTHING_THERE:
            raise


_NOTHING_THERE = ("ResourceNotFound", "ResourceNotFoundException", "ValidationException")
"""SageMaker answers with the last one too: for a job that it does not know, and for one that has ended."""


@dataclass(frozen=True, slots=True)
class JobLogs:
    """What the containers of a run's jobs wrote."""

    logs: LogStreams

    def tail(self, name: str) -> tuple[str, ...]:
        """The last lines of whichever job came last; none where neither has logged."""
        events = [event for group in LOG_GROUPS for event in self._events(group, name)]
        latest = sorted(events, key=lambda event: event["timestamp"])[-TAIL_LINES:]
        return tuple(str(event["message"]).rstrip()[:MAXIMUM_LINE_CHARACTERS] for event in latest)

    def _events(self, group: str, name: str) -> Iterator[Mapping[str, Any]]:
        for stream in self._streams(group, name):
            page = self.logs.get_log_events(
                logGroupName=group, logStreamName=stream, limit=TAIL_LINES, startFromHead=False
            )
            yield from page["events"]

    def _streams(self, group: str, name: str) -> list[str]:
        """SageMaker's streams are called <job>/algo-1-1234."""
        try:
            found = self.logs.describe_log_streams(
                logGroupName=group, logStreamNamePrefix=f"{name}/", limit=MAXIMUM_STREAMS
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":  # no job of this kind has ever run
                return []
            raise
        return [stream["logStreamName"] for stream in found["logStreams"]]
