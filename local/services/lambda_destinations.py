"""Where asynchronous events end: destinations for success and failure, and the dead-letter queue.

The records are AWS's: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html. Each is sent
with the function's own role, so that a permission which the role lacks is missing here too. What cannot be delivered
is logged and lost, as on AWS, where a metric counts it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.clock import Clock
from local.services.lambda_events import Finished
from local.services.lambda_function import Function

log = logging.getLogger(__name__)

ERROR_MESSAGE_BYTES = 1024

RoleClients = Callable[[str, str], Any]
"""A boto3 client for a role (its ARN) and a service (its boto3 name)."""

Document = Mapping[str, Any]


class NoSuchDestination(ValueError):
    """A message was to go to an ARN of a service that takes none."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """Delivers what the configuration of a function asks for; `await destinations(function, finished)`."""

    clients: RoleClients
    endpoint_url: str
    clock: Clock

    async def __call__(self, function: Function, finished: Finished) -> None:
        wanted = function.events
        failed = finished.condition != "Success"
        destination = wanted.on_failure if failed else wanted.on_success
        if destination:
            record = invocation_record(function, finished, now=self.clock.now())
            await self._attempt(function, destination, self._send_record, record)
        if failed and wanted.dead_letters:
            await self._attempt(function, wanted.dead_letters, self._send_dead_letter, finished)

    async def _attempt(self, function: Function, arn: str, send: Callable[..., None], what: Any) -> None:
        try:
            await asyncio.to_thread(send, function, arn, what)
        except (ClientError, BotoCoreError, NoSuchDestination) as error:
            log.warning("a failed or finished event of %s could not be sent to %s: %s", function.name, arn, error)

    def _send_record(self, function: Function, arn: str, record: Document) -> None:
        service, client = self._client(function, arn)
        text = json.dumps(record)
        match service:
            case "sqs":
                client.send_message(QueueUrl=self._queue_url(arn), MessageBody=text)
            case "sns":
                client.publish(TopicArn=arn, Message=text)
            case "lambda":
                client.invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())
            case "events":
                client.put_events(Entries=[event_entry(arn, record)])
            case "s3":
                client.put_object(Bucket=arn.rpartition(":")[2], Key=object_key(function, record), Body=text.encode())
            case _:
                raise NoSuchDestination(f"{service} takes no records of invocations; use sqs, sns, lambda, events, s3")

    def _send_dead_letter(self, function: Function, arn: str, finished: Finished) -> None:
        service, client = self._client(function, arn)
        body, attributes = finished.event.payload.decode(), dead_letter_attributes(finished)
        match service:
            case "sqs":
                client.send_message(QueueUrl=self._queue_url(arn), MessageBody=body, MessageAttributes=attributes)
            case "sns":
                client.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
            case _:
                raise NoSuchDestination(f"{service} takes no dead letters; use sqs or sns")

    def _client(self, function: Function, arn: str) -> tuple[str, Any]:
        service = arn.split(":")[2]
        return service, self.clients(function.role_arn, service)

    def _queue_url(self, arn: str) -> str:
        """Made here and not asked for: the role needs sqs:SendMessage alone."""
        *_, account, name = arn.split(":")
        return f"{self.endpoint_url}/{account}/{name}"


def invocation_record(function: Function, finished: Finished, *, now: datetime) -> dict[str, Any]:
    """What a destination gets. An event that never ran has no response in it."""
    event, response = finished.event, finished.event.response
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{function.arn}:{event.qualifier or function.version}",
            "condition": finished.condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": json.loads(event.payload),
    }
    if response is None or response.status != 200:
        return record
    context = {"statusCode": 200, "executedVersion": response.executed_version}
    error = {"functionError": response.function_error} if response.function_error else {}
    return {
        **record,
        "responseContext": {**context, **error},
        "responsePayload": json.loads(response.payload),
    }


def event_entry(bus_arn: str, record: Document) -> dict[str, Any]:
    """A record as an event on a bus."""
    good = record["requestContext"]["condition"] == "Success"
    return {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Success' if good else 'Failure'}",
        "Detail": json.dumps(record),
        "Resources": [bus_arn, record["requestContext"]["functionArn"]],
        "EventBusName": bus_arn,
    }


def object_key(function: Function, record: Document) -> str:
    """Where a record lies in a bucket."""
    moment = datetime.fromisoformat(record["timestamp"])
    return f"aws/lambda/async/{function.name}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"


def dead_letter_attributes(finished: Finished) -> dict[str, dict[str, str]]:
    """The attributes of a dead letter; the message itself is the event."""
    response = finished.event.response
    message = "Rate Exceeded." if response is None else _error_message(response.payload)
    shortened = message.encode()[:ERROR_MESSAGE_BYTES].decode(errors="ignore")
    return {
        "RequestID": {"DataType": "String", "StringValue": finished.event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(429 if response is None else response.status)},
        "ErrorMessage": {"DataType": "String", "StringValue": shortened or "-"},
    }


def _error_message(payload: str) -> str:
    try:
        document = json.loads(payload)
    except json.JSONDecodeError:
        return payload
    return str(document.get("errorMessage", payload)) if isinstance(document, dict) else payload
