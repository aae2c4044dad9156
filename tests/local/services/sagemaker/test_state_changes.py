"""The events that SageMaker sends about endpoints and training jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from local.services.sagemaker.pending import PendingDeployment, Stage
from local.services.sagemaker.plan import FleetPlan, ModelContainer, VariantPlan
from local.services.sagemaker.state_changes import deployment_event, endpoint_event, job_event, job_teller, upper_snake
from local.services.sagemaker.training.record import COMPLETED, ended, new_job

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/digits"
SHOWN: dict[str, Any] = {
    "EndpointName": "digits",
    "EndpointArn": ENDPOINT,
    "EndpointConfigName": "v1",
    "ProductionVariants": [
        {"VariantName": "main", "DeployedImages": [{}], "DesiredWeight": 1.0, "DesiredInstanceCount": 1}
    ],
    "CreationTime": datetime(2026, 1, 1),
    "LastModifiedTime": NOW,
    "Tags": [{"Key": "team", "Value": "a"}],
}


@pytest.mark.parametrize(
    ("status", "written"),
    [("InService", "IN_SERVICE"), ("Creating", "CREATING"), ("SystemUpdating", "SYSTEM_UPDATING")],
)
def test_an_endpoints_status_is_written_in_capitals(status: str, written: str) -> None:
    assert upper_snake(status) == written


def test_an_endpoints_state_change_has_sagemakers_form() -> None:
    document = endpoint_event(SHOWN, status="InService", now=NOW).document(account="123456789012", region="us-east-1")

    assert document["detail-type"] == "SageMaker Endpoint State Change"
    assert document["source"] == "aws.sagemaker"
    assert document["resources"] == [ENDPOINT]
    assert document["time"] == "2026-01-01T00:00:00Z"
    assert document["detail"] == {
        "EndpointName": "digits",
        "EndpointArn": ENDPOINT,
        "EndpointConfigName": "v1",
        "ProductionVariants": [{"VariantName": "main", "DesiredWeight": 1.0, "DesiredInstanceCount": 1}],
        "EndpointStatus": "IN_SERVICE",
        "CreationTime": 1767225600000,
        "LastModifiedTime": 1767225600000,
        "Tags": {"team": "a"},
    }


def test_a_stage_of_a_deployment_has_sagemakers_form() -> None:
    container = ModelContainer("image")
    plan = FleetPlan("v2", (VariantPlan(name="main", container=container, instances=2, instance_type="ml.c7i.large"),))
    pending = PendingDeployment(
        plan=plan,
        started_at=NOW,
        stage=Stage.BAKING,
        since=NOW,
        message="Baking with traffic enabled on canary capacity of {instances} instance(s).",
        active={"main": 1},
    )
    shown = {**SHOWN, "EndpointStatus": "Updating", "PendingDeploymentSummary": pending.summary()}

    event = deployment_event(shown, now=NOW)

    assert event.detail_type == "SageMaker Endpoint Deployment State Change"
    assert (event.detail["EndpointStatus"], event.detail["EndpointConfigName"]) == ("UPDATING", "v1")
    message = "Baking with traffic enabled on canary capacity of 1 instance(s)."
    assert event.detail["PendingDeploymentSummary"] == {
        "EndpointConfigName": "v2",
        "StartTime": 1767225600000,
        "ProductionVariants": [
            {
                "VariantName": "main",
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
                "CurrentInstanceCount": 1,
                "DesiredInstanceCount": 2,
                "VariantStatus": [{"Status": "Baking", "StatusMessage": message, "StartTime": 1767225600000}],
            }
        ],
    }


def test_a_failure_says_why() -> None:
    event = endpoint_event({**SHOWN, "FailureReason": "no model"}, status="Failed", now=NOW)

    assert (event.detail["EndpointStatus"], event.detail["FailureReason"]) == ("FAILED", "no model")


def test_a_training_job_tells_of_each_step_and_of_nothing_else() -> None:
    told: list[Any] = []
    teller = job_teller(put_event=told.append, now=lambda: NOW, later=lambda call, *given: call(*given))
    created = new_job({"TrainingJobName": "t"}, arn="arn:training-job/t", now=NOW)
    done = ended(created, COMPLETED, now=NOW)

    teller({}, created)
    teller(created, {**created, "Tags": [{"Key": "a", "Value": "b"}]})
    teller(created, done)

    statuses = [(event.detail["TrainingJobStatus"], event.detail["SecondaryStatus"]) for event in told]
    assert statuses == [("InProgress", "Starting"), ("Completed", "Completed")]


def test_a_training_jobs_times_are_milliseconds() -> None:
    job = new_job({"TrainingJobName": "t"}, arn="arn:training-job/t", now=NOW)

    event = job_event(job, now=NOW)

    assert event.detail["CreationTime"] == 1767225600000
    assert event.detail["SecondaryStatusTransitions"][0]["StartTime"] == 1767225600000
    assert event.resources == ("arn:training-job/t",)
