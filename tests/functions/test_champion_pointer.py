"""The champion pointer is created once, never overwritten and never deleted, and CloudFormation is always answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.champion.pointer import ChampionPointers

NAME = "/flyball/flowers/champion"


@dataclass
class Parameters:
    """SSM parameters in memory; fails with `error` where there is one."""

    values: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def put_parameter(self, **arguments: Any) -> None:
        if self.error is not None:
            raise self.error
        assert arguments["Overwrite"] is False
        if arguments["Name"] in self.values:
            raise ClientError({"Error": {"Code": "ParameterAlreadyExists"}}, "PutParameter")
        self.values[arguments["Name"]] = arguments["Value"]


def event_of(request_type: str, **changes: Any) -> dict[str, Any]:
    return {
        "RequestType": request_type,
        "ResponseURL": "https://cloudformation.example/answer",
        "StackId": "arn:aws:cloudformation:stack",
        "RequestId": "request",
        "LogicalResourceId": "Pointer",
        "ResourceProperties": {"ServiceToken": "arn:aws:lambda:function", "ParameterName": NAME},
        **changes,
    }


def answers_to(parameters: Parameters, *events: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[tuple[str, bytes]] = []
    pointers = ChampionPointers(parameters=parameters, put=lambda url, content: sent.append((url, content)))
    for event in events:
        pointers.handle(event)
    assert {url for url, _ in sent} == {"https://cloudformation.example/answer"}
    return [json.loads(content) for _, content in sent]


def test_create_puts_the_parameter_and_says_so() -> None:
    parameters = Parameters()

    [answer] = answers_to(parameters, event_of("Create"))

    assert parameters.values == {NAME: "none"}
    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": NAME,
        "Data": {"ParameterName": NAME},
        "StackId": "arn:aws:cloudformation:stack",
        "RequestId": "request",
        "LogicalResourceId": "Pointer",
    }


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_a_pointer_that_exists_is_never_changed(request_type: str) -> None:
    parameters = Parameters({NAME: "arn:aws:sagemaker:version/7"})
    event = event_of(request_type, PhysicalResourceId=NAME)

    first, second = answers_to(parameters, event, event)

    assert parameters.values == {NAME: "arn:aws:sagemaker:version/7"}
    assert first == second
    assert (first["Status"], first["PhysicalResourceId"]) == ("SUCCESS", NAME)


def test_update_creates_a_pointer_that_was_lost() -> None:
    parameters = Parameters()

    answers_to(parameters, event_of("Update", PhysicalResourceId=NAME))

    assert parameters.values == {NAME: "none"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutParameter"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://ssm"), "Could not connect"),
        (KeyError("odd"), "KeyError: 'odd'"),
        (RuntimeError("x" * 9000), "RuntimeError: xxx"),
    ],
)
def test_a_failure_is_answered_with_its_reason(error: Exception, reason: str) -> None:
    [answer] = answers_to(Parameters(error=error), event_of("Create"))

    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert len(json.dumps(answer)) < 4096


@pytest.mark.parametrize("properties", [{}, {"ParameterName": ""}, {"ParameterName": 3}])
def test_a_missing_name_is_answered_with_what_is_allowed(properties: dict[str, Any]) -> None:
    [answer] = answers_to(Parameters(), event_of("Create", ResourceProperties=properties))

    assert answer["Status"] == "FAILED"
    assert "allowed: an SSM parameter's name" in answer["Reason"]
    assert answer["PhysicalResourceId"]


def test_what_could_not_be_created_can_be_deleted() -> None:
    event = event_of("Delete", ResourceProperties={}, PhysicalResourceId="Pointer")

    [answer] = answers_to(Parameters(error=RuntimeError()), event)

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "Pointer")
