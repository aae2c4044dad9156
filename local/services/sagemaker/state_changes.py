"""Tells EventBridge how endpoints, training jobs and processing jobs fare, in SageMaker's events.

https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html. An endpoint's status is
written IN_SERVICE there; a job's is not. AWS may send an event twice; the local cloud does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from local.services.events.event import Event
from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.moto_state import MotoState, described
from local.services.sagemaker.pending import PendingDeployment
from local.services.sagemaker.training.record import Job

SOURCE: Final = "aws.sagemaker"
JOB_TIMES: Final = (
    *("CreationTime", "LastModifiedTime"),
    *("TrainingStartTime", "TrainingEndTime"),
    *("ProcessingStartTime", "ProcessingEndTime"),
)

PutEvent = Callable[[Event], None]
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class AnnouncedBoard:
    """Shows the states of endpoints and the stages of their deployments, and tells of each."""

    state: MotoState
    put_event: PutEvent
    now: Now

    def show(self, endpoint: str, state: EndpointState) -> None:
        self.state.show(endpoint, state)
        self._tell(endpoint, state.status)

    def stage(self, endpoint: str, pending: PendingDeployment) -> None:
        self.state.stage(endpoint, pending)
        shown = described(self.state.backend.endpoints[endpoint])
        self.put_event(deployment_event(shown, now=self.now()))

    def remove(self, endpoint: str) -> None:
        self._tell(endpoint, EndpointStatus.DELETING)
        self.state.remove(endpoint)

    def _tell(self, endpoint: str, status: EndpointStatus) -> None:
        shown = described(self.state.backend.endpoints[endpoint])
        self.put_event(endpoint_event(shown, status=status, now=self.now()))


def endpoint_event(shown: Mapping[str, Any], *, status: str, now: datetime) -> Event:
    """What DescribeEndpoint shows, as an event."""
    return _event("SageMaker Endpoint State Change", shown, status=status, now=now)


def deployment_event(shown: Mapping[str, Any], *, now: datetime) -> Event:
    """The stage that an endpoint's deployment is in."""
    pending = shown["PendingDeploymentSummary"]
    summary = {
        **pending,
        "StartTime": _milliseconds(pending["StartTime"]),
        "ProductionVariants": [_pending_variant(variant) for variant in pending["ProductionVariants"]],
    }
    event = _event("SageMaker Endpoint Deployment State Change", shown, status=shown["EndpointStatus"], now=now)
    return replace(event, detail={**event.detail, "PendingDeploymentSummary": summary})


def _event(detail_type: str, shown: Mapping[str, Any], *, status: str, now: datetime) -> Event:
    tags = {tag["Key"]: tag["Value"] for tag in shown.get("Tags") or ()}
    reason = {"FailureReason": shown["FailureReason"]} if shown.get("FailureReason") else {}
    return Event(
        source=SOURCE,
        detail_type=detail_type,
        time=now,
        resources=(shown["EndpointArn"],),
        detail={
            "EndpointName": shown["EndpointName"],
            "EndpointArn": shown["EndpointArn"],
            "EndpointConfigName": shown["EndpointConfigName"],
            "ProductionVariants": [_variant(variant) for variant in shown.get("ProductionVariants") or ()],
            "EndpointStatus": upper_snake(status),
            **reason,
            "CreationTime": _milliseconds(shown["CreationTime"]),
            "LastModifiedTime": _milliseconds(shown["LastModifiedTime"]),
            "Tags": tags,
        },
    )


def job_event(job: Job, *, now: datetime) -> Event:
    """A job's record as an event."""
    kind = "Training" if "TrainingJobArn" in job else "Processing"
    tags = {tag["Key"]: tag["Value"] for tag in job.get("Tags") or ()}
    times = {name: _milliseconds(job[name]) for name in JOB_TIMES if name in job}
    transitions = [
        {name: _milliseconds(value) if name.endswith("Time") else value for name, value in transition.items()}
        for transition in job.get("SecondaryStatusTransitions") or ()
    ]
    steps = {"SecondaryStatusTransitions": transitions} if transitions else {}
    return Event(
        source=SOURCE,
        detail_type=f"SageMaker {kind} Job State Change",
        time=now,
        resources=(job[f"{kind}JobArn"],),
        detail={**job, **times, **steps, "Tags": tags},
    )


def job_teller(*, put_event: PutEvent, now: Now, later: Callable[..., object]) -> Callable[[Job, Job], None]:
    """Tells of a job whose status, or the step that it is in, has changed. It may be told in any thread."""

    def changed(before: Job, after: Job) -> None:
        kinds = ("TrainingJobStatus", "SecondaryStatus", "ProcessingJobStatus")
        if any(before.get(kind) != after.get(kind) for kind in kinds):
            later(put_event, job_event(after, now=now()))

    return changed


def upper_snake(status: str) -> str:
    """`InService` as `IN_SERVICE`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _variant(variant: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("VariantName", "CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount")
    return {name: variant[name] for name in kept if name in variant}


def _pending_variant(variant: Mapping[str, Any]) -> dict[str, Any]:
    stages = [{**stage, "StartTime": _milliseconds(stage["StartTime"])} for stage in variant["VariantStatus"]]
    return {**_variant(variant), "VariantStatus": stages}


def _milliseconds(moment: datetime | str) -> int:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
