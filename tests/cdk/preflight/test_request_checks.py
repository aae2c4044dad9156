"""The chains of timeouts and sizes, from API Gateway to the container and back."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.preflight.gateways import GATEWAY_VARIABLE
from cdk.preflight.payloads import payload_of
from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES
from tests.cdk.preflight.templates import Flowers, Json, examples


def test_an_endpoint_that_outlives_api_gateway_is_found(flowers: Flowers) -> None:
    patient = flowers.having(sections={"endpoint": {"timeout_seconds": 40}}, edits=function_timeout(45))

    (finding,) = patient.findings()

    assert finding.rule.id == "api-gives-up-first"
    assert finding.change == "timeout_seconds = 28"


def test_a_raised_timeout_of_the_route_is_followed_and_named(flowers: Flowers) -> None:
    def raise_timeout(method: Json) -> None:
        method["Integration"]["TimeoutInMillis"] = 60_000

    patient = flowers.having(
        sections={"endpoint": {"timeout_seconds": 40}},
        edits={**function_timeout(45), "AWS::ApiGateway::Method": raise_timeout},
    )

    assert patient.ids() == {"api-timeout-raised"}


def test_a_function_that_ends_before_the_endpoint_is_found(flowers: Flowers) -> None:
    hasty = flowers.having(sections={"endpoint": {"timeout_seconds": 20}}, edits=function_timeout(21))

    assert hasty.ids() == {"function-gives-up-first"}


@pytest.mark.parametrize(
    ("sections", "rules"),
    [
        ({"endpoint": {"maximum_rows": 100, "maximum_body_bytes": 10_000}}, set[str]()),
        ({"endpoint": {"maximum_rows": 200, "maximum_body_bytes": 10_000}}, {"rows-exceed-body"}),
        ({"endpoint": {"maximum_rows": 64}, "batching": {"queue_rows": 63}}, {"rows-exceed-queue"}),
        ({"endpoint": {"maximum_body_bytes": SAGEMAKER_PAYLOAD_LIMIT_BYTES}}, {"body-exceeds-lambda"}),
    ],
)
def test_requests_of_the_largest_allowed_size_have_to_fit(
    flowers: Flowers, sections: dict[str, Any], rules: set[str]
) -> None:
    examples(flowers.folder, request={"values": [0.5] * 20}, response={"label": "rose"})

    assert flowers.having(sections=sections).ids() == rules


def test_what_is_said_to_fit_does_fit(flowers: Flowers) -> None:
    examples(flowers.folder, request={"text": '"' * 50}, response={})
    limit = {"maximum_body_bytes": SAGEMAKER_PAYLOAD_LIMIT_BYTES}
    (finding,) = flowers.having(sections={"endpoint": limit}).findings()

    mended = {"maximum_body_bytes": int(finding.change.partition(" = ")[2])}

    assert flowers.having(sections={"endpoint": mended}).ids() == set()


def test_binary_bodies_grow_by_a_third(flowers: Flowers) -> None:
    examples(flowers.folder, request=[1] * 1000, response={})
    sections = {"endpoint": {"maximum_body_bytes": 5_000_000}}

    def accept_binary(api: Json) -> None:
        api["BinaryMediaTypes"] = ["*/*"]

    assert flowers.having(sections=sections).ids() == set()
    assert flowers.having(sections=sections, edits={"AWS::ApiGateway::RestApi": accept_binary}).ids() == {
        "body-exceeds-lambda"
    }


def test_an_answer_of_the_most_rows_has_to_fit(flowers: Flowers) -> None:
    examples(flowers.folder, request=[1], response={"embedding": [0.123456] * 4000})

    assert flowers.having(sections={"endpoint": {"maximum_rows": 256}}).ids() == {"answer-exceeds-lambda"}


def test_a_body_is_measured_as_the_json_string_that_an_event_holds() -> None:
    payload = payload_of({"a": "b"})

    assert (payload.size_bytes, payload.as_string_bytes) == (len('{"a":"b"}'), len(r'"{\"a\":\"b\"}"'))


def function_timeout(seconds: int) -> dict[str, Any]:
    def edit(function: Json) -> None:
        if GATEWAY_VARIABLE in function["Environment"]["Variables"]:
            function["Timeout"] = seconds

    return {"AWS::Lambda::Function": edit}
