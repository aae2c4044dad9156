"""What is replaced in moto, apart from a running cloud."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction
from moto.events.models import events_backends
from moto.s3.models import FakeKey
from moto.sagemaker.responses import SageMakerResponse

from local.moto_hooks import EXPECTED, AwsError, CloudHooks, check_moto, install, is_loopback, type_for_event
from local.services.lambda_function import Invocation, InvocationType


def never(_arn: str, _payload: bytes, _type: InvocationType) -> Invocation:
    raise AssertionError("nothing is invoked here")


def test_the_installed_moto_has_every_name_that_is_replaced() -> None:
    check_moto()

    assert LambdaFunction.invoke in EXPECTED


def test_uninstalling_gives_moto_its_own_functions_back() -> None:
    before = (LambdaFunction.invoke, SageMakerResponse.create_endpoint)
    hooks = CloudHooks(
        invoke_lambda=never,
        sagemaker_operations={"UpdateEndpoint": lambda _call: None},
        sagemaker_observers={"CreateEndpoint": lambda _call, _answer: None},
    )

    uninstall = install(hooks)
    during = (LambdaFunction.invoke, SageMakerResponse.create_endpoint)
    added = hasattr(SageMakerResponse, "update_endpoint")
    uninstall()

    assert added
    assert not hasattr(SageMakerResponse, "update_endpoint")
    assert during != before
    assert (LambdaFunction.invoke, SageMakerResponse.create_endpoint) == before


def test_an_operation_that_moto_does_not_have_cannot_be_observed() -> None:
    with pytest.raises(AttributeError, match="update_endpoint"):
        install(CloudHooks(invoke_lambda=never, sagemaker_observers={"UpdateEndpoint": lambda _call, _answer: None}))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"Records": [{"eventSource": "aws:sqs"}]}, InvocationType.REQUEST_RESPONSE),
        ({"Records": [{"eventSource": "aws:s3"}]}, InvocationType.EVENT),
        ({"Records": [{"EventSource": "aws:sns"}]}, InvocationType.EVENT),
        ({"detail-type": "SageMaker Endpoint State Change"}, InvocationType.EVENT),
        ([1], InvocationType.EVENT),
    ],
)
def test_only_sources_that_lambda_polls_wait_for_the_answer(event: object, expected: InvocationType) -> None:
    assert type_for_event(json.dumps(event)) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:80/a", True),
        ("http://127.0.0.1:8444", True),
        ("https://[::1]:8443/x", True),
        ("https://api.localhost/", True),
        ("https://example.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        ("nonsense", False),
    ],
)
def test_a_loopback_address_is_told_by_its_name_alone(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_events_and_changes_of_rules_are_handed_on_with_the_clouds_time() -> None:
    put: list[tuple[str, Any]] = []
    changes: list[str] = []
    backend = events_backends["123456789012"]["us-east-1"]
    uninstall = install(
        CloudHooks(
            invoke_lambda=never,
            put_event=lambda bus, event: put.append((bus, event)),
            rules_changed=lambda: changes.append("changed"),
            now=lambda: datetime(2027, 1, 1, tzinfo=UTC),
        )
    )

    backend.put_rule("nightly", scheduled_expression="rate(1 day)")
    backend.disable_rule("nightly", None)
    backend.delete_rule("nightly", None)
    (entry, refused) = backend.put_events(
        [{"Source": "shop", "DetailType": "Order", "Detail": '{"n": 1}'}, {"Source": "shop"}]
    )
    uninstall()

    assert len(changes) == 3
    assert "ErrorCode" in refused
    assert put == [
        (
            "default",
            {
                "version": "0",
                "id": entry["EventId"],
                "detail-type": "Order",
                "source": "shop",
                "account": "123456789012",
                "time": "2027-01-01T00:00:00Z",
                "region": "us-east-1",
                "resources": [],
                "detail": {"n": 1},
            },
        )
    ]


@pytest.mark.parametrize("expression", ["rate(0 minutes)", "cron(0 12 * * * *)"])
def test_a_schedule_that_would_never_fire_is_refused(expression: str) -> None:
    uninstall = install(CloudHooks(invoke_lambda=never))

    with pytest.raises(AwsError, match="Parameter ScheduleExpression is not valid"):
        events_backends["123456789012"]["us-east-1"].put_rule("odd", scheduled_expression=expression)
    uninstall()


def test_objects_are_stamped_with_the_clouds_time_and_never_twice_with_the_same() -> None:
    uninstall = install(CloudHooks(invoke_lambda=never, now=lambda: datetime(2027, 1, 1, tzinfo=UTC)))

    first, second = (FakeKey(name, b"1", "123456789012", "us-east-1").last_modified for name in "ab")
    uninstall()

    assert first == datetime(2027, 1, 1)
    assert timedelta() < second - first < timedelta(seconds=1)
