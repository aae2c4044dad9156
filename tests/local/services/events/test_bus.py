"""Rules, their targets and their schedules, with doubles for whoever is reached and a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from local.clock import CloudClock, ManualClock
from local.documents import InMemoryDocuments
from local.services.events.bus import EventBus, Place, Rule
from local.services.events.event import Event
from local.services.events.schedules import Schedules
from local.services.events.targets import Judge, Targets
from local.services.lambda_function import FunctionNotFound, Invocation, InvocationType
from local.timers import Timers

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
WHOLE_MINUTE = START.replace(second=0)
WHERE = "us-east-1:123456789012"
FUNCTION = f"arn:aws:lambda:{WHERE}:function:monitor"
TOPIC = f"arn:aws:sns:{WHERE}:alarms"
QUEUE = f"arn:aws:sqs:{WHERE}:dead"
RULE = f"arn:aws:events:{WHERE}:rule/nightly"


def rule(*targets: Mapping[str, Any], schedule: str | None = None, fits: bool = True) -> Rule:
    return Rule(
        name="nightly",
        arn=RULE,
        bus="default",
        enabled=True,
        schedule=schedule,
        targets=targets,
        matches=lambda _document: fits,
    )


@dataclass
class World:
    """An account whose rules the test sets; whoever is reached writes down what it got."""

    rules: list[Rule] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    fails: int = 0
    failure: str = "Throttling"
    invoked: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    sent_at: list[datetime] = field(default_factory=list)
    logged: list[tuple[str, str]] = field(default_factory=list)
    documents: InMemoryDocuments = field(default_factory=InMemoryDocuments)
    key: str | None = None

    def __post_init__(self) -> None:
        self.clock = CloudClock(machine=ManualClock(START))
        self.timers = Timers(self.clock)
        self.bus = EventBus(
            rules=lambda: self.rules, clock=self.clock, timers=self.timers, place=Place("123456789012", "us-east-1")
        )
        self.bus.targets = Targets(
            functions=self,
            client=lambda _service: self,
            log=self.log,
            judge=Judge(
                may_call=self.may_call,
                role_may=lambda _role, action, _arn: "no" if action in self.denied else None,
                topic_key=lambda _arn: self.key,
                queue_key=lambda _arn: None,
            ),
            endpoint_url="http://cloud",
        )

    def schedules(self) -> Schedules:
        return Schedules(
            rules=lambda: self.rules,
            bus=self.bus,
            timers=self.timers,
            now=self.clock.now,
            documents=self.documents,
        )

    def may_call(self, service: str, action: str, resource: str, *, source_arn: str) -> bool:
        assert (service, source_arn) == ("events.amazonaws.com", RULE)
        return action not in self.denied and resource not in self.denied

    async def invoke(self, function_name: str, payload: bytes, *, invocation_type: InvocationType) -> Invocation:
        assert invocation_type is InvocationType.EVENT
        if function_name.endswith("gone"):
            raise FunctionNotFound(function_name)
        self.invoked.append((self.clock.now(), json.loads(payload)))
        return Invocation(b"", 202)

    def publish(self, **message: Any) -> None:
        self._fail()
        self.sent.append(message)
        self.sent_at.append(self.clock.now())

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)

    def _fail(self) -> None:
        if self.fails > 0:
            self.fails -= 1
            raise ClientError({"Error": {"Code": self.failure, "Message": "no"}}, "Publish")

    def log(self, group: str, _stream: str, lines: Sequence[str]) -> None:
        self.logged += [(group, line) for line in lines]

    def happen(self, *events: Event, wait: timedelta = timedelta(seconds=1)) -> None:
        async def run() -> None:
            for event in events:
                self.bus.put_event(event)
            await self.timers.advance_to(self.clock.now() + wait)

        asyncio.run(run())


def state_change(status: str = "IN_SERVICE") -> Event:
    return Event(
        source="aws.sagemaker",
        detail_type="SageMaker Endpoint State Change",
        detail={"EndpointStatus": status},
        time=START,
        resources=("arn:endpoint",),
        id="an-id",
    )


def test_an_event_reaches_a_function_whole() -> None:
    world = World([rule({"Id": "1", "Arn": FUNCTION})])

    world.happen(state_change())

    assert [event for _at, event in world.invoked] == [
        {
            "version": "0",
            "id": "an-id",
            "detail-type": "SageMaker Endpoint State Change",
            "source": "aws.sagemaker",
            "account": "123456789012",
            "time": "2026-01-01T12:00:30Z",
            "region": "us-east-1",
            "resources": ["arn:endpoint"],
            "detail": {"EndpointStatus": "IN_SERVICE"},
        }
    ]


def test_a_rule_that_does_not_fit_or_is_disabled_reaches_nobody() -> None:
    target = {"Id": "1", "Arn": FUNCTION}
    world = World([rule(target, fits=False), replace(rule(target), enabled=False), replace(rule(target), bus="other")])

    world.happen(state_change())

    assert world.invoked == []


def test_each_target_gets_its_own_input() -> None:
    world = World(
        [
            rule(
                {"Id": "1", "Arn": TOPIC, "InputPath": "$.detail.EndpointStatus"},
                {"Id": "2", "Arn": QUEUE, "Input": '{"constant": true}', "SqsParameters": {"MessageGroupId": "g"}},
                {"Id": "3", "Arn": f"arn:aws:logs:{WHERE}:log-group:/aws/events/all", "InputPath": "$.source"},
            )
        ]
    )

    world.happen(state_change())

    assert sorted(world.sent, key=str) == [
        {"QueueUrl": "http://cloud/123456789012/dead", "MessageBody": '{"constant": true}', "MessageGroupId": "g"},
        {"TopicArn": TOPIC, "Message": '"IN_SERVICE"'},
    ]
    assert world.logged == [("/aws/events/all", '"aws.sagemaker"')]


def test_a_function_whose_policy_does_not_let_the_rule_in_is_a_dead_letter_at_once() -> None:
    world = World([rule({"Id": "1", "Arn": FUNCTION, "DeadLetterConfig": {"Arn": QUEUE}})])
    world.denied.add("lambda:InvokeFunction")

    world.happen(state_change())

    (letter,) = world.sent
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert world.invoked == []
    assert json.loads(letter["MessageBody"])["id"] == "an-id"
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert attributes["RULE_ARN"] == RULE
    assert attributes["TARGET_ARN"] == FUNCTION
    assert attributes["RETRY_ATTEMPTS"] == "0"


def test_a_topic_under_a_key_that_does_not_let_the_rule_in_gets_nothing() -> None:
    world = World([rule({"Id": "1", "Arn": TOPIC})], key="arn:key")
    world.denied.add("kms:GenerateDataKey")

    world.happen(state_change())

    assert world.sent == []


def test_a_delivery_that_fails_is_tried_again_after_growing_pauses() -> None:
    world = World([rule({"Id": "1", "Arn": TOPIC})], fails=3)

    world.happen(state_change(), wait=timedelta(minutes=1))

    assert world.sent_at == [START + timedelta(seconds=1 + 2 + 4)]


def test_a_target_says_how_often_it_is_tried() -> None:
    target = {"Id": "1", "Arn": TOPIC, "RetryPolicy": {"MaximumRetryAttempts": 1}, "DeadLetterConfig": {"Arn": QUEUE}}
    world = World([rule(target)], fails=10)

    world.happen(state_change(), wait=timedelta(hours=25))

    (letter,) = world.sent
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert world.fails == 8
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "1"


def test_an_event_is_given_up_after_a_day() -> None:
    world = World([rule({"Id": "1", "Arn": TOPIC, "DeadLetterConfig": {"Arn": QUEUE}})], fails=10_000)

    world.happen(state_change(), wait=timedelta(hours=26))

    (letter,) = world.sent
    assert letter["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"


def test_a_function_that_is_gone_is_not_tried_again() -> None:
    world = World([rule({"Id": "1", "Arn": f"{FUNCTION}-gone", "DeadLetterConfig": {"Arn": QUEUE}})])

    world.happen(state_change())

    assert world.sent[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ResourceNotFoundException"


def test_another_bus_gets_the_event_in_the_name_of_the_targets_role() -> None:
    bus = f"arn:aws:events:{WHERE}:event-bus/audit"
    audit = replace(rule({"Id": "1", "Arn": FUNCTION}), bus="audit")
    world = World([rule({"Id": "1", "Arn": bus, "RoleArn": "arn:role"}), audit])

    world.happen(state_change())
    world.denied.add("events:PutEvents")
    world.happen(state_change())

    assert [event["id"] for _at, event in world.invoked] == ["an-id"]


def run_schedule(world: World, *, until: datetime) -> None:
    async def run() -> None:
        world.schedules().refresh()
        await world.timers.advance_to(until)

    asyncio.run(run())


def test_a_schedule_fires_once_for_each_of_its_moments_with_awss_event() -> None:
    world = World([rule({"Id": "1", "Arn": FUNCTION}, schedule="cron(0 * * * ? *)", fits=False)])

    run_schedule(world, until=START + timedelta(hours=3))

    times = [at for at, _event in world.invoked]
    assert times == [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (13, 14, 15)]
    event = world.invoked[0][1]
    assert {name: event[name] for name in event if name != "id"} == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T13:00:00Z",
        "region": "us-east-1",
        "resources": [RULE],
        "detail": {},
    }
    assert len({event["id"] for _at, event in world.invoked}) == 3


def test_a_rate_goes_on_where_it_was_after_a_restart_and_makes_nothing_up() -> None:
    world = World([rule({"Id": "1", "Arn": FUNCTION}, schedule="rate(1 hour)")])
    run_schedule(world, until=START + timedelta(minutes=90))

    later = World(world.rules, documents=world.documents)
    asyncio.run(later.timers.advance_to(START + timedelta(hours=10, minutes=30)))
    run_schedule(later, until=START + timedelta(hours=11, minutes=30))

    assert [at for at, _event in world.invoked] == [WHOLE_MINUTE + timedelta(hours=1)]
    assert [at for at, _event in later.invoked] == [WHOLE_MINUTE + timedelta(hours=11)]


def test_a_schedule_that_is_changed_disabled_or_deleted_fires_no_more() -> None:
    world = World([rule({"Id": "1", "Arn": FUNCTION}, schedule="rate(1 hour)")])

    async def run() -> None:
        schedules = world.schedules()
        schedules.refresh()
        world.rules[0] = replace(world.rules[0], enabled=False)
        schedules.refresh()
        await world.timers.advance_to(START + timedelta(hours=5))
        world.rules[0] = replace(world.rules[0], enabled=True, schedule="rate(2 hours)")
        schedules.refresh()
        await world.timers.advance_to(START + timedelta(hours=8))
        world.rules.clear()
        schedules.refresh()
        await world.timers.advance_to(START + timedelta(hours=20))

    asyncio.run(run())

    assert [at for at, _event in world.invoked] == [WHOLE_MINUTE + timedelta(hours=7)]


def test_a_schedule_reaches_the_targets_that_its_rule_has_by_then() -> None:
    world = World([rule(schedule="rate(1 hour)")])

    async def run() -> None:
        world.schedules().refresh()
        world.rules[0] = rule({"Id": "late", "Arn": FUNCTION}, schedule="rate(1 hour)")
        await world.timers.advance_to(START + timedelta(hours=1))

    asyncio.run(run())

    assert len(world.invoked) == 1
