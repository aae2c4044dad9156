"""One line a request that is log and metrics at once, an error line for operators, and no payload in either."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools.metrics import Metrics

from functions.gateway.telemetry import CloudWatchTelemetry, Operation, RequestRecord
from functions.shared.logs import make_logger
from model_packages.errors import FieldProblem, InvalidRequest, ModelTimedOut, StoreUnavailable, UnknownInference
from tests.functions.doubles import (
    INFERENCE_ID,
    REQUEST,
    ScriptedEndpoint,
    answer_with,
    make_gateway,
    proxy_event,
)

SECRET = "PATIENT-4711"


LOGGER_NUMBERS = itertools.count()


def make_telemetry() -> CloudWatchTelemetry:
    """Made within the test: powertools keeps one logger a name, with the standard output it found at first."""
    logger = make_logger(service=f"flowers-{next(LOGGER_NUMBERS)}")
    return CloudWatchTelemetry(logger=logger, metrics=Metrics(service="flowers", namespace="Flyball"))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def check_embedded_metrics(line: dict[str, Any]) -> None:
    """What CloudWatch's embedded metric format demands: every name that is declared has a value beside it."""
    assert isinstance(line["_aws"]["Timestamp"], int)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Flyball"
    for dimensions in directive["Dimensions"]:
        assert dimensions
        assert all(isinstance(line[name], str) for name in dimensions)
    for metric in directive["Metrics"]:
        assert metric["Unit"] in {"Count", "Milliseconds"}
        assert all(isinstance(value, float) for value in line[metric["Name"]])


def test_an_answered_request_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    make_telemetry().record(
        RequestRecord(INFERENCE_ID, status=200, rows=3, model_ms=12.5, overhead_ms=0.75, version="7", variant="main")
    )

    [line] = lines_of(capsys)
    check_embedded_metrics(line)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    del line["_aws"]
    assert line == {
        "service": "flowers",
        "message": "answered",
        "inference_id": INFERENCE_ID,
        "status": 200,
        "rows": 3,
        "model_version": "7",
        "variant": "main",
        "Requests": [1.0],
        "GatewayOverhead": [0.75],
        "ModelLatency": [12.5],
    }


