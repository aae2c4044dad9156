"""Where asynchronous events end, and in which form."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clock import ManualClock
from local.services.lambda_destinations import Destinations
from local.services.lambda_events import AcceptedEvent, Condition, Finished, Response
from local.services.lambda_function import EventHandling, Function

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:failed"
TOPIC = "arn:aws:sns:us-east-1:123456789012:failed"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
FAILED = Response(200, '{"errorType": "ValueError", "errorMessage": "no digit"}', "Unhandled", "3")


@dataclass
class Calls:
    """Clients that note who called what; one of them may refuse."""

    made: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    refuses: bool = False

    def __call__(self, role_arn: str, service: str) -> Any:
        return Client(self, role_arn, service)


@dataclass
class Client:
    calls: Calls
    role_arn: str
    service: str

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> None:
            if self.calls.refuses:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, operation)
            self.calls.made.append((self.role_arn, f"{self.service}:{operation}", arguments))

        return call


def deliver(
    calls: Calls, condition: Condition = "RetriesExhausted", response: Response | None = FAILED, **events: str
) -> None:
    function = Function(
        name="fn",
        arn=ARN,
        handler="app.handler",
        code_revision="1",
        open_code=Path,
        role_arn="the role",
        version="3",
        events=EventHandling(**events),  # type: ignore[arg-type]  # ARNs only
    )
    event = AcceptedEvent(
        request_id="id",
        function_name="fn",
        qualifier=None,
        payload=b'{"n": 1}',
        accepted_at=0.0,
        due_at=0.0,
        attempts=3 if response else 0,
        response=response,
    )
    destinations = Destinations(clients=calls, endpoint_url="http://127.0.0.1:8444", clock=ManualClock())
    asyncio.run(destinations(function, Finished(event, condition)))


def test_a_queue_gets_the_record_that_lambda_writes_sent_in_the_name_of_the_functions_role() -> None:
    calls = Calls()

    deliver(calls, on_failure=QUEUE)

    ((role, operation, arguments),) = calls.made
    assert (role, operation) == ("the role", "sqs:send_message")
    assert arguments["QueueUrl"] == "http://127.0.0.1:8444/123456789012/failed"
    assert json.loads(arguments["MessageBody"]) == {
        "version": "1.0",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "requestContext": {
            "requestId": "id",
            "functionArn": f"{ARN}:3",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "3", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "ValueError", "errorMessage": "no digit"},
    }


def test_an_event_that_never_ran_has_no_response_in_its_record() -> None:
    calls = Calls()

    deliver(calls, "ZeroReservedConcurrency", None, on_failure=TOPIC)

    ((_, operation, arguments),) = calls.made
    record = json.loads(arguments["Message"])
    assert (operation, arguments["TopicArn"]) == ("sns:publish", TOPIC)
    assert (record["requestContext"]["approximateInvokeCount"], "responseContext" in record) == (0, False)


def test_a_success_goes_to_its_own_destination_and_to_no_other() -> None:
    calls = Calls()

    deliver(calls, "Success", Response(200, "1", None, "3"), on_success=ARN, on_failure=QUEUE, dead_letters=QUEUE)

    ((_, operation, arguments),) = calls.made
    assert (operation, arguments["FunctionName"], arguments["InvocationType"]) == ("lambda:invoke", ARN, "Event")
    assert "functionError" not in json.loads(arguments["Payload"])["responseContext"]


def test_a_bus_gets_an_event_with_the_function_and_itself_as_resources() -> None:
    calls = Calls()

    deliver(calls, on_failure=BUS)

    ((_, operation, arguments),) = calls.made
    (entry,) = arguments["Entries"]
    assert operation == "events:put_events"
    assert (entry["Source"], entry["DetailType"]) == ("lambda", "Lambda Function Invocation Result - Failure")
    assert (entry["EventBusName"], entry["Resources"]) == (BUS, [BUS, f"{ARN}:3"])


def test_a_bucket_gets_an_object_under_the_functions_name_and_the_time() -> None:
    calls = Calls()

    deliver(calls, on_failure="arn:aws:s3:::records")

    ((_, operation, arguments),) = calls.made
    assert (operation, arguments["Bucket"]) == ("s3:put_object", "records")
    assert arguments["Key"].startswith("aws/lambda/async/fn/2026/01/01/2026-01-01T00.00.00-")


@pytest.mark.parametrize(("target", "body"), [(QUEUE, "MessageBody"), (TOPIC, "Message")])
def test_a_dead_letter_is_the_event_itself_with_three_attributes(target: str, body: str) -> None:
    calls = Calls()

    deliver(calls, dead_letters=target)

    ((_, _, arguments),) = calls.made
    attributes = {name: (one["DataType"], one["StringValue"]) for name, one in arguments["MessageAttributes"].items()}
    assert arguments[body] == '{"n": 1}'
    assert attributes == {
        "RequestID": ("String", "id"),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "no digit"),
    }


def test_the_error_message_of_a_dead_letter_has_at_most_a_kilobyte() -> None:
    calls = Calls()

    deliver(
        calls,
        response=Response(200, json.dumps({"errorMessage": "\u00e9" * 2000}), "Unhandled", "3"),
        dead_letters=QUEUE,
    )

    ((_, _, arguments),) = calls.made
    assert len(arguments["MessageAttributes"]["ErrorMessage"]["StringValue"].encode()) == 1024


def test_what_cannot_be_delivered_is_said_and_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    deliver(Calls(refuses=True), on_failure=QUEUE, dead_letters=TOPIC)

    assert f"fn could not be sent to {QUEUE}" in caplog.text
    assert f"fn could not be sent to {TOPIC}" in caplog.text


def test_a_service_that_takes_no_records_is_named(caplog: pytest.LogCaptureFixture) -> None:
    deliver(Calls(), on_failure="arn:aws:kinesis:us-east-1:123456789012:stream/x")

    assert "kinesis takes no records of invocations" in caplog.text
