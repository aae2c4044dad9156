"""EventBridge hears how a processing job fares."""

from __future__ import annotations

from datetime import UTC, datetime

from local.services.events.event import Event
from local.services.sagemaker.processing.record import JobStatus, Outcome, begun, ended, new_job
from local.services.sagemaker.state_changes import job_teller

NOW = datetime(2026, 2, 14, 12, tzinfo=UTC)


def test_a_processing_job_tells_of_each_status_and_of_nothing_else() -> None:
    told: list[Event] = []
    teller = job_teller(put_event=told.append, now=lambda: NOW, later=lambda call, *given: call(*given))
    request = {"ProcessingJobName": "p", "Tags": [{"Key": "a", "Value": "b"}]}
    created = new_job(request, arn="arn:processing-job/p", now=NOW)
    running = begun(created, now=NOW)
    done = ended(running, Outcome(JobStatus.COMPLETED), now=NOW)

    for before, after in (({}, created), (created, running), (running, done)):
        teller(before, after)

    assert [event.detail["ProcessingJobStatus"] for event in told] == ["InProgress", "Completed"]
    assert told[1].detail_type == "SageMaker Processing Job State Change"
    assert told[1].resources == ("arn:processing-job/p",)
    assert told[1].detail["ProcessingEndTime"] == NOW.timestamp() * 1000
    assert told[1].detail["Tags"] == {"a": "b"}
    assert "SecondaryStatusTransitions" not in told[1].detail
