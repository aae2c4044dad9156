"""What the gateway makes of labels: which it takes, where they are stored, and what is said of those it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.uuid7 import InferenceIds, Issuer, compose
from tests.functions.doubles import (
    ISSUER,
    RememberedStore,
    RememberedTelemetry,
    ScriptedEndpoint,
    make_gateway,
    proxy_event,
)

NOW = datetime(2026, 2, 14, 17, 25, 6, tzinfo=UTC)
DAISY, CROCUS = {"species": "daisy"}, {"species": "crocus"}
PREFIX = "labels/flyball-flowers"


def inference_id(age: timedelta = timedelta(hours=1), issuer: Issuer = ISSUER) -> str:
    return InferenceIds(issuer)(milliseconds(NOW - age))


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def send(
    body: Any,
    *,
    store: RememberedStore | None = None,
    telemetry: RememberedTelemetry | None = None,
    endpoint: ScriptedEndpoint | None = None,
) -> dict[str, Any]:
    """Sends feedback at NOW; a text goes as it is."""
    gateway = make_gateway(store=store, telemetry=telemetry, endpoint=endpoint, maximum_body_bytes=200_000)
    event = proxy_event(body if isinstance(body, str) else json.dumps(body), path="feedback")
    event["requestContext"]["requestTimeEpoch"] = milliseconds(NOW)
    return dict(replace(gateway, make_id=InferenceIds(ISSUER)).handle(event))


def problem_of(answer: dict[str, Any]) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, code, and the pointer and code of each bad field."""
    document = json.loads(answer["body"])
    code = document["type"].removeprefix("urn:flyball:problem:")
    return answer["statusCode"], code, [(problem["pointer"], problem["code"]) for problem in document["errors"]]


def test_a_label_is_stored_by_the_hour_of_its_prediction() -> None:
    store, endpoint = RememberedStore(), ScriptedEndpoint()
    made = inference_id(age=timedelta(hours=20))

    answer = send({"inference_id": made, "label": DAISY}, store=store, endpoint=endpoint)

    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"accepted": 1})
    [key] = store.objects
    assert key.startswith(f"{PREFIX}/2026/02/13/21/")
    assert key.endswith(".jsonl")
    assert store.lines() == [
        {"inference_id": made, "row": None, "label": DAISY, "received": "2026-02-14T17:25:06.000+00:00"}
    ]
    assert endpoint.bodies == []


def test_many_labels_are_one_object_an_hour() -> None:
    store = RememberedStore()
    recent, older = inference_id(), inference_id(age=timedelta(days=3))
    labels = [
        {"inference_id": recent, "row": 0, "label": DAISY},
        {"inference_id": older, "label": DAISY},
        {"inference_id": recent, "row": 3, "label": CROCUS},
    ]

    answer = send({"labels": labels}, store=store)

    assert json.loads(answer["body"]) == {"accepted": 3}
    assert [key[: len(PREFIX) + 14] for key in sorted(store.objects)] == [
        f"{PREFIX}/2026/02/11/17",
        f"{PREFIX}/2026/02/14/16",
    ]
    assert len({key.rpartition("/")[2] for key in store.objects}) == 1
    assert [(line["inference_id"], line["row"]) for line in store.lines()] == [(older, None), (recent, 0), (recent, 3)]


def test_an_id_in_upper_case_is_the_same_id() -> None:
    store, made = RememberedStore(), inference_id()

    answer = send({"inference_id": made.upper(), "label": DAISY}, store=store)

    assert answer["statusCode"] == 202
    assert store.lines()[0]["inference_id"] == made


@pytest.mark.parametrize(
    "unknown",
    [
        "",
        "x",
        "0" * 1000,
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",  # made by nobody of ours
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",  # version 4
        f"urn:uuid:{inference_id()}",
        inference_id().replace("-", ""),
        f"{{{inference_id()}}}",
        inference_id(issuer=Issuer("digits/flyball-digits")),
        inference_id(age=-timedelta(hours=1)),
        str(compose(unix_ms=milliseconds(NOW), random_bits=7)),
    ],
    ids=[
        *("nothing", "no-id", "too-long", "of-nobody", "version-4", "as-a-urn", "without-dashes", "in-braces"),
        *("of-another-package", "of-the-future", "without-a-check"),
    ],  # made anew in each process, while pytest-xdist's have to agree on the names
)
def test_an_id_of_nobody_s_prediction_is_unknown(unknown: str) -> None:
    store = RememberedStore()

    answer = send({"inference_id": unknown, "label": DAISY}, store=store)

    assert problem_of(answer) == (404, "unknown-inference", [("/inference_id", "inference_unknown")])
    assert store.objects == {}


def test_a_mistyped_id_is_unknown() -> None:
    made = inference_id()

    mistyped = {made[:place] + ("0" if made[place] != "0" else "1") + made[place + 1 :] for place in range(36)}
    answers = [send({"inference_id": one, "label": DAISY}) for one in mistyped]

    assert {answer["statusCode"] for answer in answers} == {404}


def test_a_clock_that_is_ahead_does_no_harm() -> None:
    answer = send({"inference_id": inference_id(age=-timedelta(seconds=30)), "label": DAISY})

    assert answer["statusCode"] == 202


