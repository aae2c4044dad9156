"""Step Functions of a whole local cloud, called by boto3: real functions, rules, permissions, restarts."""

from __future__ import annotations

import asyncio
import io
import json
import time
import urllib.request
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clock import SystemClock
from local.cloud import LocalCloud, local_cloud
from local.ports import Ports
from tests.local.checkout import free_port
from tests.local.services.states.given import machine

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

REGION, ACCOUNT = "us-east-1", "123456789012"
CODE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    if event.get("token"):
        print("token", event["token"])
    return {"got": event}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[LocalCloud]:
    ports = Ports(https=free_port(), cloud=free_port(), console=free_port())
    async with local_cloud(
        state=folder / "cloud", assembly=folder / "cdk.out", clock=SystemClock(), ports=ports
    ) as cloud:
        yield cloud


def advance(cloud: LocalCloud, **by: float) -> None:
    address = f"{cloud.aws_endpoint_url}/_flyball/clock"
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
        now = datetime.fromisoformat(json.loads(answer.read())["now"])
    request = urllib.request.Request(  # noqa: S310 - the cloud's own address
        address,
        data=json.dumps({"advance_to": (now + timedelta(**by)).isoformat()}).encode(),
        headers={"content-type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=120).close()  # noqa: S310


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


def make_role(cloud: LocalCloud, name: str, service: str, *allowed: dict[str, Any]) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = cloud.clients("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in allowed]}
    if allowed:
        cloud.clients("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return str(role["Arn"])


def make_function(cloud: LocalCloud, name: str) -> str:
    role = make_role(cloud, f"{name}-role", "lambda.amazonaws.com", {"Action": "logs:*", "Resource": "*"})
    answer = cloud.clients("lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": zipped(CODE)},
        Timeout=20,
    )
    return str(answer["FunctionArn"])


def make_machine(cloud: LocalCloud, definition: dict[str, Any], *allowed: dict[str, Any], name: str = "loop") -> str:
    role = make_role(cloud, f"{name}-states", "states.amazonaws.com", *allowed)
    answer = cloud.clients("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role
    )
    return str(answer["stateMachineArn"])


def finished(cloud: LocalCloud, arn: str, *, seconds: float = 30) -> dict[str, Any]:
    """An execution's description once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found: dict[str, Any] = cloud.clients("stepfunctions").describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.05)
    raise AssertionError(cloud.clients("stepfunctions").get_execution_history(executionArn=arn)["events"])


def task(function: str, payload: Any, **more: Any) -> dict[str, Any]:
    arguments = {"FunctionName": function, "Payload": payload}
    following = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, **following, **more}


async def test_functions_and_other_services_are_called_in_the_roles_name(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> dict[str, Any]:
        function = make_function(cloud, "worker")
        topic = cloud.clients("sns").create_topic(Name="states-news")["TopicArn"]
        queue = cloud.clients("sqs").create_queue(QueueName="states-inbox")["QueueUrl"]
        cloud.clients("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:states-inbox"
        )
        put = {"Name": "/kept", "Value": "{% $x %}", "Type": "String"}
        entries = [{"Source": "own", "DetailType": "Done", "Detail": {"x": "{% $x %}"}}]
        catch = [{"ErrorEquals": ["States.TaskFailed"], "Output": "{% $states.errorOutput %}", "Next": "Denied"}]
        states = {
            "Work": task(
                "worker", {"a": "{% $states.input.a %}"}, Assign={"x": "{% $states.result.Payload.got.a %}"}, Next="Put"
            ),
            "Put": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:ssm:putParameter",
                "Arguments": put,
                "Next": "Get",
            },
            "Get": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:ssm:getParameter",
                "Arguments": {"Name": "/kept"},
                "Assign": {"kept": "{% $states.result.Parameter.Value %}"},
                "Next": "Publish",
            },
            "Publish": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sns:publish",
                "Arguments": {"TopicArn": topic, "Message": {"x": "{% $x %}"}},
                "Next": "Events",
            },
            "Events": {
                "Type": "Task",
                "Resource": "arn:aws:states:::events:putEvents",
                "Arguments": {"Entries": entries},
                "Next": "Fails",
            },
            "Fails": task(
                "worker",
                {"fail": True},
                Catch=[{"ErrorEquals": ["ValueError"], "Output": {}, "Next": "Deny"}],
                Next="Deny",
            ),
            "Deny": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
                "Arguments": {},
                "Catch": catch,
                "End": True,
            },
            "Denied": {
                "Type": "Succeed",
                "Output": {"kept": "{% $kept %}", "error": "{% $states.input.Error %}"},
            },
        }
        arn = make_machine(
            cloud,
            machine(states),
            {"Action": "lambda:InvokeFunction", "Resource": function},
            {"Action": ["ssm:PutParameter", "ssm:GetParameter"], "Resource": "*"},
            {"Action": "sns:Publish", "Resource": topic},
            {"Action": "events:PutEvents", "Resource": "*"},
        )
        started = cloud.clients("stepfunctions").start_execution(stateMachineArn=arn, input='{"a": "one"}')
        found = finished(cloud, started["executionArn"])
        assert found.get("cause") is None
        messages = cloud.clients("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"]
        events = cloud.clients("stepfunctions").get_execution_history(executionArn=started["executionArn"])["events"]
        return {"found": found, "message": json.loads(json.loads(messages[0]["Body"])["Message"]), "events": events}

    async with running(tmp_path) as cloud:
        seen = await asyncio.to_thread(story, cloud)

    assert seen["found"]["status"] == "SUCCEEDED", seen["found"]
    output = json.loads(seen["found"]["output"])
    assert (output["kept"], output["error"].partition(".")[0]) == ("one", "S3")
    assert seen["message"] == {"x": "one"}
    assert [event["type"] for event in seen["events"]][:6] == [
        *("ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"),
    ]


async def test_a_rule_starts_executions_and_hears_of_their_end(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> tuple[list[Any], list[Any], str, list[Any]]:
        states = {"Wait": {"Type": "Wait", "Seconds": 60, "Next": "End"}, "End": {"Type": "Succeed"}}
        arn = make_machine(cloud, machine(states), name="hourly")
        role = make_role(cloud, "starter", "events.amazonaws.com", {"Action": "states:StartExecution", "Resource": arn})
        events, logs = cloud.clients("events"), cloud.clients("logs")
        logs.create_log_group(logGroupName="/aws/events/ends")
        pattern = {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"]}}
        events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
        events.put_targets(
            Rule="ends", Targets=[{"Id": "1", "Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/ends"}]
        )
        events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
        target = {"Id": "1", "Arn": arn, "RoleArn": role, "Input": '{"trigger": {"kind": "look"}}'}
        events.put_targets(Rule="hourly", Targets=[target])
        advance(cloud, hours=2, minutes=5)
        found = cloud.clients("stepfunctions").list_executions(stateMachineArn=arn)["executions"]
        lines = logs.filter_log_events(logGroupName="/aws/events/ends")["events"]
        metrics = cloud.clients("cloudwatch").list_metrics(Namespace="AWS/States")["Metrics"]
        return found, [json.loads(line["message"]) for line in lines], arn, metrics

    async with running(tmp_path) as cloud:
        found, told, arn, metrics = await asyncio.to_thread(story, cloud)

    assert [execution["status"] for execution in found] == ["SUCCEEDED", "SUCCEEDED"]
    assert [(event["detail-type"], event["detail"]["input"]) for event in told] == [
        ("Step Functions Execution Status Change", '{"trigger": {"kind": "look"}}')
    ] * 2
    assert all(event["detail"]["stopDate"] - event["detail"]["startDate"] == 60_000 for event in told)
    assert all(event["detail"]["stateMachineArn"] == arn for event in told)
    assert {metric["MetricName"] for metric in metrics} == {
        *("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionTime"),
    }


async def test_a_machine_needs_a_role_that_trusts_it_and_may_follow_jobs(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> list[str]:
        stranger = make_role(cloud, "stranger", "lambda.amazonaws.com")
        poor = make_role(cloud, "poor", "states.amazonaws.com")
        job = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Arguments": "{% $states.input %}",
            "End": True,
        }
        wanted = [
            (stranger, machine({"A": {"Type": "Pass", "End": True}})),
            (poor, machine({"A": job})),
            (poor, machine({"A": {"Type": "Pass", "Next": "B"}})),
            (poor, {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
        ]
        answers = []
        for role, definition in wanted:
            with pytest.raises(ClientError) as error:
                cloud.clients("stepfunctions").create_state_machine(
                    name="m", definition=json.dumps(definition), roleArn=role
                )
            answers.append(str(error.value))
        return answers

    async with running(tmp_path) as cloud:
        untrusting, unmanaged, wrong, missing = await asyncio.to_thread(story, cloud)

    assert "Neither the global service principal states.amazonaws.com" in untrusting
    assert "is not authorized to create managed-rule" in unmanaged
    assert "(InvalidDefinition)" in wrong
    assert "Missing 'Next' target: B at /States/A/Next" in wrong
    assert "(NotImplementedByLocalCloud)" in missing
    assert "the local cloud runs the query language JSONata alone at /States/A" in missing


async def test_an_execution_goes_on_in_the_next_cloud_with_its_token(tmp_path: Path) -> None:
    def before(cloud: LocalCloud) -> str:
        function = make_function(cloud, "asker")
        states = {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": {"FunctionName": "asker", "Payload": {"token": "{% $states.context.Task.Token %}"}},
                "Next": "Wait",
            },
            "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Work"},
            "Work": task("asker", "{% $states.input %}", Output="{% $states.result.Payload %}"),
        }
        allowed = {"Action": "lambda:InvokeFunction", "Resource": function}
        arn = make_machine(cloud, machine(states), allowed, name="asking")
        started = cloud.clients("stepfunctions").start_execution(stateMachineArn=arn)
        advance(cloud, days=3)
        return str(started["executionArn"])

    def after(cloud: LocalCloud, arn: str) -> dict[str, Any]:
        lines = cloud.clients("logs").filter_log_events(logGroupName="/aws/lambda/asker")["events"]
        token = next(line["message"].split()[1] for line in lines if line["message"].startswith("token "))
        cloud.clients("stepfunctions").send_task_success(taskToken=token, output='{"approved": true}')
        advance(cloud, minutes=1)
        return finished(cloud, arn)

    async with running(tmp_path) as cloud:
        arn = await asyncio.to_thread(before, cloud)
    async with running(tmp_path) as cloud:
        found = await asyncio.to_thread(after, cloud, arn)

    assert json.loads(found["output"]) == {"got": {"approved": True}}
    assert found["stopDate"] - found["startDate"] > timedelta(days=3)
