"""A whole local cloud, empty, whose time the test moves: what schedules start, what events reach, what is kept."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from local.clock import SystemClock
from local.cloud import LocalCloud, local_cloud
from local.ports import Ports
from tests.local.checkout import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

REGION, ACCOUNT = "us-east-1", "123456789012"
CODE = """
import json
def handler(event, context):
    print(json.dumps(event))
    if event.get("fail"):
        raise ValueError("no")
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


def ask(cloud: LocalCloud, document: dict[str, str] | None = None, *, content_type: str = "application/json") -> Any:
    """The clock's answer; with a document, to an advance."""
    request = urllib.request.Request(  # noqa: S310 - the cloud's own address
        f"{cloud.aws_endpoint_url}/_flyball/clock",
        data=None if document is None else json.dumps(document).encode(),
        headers={"content-type": content_type},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return json.loads(answer.read())


def now_of(cloud: LocalCloud) -> datetime:
    return datetime.fromisoformat(ask(cloud)["now"])


def advance(cloud: LocalCloud, **by: float) -> dict[str, Any]:
    moment = now_of(cloud) + timedelta(**by)
    answer: dict[str, Any] = ask(cloud, {"advance_to": moment.isoformat()})
    return answer


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


def make_function(cloud: LocalCloud, name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = cloud.clients("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    logs = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    cloud.clients("iam").put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=json.dumps(logs))
    arn: str = cloud.clients("lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Role=role["Arn"],
        Handler="app.handler",
        Code={"ZipFile": zipped(CODE)},
        Timeout=20,
    )["FunctionArn"]
    return arn


def let_in(cloud: LocalCloud, name: str, rule_arn: str) -> None:
    cloud.clients("lambda").add_permission(
        FunctionName=name,
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )


def schedule(cloud: LocalCloud, name: str, expression: str, *, target: dict[str, Any]) -> str:
    arn: str = cloud.clients("events").put_rule(Name=name, ScheduleExpression=expression)["RuleArn"]
    cloud.clients("events").put_targets(Rule=name, Targets=[{"Id": "1", **target}])
    return arn


def events_of(cloud: LocalCloud, function: str) -> list[tuple[datetime, dict[str, Any]]]:
    """Each event that a function printed, and when its line says that it was."""
    pages = cloud.clients("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    lines = [(datetime.fromtimestamp(line["timestamp"] / 1000, UTC), line["message"]) for line in pages]
    return [(at, json.loads(text)) for at, text in lines if text.startswith("{") and '"type"' not in text]


async def test_a_month_of_a_schedule_goes_by_in_one_step(tmp_path: Path) -> None:
    def month(cloud: LocalCloud) -> list[tuple[datetime, dict[str, Any]]]:
        arn = make_function(cloud, "nightly")
        rule = schedule(cloud, "nightly", "cron(0 3 * * ? *)", target={"Arn": arn})
        let_in(cloud, "nightly", rule)
        advance(cloud, days=30)
        return events_of(cloud, "nightly")

    async with running(tmp_path) as cloud:
        found = await asyncio.to_thread(month, cloud)

    due = [datetime.fromisoformat(event["time"]) for _at, event in found]
    assert len(due) == 30
    assert {(moment.hour, moment.minute) for moment in due} == {(3, 0)}
    assert [at.replace(microsecond=0) for at, _event in found] == due
    assert {(event["detail-type"], event["source"]) for _at, event in found} == {("Scheduled Event", "aws.events")}


async def test_a_function_that_fails_is_tried_again_on_the_clouds_time(tmp_path: Path) -> None:
    def fail(cloud: LocalCloud) -> list[datetime]:
        arn = make_function(cloud, "broken")
        rule = schedule(cloud, "broken", "rate(1 day)", target={"Arn": arn, "Input": '{"fail": true}'})
        let_in(cloud, "broken", rule)
        advance(cloud, days=1, hours=1)
        return [at for at, _event in events_of(cloud, "broken")]

    async with running(tmp_path) as cloud:
        first, second, third = await asyncio.to_thread(fail, cloud)

    assert round((second - first).total_seconds()) == 60
    assert round((third - second).total_seconds()) == 120


async def test_a_rule_that_the_functions_policy_does_not_know_invokes_nothing(tmp_path: Path) -> None:
    def denied(cloud: LocalCloud) -> list[Any]:
        arn = make_function(cloud, "closed")
        cloud.clients("sqs").create_queue(QueueName="dead")
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
        rule = schedule(cloud, "closed", "rate(1 hour)", target={"Arn": arn, "DeadLetterConfig": {"Arn": queue}})
        url = cloud.clients("sqs").get_queue_url(QueueName="dead")["QueueUrl"]
        policy = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        condition = {"ArnEquals": {"aws:SourceArn": rule}}
        statement = {**policy, "Resource": queue, "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        cloud.clients("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
        advance(cloud, hours=1)
        found: list[Any] = cloud.clients("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        return found

    async with running(tmp_path) as cloud:
        (letter,) = await asyncio.to_thread(denied, cloud)

    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert json.loads(letter["Body"])["source"] == "aws.events"


async def test_put_events_reach_a_function_and_a_topic(tmp_path: Path) -> None:
    def put(cloud: LocalCloud) -> tuple[list[Any], list[Any]]:
        arn = make_function(cloud, "listener")
        topic = cloud.clients("sns").create_topic(Name="news")["TopicArn"]
        queue = cloud.clients("sqs").create_queue(QueueName="inbox")["QueueUrl"]
        cloud.clients("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:inbox")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
        }
        cloud.clients("sns").set_topic_attributes(
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        pattern = {"source": ["shop"], "detail": {"amount": [{"numeric": [">", 100]}]}}
        rule = cloud.clients("events").put_rule(Name="orders", EventPattern=json.dumps(pattern))["RuleArn"]
        let_in(cloud, "listener", rule)
        text = {"InputPathsMap": {"amount": "$.detail.amount"}, "InputTemplate": '"paid: <amount>"'}
        cloud.clients("events").put_targets(
            Rule="orders",
            Targets=[{"Id": "f", "Arn": arn}, {"Id": "t", "Arn": topic, "InputTransformer": text}],
        )
        entries = [
            {"Source": "shop", "DetailType": "Order", "Detail": json.dumps({"amount": amount})} for amount in (99, 101)
        ]
        advance(cloud, days=3)
        cloud.clients("events").put_events(Entries=entries)
        advance(cloud, minutes=1)
        messages = cloud.clients("sqs").receive_message(QueueUrl=queue).get("Messages", [])
        return events_of(cloud, "listener"), [json.loads(message["Body"]) for message in messages]

    async with running(tmp_path) as cloud:
        ((at, event),), (notification,) = await asyncio.to_thread(put, cloud)

    assert event["detail"] == {"amount": 101}
    assert abs(datetime.fromisoformat(event["time"]) - at) < timedelta(minutes=1)
    assert notification["Message"] == '"paid: 101"'
    assert abs(datetime.fromisoformat(notification["Timestamp"]) - at) < timedelta(minutes=1)


async def test_a_target_out_of_reach_and_a_schedule_that_is_none_are_refused(tmp_path: Path) -> None:
    def refused(cloud: LocalCloud) -> tuple[str, str]:
        events = cloud.clients("events")
        events.put_rule(Name="any", ScheduleExpression="rate(1 hour)")
        stream = {
            "Id": "1",
            "Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/loop",
            "RoleArn": "arn:aws:iam::1:role/r",
        }
        return (
            _error(partial(events.put_targets, Rule="any", Targets=[stream])),
            _error(partial(events.put_rule, Name="odd", ScheduleExpression="cron(61 * * * ? *)")),
        )

    async with running(tmp_path) as cloud:
        target, expression = await asyncio.to_thread(refused, cloud)

    assert "(kinesis); the local cloud's rules reach functions (lambda), topics (sns)" in target
    assert "Parameter ScheduleExpression is not valid: found '61'; allowed: 0 to 59, in order" in expression


def _error(call: Any) -> str:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    with pytest.raises(ClientError) as error:
        call()
    return str(error.value)


async def test_a_cloud_that_starts_again_is_as_far_ahead_and_its_credentials_are_good(tmp_path: Path) -> None:
    def ahead(cloud: LocalCloud) -> datetime:
        cloud.clients("s3").create_bucket(Bucket="bucket-of-time")
        advance(cloud, days=20)
        cloud.clients("s3").put_object(Bucket="bucket-of-time", Key="a", Body=b"1")
        return now_of(cloud)

    def later(cloud: LocalCloud) -> tuple[datetime, datetime, str]:
        stored: datetime = cloud.clients("s3").head_object(Bucket="bucket-of-time", Key="a")["LastModified"]
        arn = make_function(cloud, "signs")
        cloud.clients("lambda").invoke(FunctionName=arn)
        return now_of(cloud), stored, arn

    async with running(tmp_path) as cloud:
        before = await asyncio.to_thread(ahead, cloud)
    async with running(tmp_path) as cloud:
        after, stored, _arn = await asyncio.to_thread(later, cloud)

    assert before <= after < before + timedelta(minutes=5)
    assert abs(stored - before) < timedelta(minutes=1)
    assert before - datetime.now(UTC) > timedelta(days=19)


async def test_only_an_advance_in_json_moves_the_clock(tmp_path: Path) -> None:
    def wrong(cloud: LocalCloud) -> list[tuple[int, str]]:
        wanted: list[tuple[dict[str, str], str]] = [
            ({"advance_to": "2026-13-01T00:00:00Z"}, "application/json"),
            ({"advance_to": "2026-01-01T00:00:00"}, "application/json"),
            ({"advance_to": "9999-01-01T00:00:00Z"}, "application/json"),
            ({"advance": "2026-01-01T00:00:00Z"}, "application/json"),
            ({"advance_to": "2999-01-01T00:00:00Z"}, "text/plain"),
        ]
        answers = []
        for document, content_type in wanted:
            with pytest.raises(HTTPError) as error:
                ask(cloud, document, content_type=content_type)
            answers.append((error.value.code, json.loads(error.value.read())["message"]))
        return answers

    async with running(tmp_path) as cloud:
        answers = await asyncio.to_thread(wrong, cloud)
        ahead = (await asyncio.to_thread(ask, cloud))["ahead_seconds"]

    assert [status for status, _message in answers] == [400, 400, 400, 400, 415]
    assert "allowed: at most 400 days in one step" in answers[2][1]
    assert ahead == 0
