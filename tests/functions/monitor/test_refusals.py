"""Refused requests are counted by field and reason from the lines that the gateway's own telemetry writes."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from datetime import timedelta

from aws_lambda_powertools.metrics import Metrics

from functions.gateway.metrics import NAMESPACE
from functions.gateway.telemetry import CloudWatchTelemetry, Operation, RequestRecord
from functions.monitor import refusals
from functions.monitor.refusals import Refusal, count_refusals
from functions.shared.logs import make_logger
from model_packages.errors import FieldProblem, InvalidRequest, ModelUnavailable, PayloadTooLarge
from tests.functions.monitor.cloud import Cloud
from tests.functions.monitor.flowers import NOON

HOUR = timedelta(hours=1)


def lines_for(error: Exception | None, *, operation: Operation = Operation.PREDICT) -> list[str]:
    """What the gateway writes to its log for one request."""
    written = io.StringIO()
    with redirect_stdout(written):
        logger = make_logger(service=f"flowers-{id(written)}")
        logger.handlers[0].setStream(sys.stdout)  # type: ignore[attr-defined]
        telemetry = CloudWatchTelemetry(logger=logger, metrics=Metrics(service="flowers", namespace=NAMESPACE))
        telemetry.record(RequestRecord(inference_id="i", status=422, error=error, operation=operation))
    return written.getvalue().splitlines()


def invalid(*problems: tuple[str, str]) -> InvalidRequest:
    return InvalidRequest(
        [FieldProblem(pointer=pointer, code=code, found="", allowed="") for pointer, code in problems]
    )


def cloud_with(*errors: Exception | None) -> Cloud:
    return Cloud(log_lines=[(NOON, line) for error in errors for line in lines_for(error)])


def counted(cloud: Cloud, **maxima: int) -> refusals.RefusedRequests:
    return count_refusals(cloud.client(), log_group="g", begin=NOON, end=NOON + HOUR, **maxima)


def test_a_refusal_is_counted_for_each_bad_field_and_wherever_in_the_body_it_stood() -> None:
    cloud = cloud_with(
        invalid(("/amount", "greater_than"), ("/colour", "literal_error")),
        invalid(("/instances/3/amount", "greater_than"), ("/instances/7/amount", "greater_than")),
        invalid(("/instances/0/spectrum/2", "float_type"), ("/spectrum/3", "float_type")),
        None,
    )

    found = counted(cloud)

    assert found.requests == 3
    assert found.refusals == (
        Refusal("/amount", "greater_than", 2),
        Refusal("/colour", "literal_error", 1),
        Refusal("/spectrum/*", "float_type", 1),
    )
    assert found.is_whole


def test_a_body_that_is_wrong_as_a_whole_has_a_reason_and_no_field() -> None:
    found = counted(cloud_with(PayloadTooLarge(size_bytes=9, limit_bytes=1), invalid(("", "json_invalid"))))

    assert found.refusals == (Refusal("", "json_invalid", 1), Refusal("", "payload-too-large", 1))


def test_failures_of_the_model_and_refused_labels_are_no_refused_requests() -> None:
    cloud = cloud_with(ModelUnavailable("no server"))
    cloud.log_lines += [
        (NOON, line) for line in lines_for(invalid(("/label", "missing")), operation=Operation.FEEDBACK)
    ]
    cloud.log_lines += [(NOON, "refused, but no JSON"), (NOON, '["refused"]'), (NOON, '{"message": "refused"}')]

    assert counted(cloud) == refusals.RefusedRequests()


def test_only_the_window_s_time_is_counted() -> None:
    line = lines_for(invalid(("/amount", "missing")))[0]
    moments = (NOON - timedelta(milliseconds=1), NOON, NOON + HOUR - timedelta(milliseconds=1), NOON + HOUR)
    cloud = Cloud(log_lines=[(moment, line) for moment in moments])

    assert counted(cloud).requests == 2


def test_more_log_than_is_read_is_told() -> None:
    line = lines_for(invalid(("/amount", "missing")))[0]

    few = counted(Cloud(log_lines=[(NOON, line)] * 4, page_size=2), maximum_pages=2)
    many = counted(Cloud(log_lines=[(NOON, line)] * 5, page_size=2), maximum_pages=2)

    assert (few.requests, few.is_whole) == (4, True)
    assert (many.requests, many.is_whole) == (4, False)


def test_more_kinds_than_are_told_are_told_of() -> None:
    several = invalid(("/a", "missing"), ("/b", "missing"), ("/c", "missing"))

    found = counted(cloud_with(several, invalid(("/c", "missing"))), maximum_kinds=2)

    assert [refusal.field for refusal in found.refusals] == ["/c", "/a"]
    assert not found.is_whole


def test_the_gateway_s_line_is_what_the_pattern_finds() -> None:
    [line] = [json.loads(text) for text in lines_for(invalid(("/amount", "missing"))) if refusals.PATTERN in text]

    assert line["message"] == refusals.PATTERN
