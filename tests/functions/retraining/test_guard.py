"""A deployment waits for no run, but for one that is changing the endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from functions.retraining.loop_state import LoopStore
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.loops import HOUR, KEY, NOON, admit, core_on, execution_of, running


def begun(phase: Any, *, status: str = "RUNNING") -> Cloud:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda state: state.in_phase("one", phase))
    cloud.executions[execution_of("one")] = {"status": status}
    return cloud


def answer_to(cloud: Cloud, request_type: str, **more: Any) -> dict[str, Any]:
    event = {
        "RequestType": request_type,
        "ResponseURL": "https://cloudformation.example/answer",
        "StackId": "arn:aws:cloudformation:stack",
        "RequestId": "request",
        "LogicalResourceId": "Guard",
        **more,
    }
    core_on(cloud).guard.handle(event)
    [(url, answer)] = cloud.answers
    assert url == event["ResponseURL"]
    return answer


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_deployment_during_a_rollout_is_refused_with_what_to_do(request_type: str) -> None:
    answer = answer_to(begun("rollout"), request_type, PhysicalResourceId="known")

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "known")
    assert answer["Reason"].startswith(
        "the retraining run one has been rolling out a version of flowers since 2026-02-14 12:00 UTC; "
        "deploy again when it has ended"
    )


@pytest.mark.parametrize(
    ("cloud", "request_type"),
    [
        (Cloud(), "Create"),
        (begun("preparing"), "Update"),
        (begun("rollout", status="ABORTED"), "Update"),
        (begun("rollout"), "Delete"),
    ],
)
def test_any_other_deployment_goes_on(cloud: Cloud, request_type: str) -> None:
    answer = answer_to(cloud, request_type)

    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "flowers-deployment-guard",
        "Data": {},
        "StackId": "arn:aws:cloudformation:stack",
        "RequestId": "request",
        "LogicalResourceId": "Guard",
    }


@pytest.mark.parametrize(("new", "old", "status"), [("second", "first", "FAILED"), ("first", "second", "SUCCESS")])
def test_the_way_back_from_a_refused_deployment_is_not_refused(new: str, old: str, status: str) -> None:
    cloud = begun("rollout")
    cloud.config_times = {"first": NOON - HOUR, "second": NOON}

    answer = answer_to(
        cloud,
        "Update",
        ResourceProperties={"EndpointConfigName": new},
        OldResourceProperties={"EndpointConfigName": old},
    )

    assert answer["Status"] == status


@pytest.mark.parametrize(("request_type", "status"), [("Update", "FAILED"), ("Delete", "SUCCESS")])
def test_where_the_state_cannot_be_read_only_a_deletion_goes_on(request_type: str, status: str) -> None:
    cloud = begun("rollout")
    cloud.broken = {"get_object"}

    answer = answer_to(cloud, request_type, PhysicalResourceId="known")

    assert (answer["Status"], answer["PhysicalResourceId"]) == (status, "known")
