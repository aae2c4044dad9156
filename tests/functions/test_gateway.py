"""What the gateway answers to every kind of request, and what it asks the endpoint."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packages.errors import (
    ContractViolation,
    ModelError,
    ModelThrottled,
    ModelTimedOut,
    ModelUnavailable,
    PredictionFailed,
)
from tests.functions.doubles import (
    INFERENCE_ID,
    REQUEST,
    RESPONSE,
    RememberedTelemetry,
    ScriptedEndpoint,
    answer_with,
    make_gateway,
    proxy_event,
)

MODEL = {"name": "flowers", "version": "7", "variant": "main"}


def test_one_request_is_answered_with_one_prediction() -> None:
    endpoint = ScriptedEndpoint(answer_with(RESPONSE))

    answer = make_gateway(endpoint=endpoint).handle(proxy_event())

    assert answer["statusCode"] == 200
    assert answer["headers"] == {"Content-Type": "application/json", "x-inference-id": INFERENCE_ID}
    assert json.loads(answer["body"]) == {"prediction": RESPONSE, "model": MODEL, "inference_id": INFERENCE_ID}


def test_many_requests_are_answered_with_as_many_predictions() -> None:
    endpoint = ScriptedEndpoint(answer_with(RESPONSE, {"species": "crocus", "confidence": 1.0}))
    body = json.dumps({"instances": [REQUEST, REQUEST]})

    answer = make_gateway(endpoint=endpoint).handle(proxy_event(body))

    assert json.loads(answer["body"]) == {
        "predictions": [RESPONSE, {"species": "crocus", "confidence": 1.0}],
        "model": MODEL,
        "inference_id": INFERENCE_ID,
    }


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(REQUEST),
        json.dumps(REQUEST, indent=4),
        "\r\n\t " + json.dumps({"instances": [REQUEST]}, indent=1),
        json.dumps({**REQUEST, "note": "Blüte 🌼"}, ensure_ascii=False),
        '{"wild": "last one counts", ' + json.dumps(REQUEST)[1:],
    ],
)
def test_the_endpoint_gets_the_bytes_that_the_caller_sent(body: str) -> None:
    endpoint = ScriptedEndpoint()

    answer = make_gateway(endpoint=endpoint).handle(proxy_event(body))

    assert answer["statusCode"] == 200
    assert endpoint.bodies == [body.encode()]
    assert endpoint.inference_ids == [INFERENCE_ID]


def test_a_body_in_base64_is_decoded() -> None:
    endpoint = ScriptedEndpoint()
    body = json.dumps(REQUEST).encode()

    answer = make_gateway(endpoint=endpoint).handle(proxy_event(base64.b64encode(body).decode(), is_base64=True))

    assert answer["statusCode"] == 200
    assert endpoint.bodies == [body]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"CONTENT-TYPE": "Application/JSON; charset=UTF-8"},
        {"content-type": 'application/json;charset="utf-8"', "content-encoding": "identity"},
    ],
)
def test_every_way_to_say_json_is_understood(headers: dict[str, str]) -> None:
    answer = make_gateway().handle(proxy_event(headers=headers))

    assert answer["statusCode"] == 200


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (proxy_event(path="predictions"), 404, "unknown-path"),
        (proxy_event(path=""), 404, "unknown-path"),
        (proxy_event(path="predict/"), 404, "unknown-path"),
        (proxy_event(path="feedback/", method="GET"), 404, "unknown-path"),
        (proxy_event(path="feedback", method="GET"), 405, "method-not-allowed"),
        ({**proxy_event(), "pathParameters": None}, 404, "unknown-path"),
        (proxy_event(method="GET"), 405, "method-not-allowed"),
        (proxy_event(method="OPTIONS"), 405, "method-not-allowed"),
        (proxy_event(method="post"), 405, "method-not-allowed"),
        (proxy_event("x" * 10_001), 413, "payload-too-large"),
        (proxy_event("€" * 5_000), 413, "payload-too-large"),
        (proxy_event(base64.b64encode(bytes(10_001)).decode(), is_base64=True), 413, "payload-too-large"),
        (proxy_event(headers={}), 415, "unsupported-content"),
        ({**proxy_event(), "headers": None}, 415, "unsupported-content"),
        (proxy_event(headers={"content-type": "text/csv"}), 415, "unsupported-content"),
        (proxy_event(headers={"content-type": "application/json; charset=latin-1"}), 415, "unsupported-content"),
        (
            proxy_event(headers={"content-type": "application/json", "content-encoding": "gzip"}),
            415,
            "unsupported-content",
        ),
        (proxy_event("%%%", is_base64=True), 415, "unsupported-content"),
        (proxy_event("é", is_base64=True), 415, "unsupported-content"),
        (proxy_event(""), 422, "invalid-request"),
        ({**proxy_event(), "body": None}, 422, "invalid-request"),
        (proxy_event("{"), 422, "invalid-request"),
        (proxy_event('{"note": "\udcff"}'), 422, "invalid-request"),
        (proxy_event(base64.b64encode(b'{"note": "\xff"}').decode(), is_base64=True), 422, "invalid-request"),
        (proxy_event(json.dumps([REQUEST])), 422, "invalid-request"),
        (proxy_event(json.dumps({**REQUEST, "petals": 10**100})), 422, "invalid-request"),
        (proxy_event(json.dumps({**REQUEST, "petal_length": float("nan")})), 422, "invalid-request"),
        (proxy_event(json.dumps({"instances": []})), 422, "invalid-request"),
        (proxy_event(json.dumps({"instances": [REQUEST] * 5})), 422, "invalid-request"),
        (proxy_event(json.dumps({"instances": REQUEST})), 422, "invalid-request"),
        (proxy_event(json.dumps({"instances": [REQUEST], "more": 1})), 422, "invalid-request"),
        (proxy_event(json.dumps({"more": 1, "instances": [REQUEST]})), 422, "invalid-request"),
        (proxy_event(json.dumps(REQUEST)[:-1] + ', "wild": 3}'), 422, "invalid-request"),
    ],
)
def test_a_request_that_cannot_be_served_costs_no_invocation(event: dict[str, Any], status: int, code: str) -> None:
    endpoint = ScriptedEndpoint()

    answer = make_gateway(endpoint=endpoint).handle(event)

    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["type"]) == (status, f"urn:flyball:problem:{code}")
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert document["status"] == status
    assert document["instance"] == f"urn:uuid:{INFERENCE_ID}"
    assert endpoint.bodies == []


def test_a_wrong_method_is_told_the_right_ones() -> None:
    answer = make_gateway().handle(proxy_event(method="DELETE"))

    assert answer["headers"]["Allow"] == "POST"


def test_every_bad_field_of_every_row_is_named() -> None:
    rows = [REQUEST, {**REQUEST, "colour": "red", "petals": -1}]

    answer = make_gateway().handle(proxy_event(json.dumps({"instances": rows})))

    assert json.loads(answer["body"])["errors"] == [
        {"pointer": "/instances/1/petals", "code": "greater_than_equal", "found": "-1", "allowed": "0 or more"},
        {
            "pointer": "/instances/1/colour",
            "code": "literal_error",
            "found": '"red"',
            "allowed": "'white', 'yellow' or 'blue'",
        },
    ]


def test_more_bad_fields_than_are_named_are_counted() -> None:
    body = json.dumps({**REQUEST, **{f"unknown_{number}": 0 for number in range(130)}})

    document = json.loads(make_gateway().handle(proxy_event(body))["body"])

    assert len(document["errors"]) == 100
    assert document["omitted_errors"] == 30
    assert document["detail"].endswith("and 125 more")


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (
            b'{"predictions": [{"species": "rose", "confidence": 2}]}',
            ["/predictions/0/species", "/predictions/0/confidence"],
        ),
        (b'{"predictions": [{"species": "daisy"}]}', ["/predictions/0/confidence"]),
        (b'{"answers": []}', ["/predictions", "/answers"]),
        (b"<html>secret</html>", [""]),
        (b"", [""]),
        (b'{"predictions": []}', []),
        (json.dumps({"predictions": [RESPONSE, RESPONSE]}).encode(), []),
    ],
)
def test_an_answer_that_breaks_the_contract_is_not_passed_on(content: bytes, fields: list[str]) -> None:
    endpoint, telemetry = ScriptedEndpoint(), RememberedTelemetry()
    endpoint.outcome = type(answer_with())(content=content, version="7", variant="main")

    answer = make_gateway(endpoint=endpoint, telemetry=telemetry).handle(proxy_event())

    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["type"]) == (502, "urn:flyball:problem:contract-violation")
    assert "errors" not in document
    assert "secret" not in answer["body"]
    error = telemetry.records[0].error
    assert isinstance(error, ContractViolation)
    assert [problem.pointer for problem in error.problems] == fields


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (ModelUnavailable("internal name"), 503, "model-unavailable", "5"),
        (ModelThrottled("internal name"), 429, "model-throttled", "1"),
        (ModelTimedOut("internal name"), 504, "model-timed-out", None),
        (PredictionFailed("internal name"), 502, "prediction-failed", None),
        (ContractViolation("internal name"), 502, "contract-violation", None),
        (ModelError("internal name"), 502, "model-error", None),
        (RuntimeError("internal name"), 500, "internal-error", None),
    ],
)
def test_a_failure_behind_the_gateway_is_told_without_internals(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    answer = make_gateway(endpoint=ScriptedEndpoint(error)).handle(proxy_event())

    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (status, f"urn:flyball:problem:{code}")
    assert answer["headers"].get("Retry-After") == retry_after
    assert "internal name" not in answer["body"]


def test_the_record_tells_the_model_s_time_from_the_gateway_s() -> None:
    telemetry = RememberedTelemetry()

    make_gateway(telemetry=telemetry).handle(proxy_event())

    [record] = telemetry.records
    assert (record.status, record.rows, record.version, record.variant) == (200, 1, "7", "main")
    assert (record.model_ms, record.overhead_ms) == (250.0, 500.0)


def test_a_model_that_fails_has_taken_its_time_too() -> None:
    telemetry = RememberedTelemetry()

    make_gateway(endpoint=ScriptedEndpoint(ModelTimedOut("")), telemetry=telemetry).handle(proxy_event())

    [record] = telemetry.records
    assert (record.status, record.rows, record.model_ms) == (504, 1, 250.0)


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_sent_is_answered_with_a_problem_or_a_prediction(body: str) -> None:
    answer = make_gateway().handle(proxy_event(body))

    assert answer["statusCode"] in (200, 413, 422)
    assert json.loads(answer["body"])["inference_id" if answer["statusCode"] == 200 else "instance"]
