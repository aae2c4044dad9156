"""What is replaced in moto, apart from a running cloud."""

from __future__ import annotations

import json

import pytest
from moto.awslambda.models import LambdaFunction
from moto.sagemaker.responses import SageMakerResponse

from local.moto_hooks import EXPECTED, CloudHooks, check_moto, install, is_loopback, type_for_event
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
