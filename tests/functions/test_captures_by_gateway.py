"""Captures that the gateway writes have the form and the place of SageMaker's own, and never fail a request."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from functions.gateway.callers import Callers, identity_of
from functions.gateway.captures import Captures
from functions.gateway.endpoint import Invocation
from functions.gateway.gateway import Gateway
from functions.monitor.captures import read_captures
from functions.shared.uuid7 import InferenceIds
from tests.functions.doubles import (
    ISSUER,
    REQUEST,
    RESPONSE,
    RememberedStore,
    RememberedTelemetry,
    ScriptedEndpoint,
    answer_with,
    make_gateway,
    proxy_event,
)

MOMENT = datetime(2026, 2, 14, 17, 25, 6, 61_000, tzinfo=UTC)
MOMENT_MS = int(MOMENT.timestamp() * 1000)


def make_capturing(
    store: RememberedStore,
    *,
    percent: int = 100,
    telemetry: RememberedTelemetry | None = None,
    endpoint: ScriptedEndpoint | None = None,
) -> Gateway:
    captures = Captures(
        store=store, endpoint_name="flyball-flowers", percent=percent, make_event_id=lambda: "an-event-id"
    )
    return replace(
        make_gateway(telemetry=telemetry, endpoint=endpoint), captures=captures, make_id=InferenceIds(ISSUER)
    )


def event_of_the_moment(body: str | None = None) -> dict[str, object]:
    event = proxy_event(body)
    event["requestContext"]["requestTimeEpoch"] = MOMENT_MS
    return event


def test_a_record_is_what_sagemaker_would_have_written() -> None:
    store = RememberedStore()

    answer = make_capturing(store).handle(event_of_the_moment())

    made = json.loads(answer["body"])["inference_id"]
    assert list(store.objects) == [f"captures/flyball-flowers/main/2026/02/14/17/25-06-061-{made}.jsonl"]
    assert store.lines() == [
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "application/json",
                    "mode": "INPUT",
                    "data": json.dumps(REQUEST),
                    "encoding": "JSON",
                },
                "endpointOutput": {
                    "observedContentType": "application/json",
                    "mode": "OUTPUT",
                    "data": json.dumps({"predictions": [RESPONSE]}),
                    "encoding": "JSON",
                },
            },
            "eventMetadata": {
                "eventId": "an-event-id",
                "inferenceId": made,
                "inferenceTime": "2026-02-14T17:25:06Z",
            },
            "eventVersion": "0",
        }
    ]


def test_the_monitor_reads_what_the_gateway_wrote() -> None:
    store, endpoint = RememberedStore(), ScriptedEndpoint(answer_with(RESPONSE, RESPONSE))
    gateway = replace(make_capturing(store, endpoint=endpoint), callers=Callers("flyball-flowers"))
    event = event_of_the_moment(json.dumps({"instances": [REQUEST, REQUEST]}))
    event["requestContext"]["identity"] = {"sourceIp": "203.0.113.7"}  # type: ignore[index]

    gateway.handle(event)

    [content] = store.objects.values()
    contents = read_captures(content)
    assert contents.unreadable == []
    [capture] = contents.captures
    assert capture.rows == [{"request": REQUEST, "response": RESPONSE}] * 2
    assert capture.caller == endpoint.callers[0] != ""
    assert capture.time == MOMENT.replace(microsecond=0)


def test_an_answer_that_is_no_text_is_kept_in_base64() -> None:
    store = RememberedStore()
    endpoint = ScriptedEndpoint(Invocation(content=b"\xff\x00", version="7", variant="main"))

    answer = make_capturing(store, endpoint=endpoint).handle(event_of_the_moment())

    output = store.lines()[0]["captureData"]["endpointOutput"]
    assert answer["statusCode"] == 502
    assert (output["encoding"], base64.b64decode(output["data"])) == ("BASE64", b"\xff\x00")


def test_what_no_model_answered_is_not_captured() -> None:
    store = RememberedStore()

    make_capturing(store).handle(event_of_the_moment("{}"))
    make_capturing(store, endpoint=ScriptedEndpoint(RuntimeError())).handle(event_of_the_moment())

    assert store.objects == {}


def test_the_share_that_is_kept_is_the_package_s() -> None:
    store = RememberedStore()
    gateway = make_capturing(store, percent=25)

    for _ in range(2000):
        gateway.handle(event_of_the_moment())

    assert len(store.objects) == pytest.approx(500, abs=80)


def test_a_capture_that_fails_does_not_fail_the_request_and_is_reported() -> None:
    telemetry = RememberedTelemetry()

    answer = make_capturing(RememberedStore(broken=True), telemetry=telemetry).handle(event_of_the_moment())

    assert answer["statusCode"] == 200
    [record] = telemetry.records
    assert record.error is None
    assert "SlowDown" in str(record.capture_error)


def test_without_callers_nobody_is_named_to_the_endpoint() -> None:
    endpoint = ScriptedEndpoint()

    make_gateway(endpoint=endpoint).handle(proxy_event())

    assert endpoint.callers == [None]


@pytest.mark.parametrize(
    ("context", "identity"),
    [
        ({"identity": {"userArn": "arn:aws:iam::1:user/ada", "sourceIp": "s"}}, "arn:aws:iam::1:user/ada"),
        (
            {"identity": {"userArn": "arn:aws:sts::1:assumed-role/shop/i-0123"}},
            "arn:aws:sts::1:assumed-role/shop",
        ),
        ({"authorizer": {"claims": {"sub": "u-1"}}, "identity": {"userArn": None, "sourceIp": "s"}}, "u-1"),
        ({"identity": {"apiKeyId": "k", "sourceIp": "s"}}, "k"),
        ({"identity": {"sourceIp": "203.0.113.7"}, "authorizer": None}, "203.0.113.7"),
        ({}, None),
        (None, None),
    ],
)
def test_the_caller_is_the_first_that_is_known(context: dict[str, object] | None, identity: str | None) -> None:
    assert identity_of({"requestContext": context}) == identity


def test_a_caller_has_one_word_an_endpoint_and_the_word_says_nothing() -> None:
    event = {"requestContext": {"identity": {"sourceIp": "203.0.113.7"}}}

    words = {Callers(endpoint).word_of(event) for endpoint in ("a", "a", "b")}

    assert len(words) == 2
    assert all(word is not None and len(word) == 16 and int(word, 16) >= 0 for word in words)
    assert Callers("a").word_of({}) is None
