"""What a call takes and gives in Step Functions' form, and what its errors are called."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.clock import ManualClock
from local.services.lambda_function import FunctionNotFound, Invocation, InvocationType, TooManyRequests
from local.services.states.arguments import argument_problems, call_arguments, result_of
from local.services.states.calls import Actor, CloudCalls
from local.services.states.failures import StateFailed
from local.services.states.integrations import Integration, Pattern, ResourceRefused, integration_of

ROLE = "arn:aws:iam::123456789012:role/loop"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
WHEN = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Client:
    """A boto3 client that gives what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.got = answer, dict[str, Any]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.got = {"method": name, **arguments}
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


class Lambda:
    """Functions that give what they are told to."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.got = answer, list[Any]()

    async def invoke(
        self,
        function_name: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE,
        client_context: str | None = None,
    ) -> Invocation:
        self.got.append((function_name, json.loads(payload), qualifier, invocation_type))
        if isinstance(self.answer, Exception):
            raise self.answer
        found: Invocation = self.answer
        return found


def calls(client: Any = None, *, functions: Any = None, denied: str | None = None) -> CloudCalls:
    return CloudCalls(
        functions=functions or Lambda(Invocation(b"{}", 200)),
        clients_of=lambda _role, _session: lambda _service: client,
        may=lambda _role, _action, resource: denied if denied is None else f"{denied} {resource}",
        function_arn=lambda name: name if name.startswith("arn:") else f"arn:function:{name}",
        clock=ManualClock(),
    )


def called(made: CloudCalls, resource: str, arguments: Any) -> Any:
    async def call() -> Any:
        try:
            return await made.call(Actor(ROLE, "run"), integration_of(resource), arguments)
        finally:
            made.close()

    return asyncio.run(call())


def error(code: str, *, status: int = 400, operation: str = "X") -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "id"},
    }
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("resource", "pattern", "service", "operation"),
    [
        ("arn:aws:states:::lambda:invoke", Pattern.REQUEST_RESPONSE, "lambda", "Invoke"),
        ("arn:aws:states:::lambda:invoke.waitForTaskToken", Pattern.WAIT_FOR_CALLBACK, "lambda", "Invoke"),
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", Pattern.RUN_A_JOB, "sagemaker", "CreateTrainingJob"),
        ("arn:aws:states:::aws-sdk:cloudwatchlogs:putLogEvents", Pattern.REQUEST_RESPONSE, "logs", "PutLogEvents"),
        ("arn:aws:states:::aws-sdk:sfn:startExecution", Pattern.REQUEST_RESPONSE, "stepfunctions", "StartExecution"),
        (f"{FUNCTION}:live", Pattern.REQUEST_RESPONSE, "lambda", "Invoke"),
    ],
)
def test_what_a_resource_calls(resource: str, pattern: Pattern, service: str, operation: str) -> None:
    found = integration_of(resource)

    assert (found.pattern, found.service, found.operation) == (pattern, service, operation)


@pytest.mark.parametrize(
    ("resource", "is_known"),
    [
        ("arn:aws:states:::lambda:invoke.sync", False),
        ("arn:aws:states:::aws-sdk:s3:getObject.sync", False),
        ("lambda", False),
        ("arn:aws:states:::ecs:runTask.sync", True),
        ("arn:aws:states:::states:startExecution.sync:2", True),
        ("arn:aws:states:::aws-sdk:s3:restoreObject", True),
    ],
)
def test_a_resource_that_cannot_be_called_is_refused(resource: str, *, is_known: bool) -> None:
    with pytest.raises(ResourceRefused) as refused:
        integration_of(resource)

    assert refused.value.is_known_to_aws is is_known


def sdk(name: str) -> Integration:
    return integration_of(f"arn:aws:states:::aws-sdk:{name}")


def test_names_are_capitalized_whatever_the_api_writes() -> None:
    put = sdk("cloudwatchlogs:putLogEvents")
    arguments = {"LogGroupName": "g", "LogStreamName": "s", "LogEvents": [{"Timestamp": 1, "Message": "m"}]}

    assert argument_problems(put, arguments) == []
    assert call_arguments(put, arguments) == {
        "logGroupName": "g",
        "logStreamName": "s",
        "logEvents": [{"timestamp": 1, "message": "m"}],
    }
    assert argument_problems(put, {"logGroupName": "g"})[0] == (
        'The field "logGroupName" is not supported by Step Functions'
    )


def test_a_document_stands_where_the_api_takes_its_text() -> None:
    publish = integration_of("arn:aws:states:::sns:publish")
    put = integration_of("arn:aws:states:::events:putEvents")

    assert call_arguments(publish, {"TopicArn": "t", "Message": {"a": 1}}) == {"TopicArn": "t", "Message": '{"a":1}'}
    assert call_arguments(put, {"Entries": [{"Detail": {"a": [1]}}]}) == {"Entries": [{"Detail": '{"a":[1]}'}]}
    assert argument_problems(sdk("sns:publish"), {"TopicArn": "t", "Message": {"a": 1}}) == [
        'The value of the field "Message" should be of the type string'
    ]


def test_times_are_numbers_in_optimized_results_and_texts_in_those_of_the_sdk() -> None:
    response = {"TrainingJobName": "n", "CreationTime": WHEN, "ResponseMetadata": {"HTTPStatusCode": 200}}
    job = integration_of("arn:aws:states:::sagemaker:createTrainingJob.sync")

    assert result_of(job, response, operation="DescribeTrainingJob")["CreationTime"] == WHEN.timestamp() * 1000
    assert result_of(sdk("sagemaker:describeTrainingJob"), response) == {
        "TrainingJobName": "n",
        "CreationTime": "2026-01-01T12:00:00.000Z",
    }


def test_a_map_keeps_its_keys_and_a_stream_is_read() -> None:
    response = {"Metadata": {"own": "x"}, "Body": io.BytesIO(b"text")}

    assert result_of(sdk("s3:getObject"), response) == {"Metadata": {"own": "x"}, "Body": "text"}


@pytest.mark.parametrize(
    ("resource", "code", "name"),
    [
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", "ResourceInUse", "SageMaker.ResourceInUseException"),
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", "Throttled", "SageMaker.AmazonSageMakerException"),
        ("arn:aws:states:::sns:publish", "NotFound", "SNS.NotFoundException"),
        ("arn:aws:states:::aws-sdk:ssm:getParameter", "ParameterNotFound", "Ssm.ParameterNotFoundException"),
        ("arn:aws:states:::aws-sdk:s3:getObject", "NoSuchKey", "S3.NoSuchKeyException"),
        ("arn:aws:states:::aws-sdk:s3:getObject", "Weird", "S3.S3Exception"),
    ],
)
def test_an_error_is_called_by_the_sdks_exception(resource: str, code: str, name: str) -> None:
    with pytest.raises(StateFailed) as failure:
        called(calls(Client(error(code))), resource, {})

    assert failure.value.error == name
    assert str(failure.value.cause).startswith("no (Service: ")


def test_a_service_that_does_not_answer_is_an_error_of_the_client() -> None:
    with pytest.raises(StateFailed) as failure:
        called(calls(Client(EndpointConnectionError(endpoint_url="x"))), "arn:aws:states:::sns:publish", {})

    assert failure.value.error == "SNS.SdkClientException"


def test_an_event_that_is_not_taken_fails_the_task() -> None:
    client = Client({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InvalidArgument"}]})

    with pytest.raises(StateFailed) as failure:
        called(calls(client), "arn:aws:states:::events:putEvents", {"Entries": []})

    assert failure.value.error == "EventBridge.FailedEntry"
    assert json.loads(str(failure.value.cause))["Entries"] == [{"ErrorCode": "InvalidArgument"}]


def test_a_function_is_invoked_with_its_payload_and_its_answer_is_read() -> None:
    functions = Lambda(Invocation(b'{"b": 2}', 200))
    arguments = {"FunctionName": "f", "Payload": {"a": 1}, "Qualifier": "live"}

    found = called(calls(functions=functions), "arn:aws:states:::lambda:invoke", arguments)

    assert functions.got == [("f", {"a": 1}, "live", InvocationType.REQUEST_RESPONSE)]
    assert (found["Payload"], found["StatusCode"], found["ExecutedVersion"]) == ({"b": 2}, 200, "$LATEST")


@pytest.mark.parametrize(
    ("answer", "name", "cause"),
    [
        (
            Invocation(b'{"errorType": "EndpointBusy", "errorMessage": "x"}', 200, "Unhandled"),
            "EndpointBusy",
            '{"errorType": "EndpointBusy", "errorMessage": "x"}',
        ),
        (
            Invocation(b'{"errorMessage": "x"}', 200, "Unhandled"),
            "Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. Returned payload: "
            '{"errorMessage": "x"}',
        ),
        (FunctionNotFound("f"), "Lambda.ResourceNotFoundException", None),
        (TooManyRequests(), "Lambda.TooManyRequestsException", None),
    ],
)
def test_a_function_that_fails_fails_the_task_by_its_errors_name(answer: Any, name: str, cause: str | None) -> None:
    with pytest.raises(StateFailed) as failure:
        called(calls(functions=Lambda(answer)), "arn:aws:states:::lambda:invoke", {"FunctionName": "f"})

    assert failure.value.error == name
    assert cause is None or failure.value.cause == cause


def test_a_role_that_may_not_invoke_the_function_is_refused() -> None:
    functions = Lambda(Invocation(b"{}", 200))

    with pytest.raises(StateFailed) as failure:
        called(calls(functions=functions, denied="not authorized:"), FUNCTION, {})

    assert (failure.value.error, functions.got) == ("Lambda.AWSLambdaException", [])
    assert str(failure.value.cause).startswith(f"not authorized: {FUNCTION}")


def test_a_roles_credentials_are_renewed_before_they_expire() -> None:
    clock, made = ManualClock(), list[Mapping[str, str]]()

    def clients_of(role: str, session: str) -> Any:
        made.append({"role": role, "session": session})
        return lambda _service: Client({})

    calling = CloudCalls(
        functions=Lambda(None),
        clients_of=clients_of,
        may=lambda *_asked: None,
        function_arn=str,
        clock=clock,
    )

    async def story() -> None:
        for hours in (0, 5, 2):
            clock.advance(timedelta(hours=hours).total_seconds())
            await calling.call(Actor(ROLE, "a run/1"), integration_of("arn:aws:states:::sns:publish"), {})
        calling.close()

    asyncio.run(story())

    assert made == [{"role": ROLE, "session": "a-run-1"}] * 2