def test_a_rejected_request_is_counted_by_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    make_telemetry().record(RequestRecord(INFERENCE_ID, status=422, error=InvalidRequest([])))

    line, counted = lines_of(capsys)
    check_embedded_metrics(line)
    check_embedded_metrics(counted)
    assert (line["message"], line["reason"], line["RejectedRequests"]) == ("refused", "invalid-request", [1.0])
    assert counted["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "reason"]]
    assert (counted["service"], counted["reason"]) == ("flowers", "invalid-request")
    assert counted["RejectedRequests"] == [1.0]


@pytest.mark.parametrize(("model_ms", "refused_by"), [(None, None), (2.0, "container")])
def test_a_request_that_only_the_container_refused_says_so(
    capsys: pytest.CaptureFixture[str], model_ms: float | None, refused_by: str | None
) -> None:
    make_telemetry().record(RequestRecord(INFERENCE_ID, status=422, model_ms=model_ms, error=InvalidRequest([])))

    assert lines_of(capsys)[0].get("refused_by") == refused_by


@pytest.mark.parametrize(
    ("error", "metric", "reason"),
    [(ModelTimedOut("slow"), "ModelErrors", "model-timed-out"), (KeyError("x"), "InternalErrors", "internal-error")],
)
def test_a_failure_is_a_metric_and_an_error_line(
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    metric: str,
    reason: str,
) -> None:
    make_telemetry().record(RequestRecord(INFERENCE_ID, status=504, rows=1, model_ms=1.0, error=error))

    line, counted, failure = lines_of(capsys)
    assert (line[metric], counted[metric], counted["reason"]) == ([1.0], [1.0], reason)
    assert (failure["level"], failure["message"], failure["reason"]) == ("ERROR", "failed", reason)
    assert failure["inference_id"] == INFERENCE_ID
    assert failure["timestamp"].endswith("+00:00")


def test_one_request_leaves_nothing_for_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = make_telemetry()
    telemetry.record(RequestRecord("first", status=422, error=InvalidRequest([])))
    telemetry.record(RequestRecord("second", status=200, rows=1, model_ms=1.0, version="7", variant="main"))

    *_, last = lines_of(capsys)
    assert last["inference_id"] == "second"
    assert "reason" not in last
    assert "RejectedRequests" not in last


def leak() -> Exception:
    """An error whose message quotes the payload, as those of user code and of pydantic do."""
    with pytest.raises(ValueError, match=SECRET) as raised:
        float(SECRET)
    return raised.value


@pytest.mark.parametrize(
    ("request_fields", "endpoint"),
    [
        ({"note": SECRET}, ScriptedEndpoint()),
        ({"note": SECRET * 3}, ScriptedEndpoint()),
        ({"colour": SECRET}, ScriptedEndpoint()),
        ({SECRET: 1}, ScriptedEndpoint()),
        ({"note": SECRET}, ScriptedEndpoint(leak())),
        ({"note": SECRET}, ScriptedEndpoint(answer_with({"species": SECRET, SECRET: 1}))),
    ],
)
def test_no_value_of_a_payload_reaches_the_log(
    capsys: pytest.CaptureFixture[str],
    request_fields: dict[str, Any],
    endpoint: ScriptedEndpoint,
) -> None:
    gateway = replace(make_gateway(endpoint=endpoint), telemetry=make_telemetry())

    gateway.handle(proxy_event(json.dumps({**REQUEST, **request_fields})))

    output = capsys.readouterr()
    assert INFERENCE_ID in output.out
    assert SECRET not in output.out + output.err


def test_an_unexpected_error_is_logged_with_where_it_was_raised(capsys: pytest.CaptureFixture[str]) -> None:
    make_telemetry().record(RequestRecord(INFERENCE_ID, status=500, error=leak()))

    failure = lines_of(capsys)[-1]
    assert failure["cause"] == "ValueError"
    assert any("in leak" in frame for frame in failure["frames"])


LONG_AGO_MS = 1_700_000_000_000


def test_metrics_are_of_the_time_of_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = make_telemetry()
    telemetry.record(RequestRecord(INFERENCE_ID, unix_ms=LONG_AGO_MS, status=422, error=InvalidRequest([])))
    telemetry.record(RequestRecord(INFERENCE_ID, status=200))

    line, counted, now = lines_of(capsys)
    assert line["_aws"]["Timestamp"] == counted["_aws"]["Timestamp"] == LONG_AGO_MS
    assert now["_aws"]["Timestamp"] > LONG_AGO_MS


def test_labels_are_counted_apart_from_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    make_telemetry().record(RequestRecord(INFERENCE_ID, operation=Operation.FEEDBACK, status=202, rows=3))

    [line] = lines_of(capsys)
    check_embedded_metrics(line)
    assert (line["message"], line["Labels"]) == ("labels stored", [3.0])
    assert {"Requests", "GatewayOverhead", "ModelLatency"}.isdisjoint(line)


def test_refused_labels_are_no_refused_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    problem = FieldProblem("/labels/3/inference_id", "inference_unknown", '"x"', "an id")
    record = RequestRecord(INFERENCE_ID, operation=Operation.FEEDBACK, status=404, error=UnknownInference([problem]))
    make_telemetry().record(record)

    line, counted = lines_of(capsys)
    assert (line["message"], line["reason"]) == ("labels refused", "unknown-inference")
    assert line["fields"] == ["/labels/3/inference_id: inference_unknown"]
    assert (line["RejectedFeedback"], counted["RejectedFeedback"]) == ([1.0], [1.0])
    assert {"Requests", "RejectedRequests"}.isdisjoint(line)


def test_labels_that_could_not_be_stored_are_an_internal_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = StoreUnavailable("S3 refused labels/x: SlowDown")
    make_telemetry().record(RequestRecord(INFERENCE_ID, operation=Operation.FEEDBACK, status=503, error=error))

    line, counted, failure = lines_of(capsys)
    assert (line["InternalErrors"], counted["reason"]) == ([1.0], "store-unavailable")
    assert (failure["level"], failure["cause"]) == ("ERROR", "S3 refused labels/x: SlowDown")


def test_a_capture_that_failed_is_a_metric_and_an_error_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = StoreUnavailable("S3 refused captures/x: AccessDenied")
    make_telemetry().record(RequestRecord(INFERENCE_ID, status=200, rows=1, capture_error=error))

    line, failure = lines_of(capsys)
    assert (line["message"], line["Requests"], line["CaptureFailures"]) == ("answered", [1.0], [1.0])
    assert (failure["level"], failure["message"]) == ("ERROR", "capture failed")
    assert failure["cause"] == "S3 refused captures/x: AccessDenied"