@pytest.mark.parametrize(("age_hours", "status"), [(30 * 24 - 1, 202), (30 * 24 + 1, 410)])
def test_a_prediction_takes_a_label_for_the_days_that_the_package_says(age_hours: int, status: int) -> None:
    answer = send({"inference_id": inference_id(age=timedelta(hours=age_hours)), "label": DAISY})

    assert answer["statusCode"] == status


def test_an_expired_id_is_told_its_age_and_the_limit() -> None:
    answer = send({"inference_id": inference_id(age=timedelta(days=31)), "label": DAISY})

    assert problem_of(answer) == (410, "inference-expired", [("/inference_id", "inference_expired")])
    [problem] = json.loads(answer["body"])["errors"]
    assert problem["allowed"] == ("a prediction of the last 30 days; this one was made 2026-01-14 17:25:06+00:00")


def test_every_bad_field_of_every_label_is_named_and_nothing_is_stored() -> None:
    store = RememberedStore()
    labels = [
        {"inference_id": inference_id(), "label": DAISY},
        {"inference_id": "x", "label": {"species": "rose"}},
        {"inference_id": inference_id(age=timedelta(days=40)), "label": DAISY, "row": 4},
        {"inference_id": inference_id(), "label": {}, "more": 1},
    ]

    answer = send({"labels": labels}, store=store)

    assert problem_of(answer) == (
        422,
        "invalid-request",
        [
            ("/labels/1/inference_id", "inference_unknown"),
            ("/labels/1/label/species", "literal_error"),
            ("/labels/2/inference_id", "inference_expired"),
            ("/labels/2/row", "less_than"),
            ("/labels/3/label/species", "missing"),
            ("/labels/3/more", "extra_forbidden"),
        ],
    )
    assert store.objects == {}


def test_unknown_and_expired_ids_together_are_unknown() -> None:
    labels = [{"inference_id": one, "label": DAISY} for one in ("x", inference_id(age=timedelta(days=40)))]

    status, code, problems = problem_of(send({"labels": labels}))

    assert (status, code) == (404, "unknown-inference")
    assert [problem for _, problem in problems] == ["inference_unknown", "inference_expired"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        ({}, "/inference_id"),
        ({"labels": []}, "/labels"),
        ({"labels": {}}, "/labels"),
        ({"labels": [3]}, "/labels/0"),
        ({"more": 1, "labels": []}, "/inference_id"),
        ({"inference_id": 3, "label": DAISY}, "/inference_id"),
        ({"inference_id": inference_id(), "row": -1, "label": DAISY}, "/row"),
        ({"inference_id": inference_id(), "row": "0", "label": DAISY}, "/row"),
        ({"inference_id": inference_id(), "row": True, "label": DAISY}, "/row"),
        ({"inference_id": inference_id(), "label": None}, "/label"),
        ({"labels": [{"inference_id": inference_id(), "label": DAISY}] * 501}, "/labels"),
    ],
)
def test_a_body_that_is_no_label_is_told_where(body: Any, pointer: str) -> None:
    status, code, problems = problem_of(send(body))

    assert (status, code, problems[0][0]) == (422, "invalid-request", pointer)


def test_two_labels_of_one_prediction_in_one_request_are_refused() -> None:
    store, made = RememberedStore(), inference_id()
    labels = [
        {"inference_id": made, "label": DAISY},
        {"inference_id": made, "row": 1, "label": CROCUS},
        {"inference_id": made, "row": 0, "label": CROCUS},
    ]

    answer = send({"labels": labels}, store=store)

    assert problem_of(answer) == (422, "invalid-request", [("/labels/2", "label_conflict")])
    assert store.objects == {}


def test_the_same_label_twice_in_one_request_counts_once() -> None:
    store, label = RememberedStore(), {"inference_id": inference_id(), "label": DAISY}

    answer = send({"labels": [label, label]}, store=store)

    assert json.loads(answer["body"]) == {"accepted": 1}
    assert len(store.lines()) == 1


def test_a_store_that_fails_is_told_with_when_to_try_again() -> None:
    telemetry = RememberedTelemetry()

    answer = send(
        {"inference_id": inference_id(), "label": DAISY}, store=RememberedStore(broken=True), telemetry=telemetry
    )

    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["type"]) == (503, "urn:flyball:problem:store-unavailable")
    assert answer["headers"]["Retry-After"] == "5"
    assert "SlowDown" not in answer["body"]
    assert telemetry.records[0].operation == "feedback"


def test_a_gateway_that_has_answered_predictions_alone_has_made_no_validator_for_labels() -> None:
    gateway = make_gateway()

    gateway.handle(proxy_event())

    assert "_parsers" not in vars(gateway.feedback)


@given(
    st.recursive(
        st.none() | st.floats() | st.text() | st.just(DAISY),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["inference_id", "label", "labels", "row"]), inner)
        ),
    ).map(json.dumps)
)
def test_whatever_is_sent_is_answered_with_a_problem_and_stores_nothing(body: str) -> None:
    store = RememberedStore()

    answer = send(body, store=store)

    assert answer["statusCode"] in (404, 413, 422)
    assert store.objects == {}
