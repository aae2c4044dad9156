"""What EventBridge and CloudWatch hear of executions, and what a rule's target starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.events.event import Event
from local.services.events.targets import Judge, TargetFailed, Targets
from local.services.states.announcing import event_teller, metric_teller
from local.services.states.failures import StatesRefused
from tests.local.services.states.given import Calls, World, machine

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:loop"
SLOW = machine({"W": {"Type": "Wait", "Seconds": 60, "Next": "E"}, "E": {"Type": "Succeed"}}, TimeoutSeconds=3600)
FAIL = machine({"F": {"Type": "Fail", "Error": "E", "Cause": "c"}})


def told(definition: dict[str, Any], given: Any = None) -> tuple[list[Event], list[tuple[str, float, str]]]:
    """The events and metrics of an execution."""
    world, events, metrics = World(calls=Calls()), list[Event](), list[tuple[str, float, str]]()

    def put(metric: Metric, samples: Samples, *, unit: str = "None") -> None:
        assert dict(metric.dimensions) == {"StateMachineArn": ARN}
        metrics.append((metric.name, samples.sum, unit))

    world.service.executions.observe(event_teller(events.append, world.clock.now))
    world.service.executions.observe(metric_teller(put))
    asyncio.run(world.run(definition, given))
    return events, metrics


def test_an_execution_tells_of_its_beginning_and_of_its_end() -> None:
    (begun, ended), metrics = told(SLOW, {"a": 1})

    assert (begun.source, begun.detail_type) == ("aws.states", "Step Functions Execution Status Change")
    assert begun.detail["status"] == "RUNNING"
    assert (begun.detail["stopDate"], begun.detail["output"], begun.detail["outputDetails"]) == (None, None, None)
    assert ended.resources == (ended.detail["executionArn"],)
    assert {name: ended.detail[name] for name in ("status", "input", "output", "inputDetails", "outputDetails")} == {
        "status": "SUCCEEDED",
        "input": '{"a": 1}',
        "output": '{"a":1}',
        "inputDetails": {"included": True},
        "outputDetails": {"included": True},
    }
    assert ended.detail["stopDate"] - ended.detail["startDate"] == 60_000
    assert metrics == [
        ("ExecutionsStarted", 1.0, "Count"),
        ("ExecutionsSucceeded", 1.0, "Count"),
        ("ExecutionTime", 60_000.0, "Milliseconds"),
    ]


def test_a_failed_execution_tells_error_and_cause() -> None:
    (_begun, ended), metrics = told(FAIL)

    assert (ended.detail["status"], ended.detail["error"], ended.detail["cause"]) == ("FAILED", "E", "c")
    assert metrics[1][0] == "ExecutionsFailed"


def test_an_execution_that_times_out_has_neither() -> None:
    (_begun, ended), metrics = told({**SLOW, "TimeoutSeconds": 30})

    assert (ended.detail["status"], ended.detail["error"], ended.detail["cause"]) == ("TIMED_OUT", None, None)
    assert metrics[1][0] == "ExecutionsTimedOut"


def test_data_that_is_too_large_for_an_event_is_left_out() -> None:
    (begun, _ended), _metrics = told(SLOW, "x" * 250 * 1024)

    assert (begun.detail["input"], begun.detail["inputDetails"]) == (None, {"included": False})


def targets(world: World, *, denied: str | None = None) -> Targets:
    def log(_group: str, _stream: str, _lines: Sequence[str]) -> None:
        raise AssertionError("nothing is logged")

    return Targets(
        functions=None,  # type: ignore[arg-type]  # no function is reached here
        client=lambda _service: None,
        log=log,
        judge=Judge(
            may_call=lambda *_asked, source_arn: bool(source_arn),
            role_may=lambda role, action, _arn: f"{role} may not {action}" if denied == role else None,
            topic_key=lambda _arn: None,
            queue_key=lambda _arn: None,
        ),
        endpoint_url="http://cloud",
        start_execution=world.service.start_from_rule,
    )


async def deliver(world: World, target: dict[str, Any], text: str, *, denied: str | None = None) -> None:
    await targets(world, denied=denied).deliver(target, text, rule_arn="rule", hand_on=lambda _bus, _event: None)


def test_a_rule_starts_an_execution_in_its_targets_name() -> None:
    world = World()

    async def story() -> list[str]:
        await world.make(SLOW)
        await deliver(world, {"Id": "1", "Arn": ARN, "RoleArn": "starter"}, '{"detail": {}}')
        return [execution.input for execution in world.service.archive.all()]

    assert asyncio.run(story()) == ['{"detail": {}}']


@pytest.mark.parametrize(
    ("target", "text", "code"),
    [
        ({"Arn": ARN, "RoleArn": "starter"}, "{}", "NO_PERMISSIONS"),
        ({"Arn": f"{ARN}2", "RoleArn": "other"}, "{}", "StateMachineDoesNotExist"),
        ({"Arn": ARN, "RoleArn": "other"}, "no json", "InvalidExecutionInput"),
    ],
)
def test_a_start_that_is_refused_is_final(target: dict[str, Any], text: str, code: str) -> None:
    world = World()

    async def story() -> None:
        await world.make(SLOW)
        await deliver(world, target, text, denied="starter")

    with pytest.raises(TargetFailed) as failure:
        asyncio.run(story())

    assert (failure.value.code, failure.value.is_final) == (code, True)


def test_a_cloud_without_machines_starts_none() -> None:
    bare = targets(World())
    without = Targets(
        functions=bare.functions, client=bare.client, log=bare.log, judge=bare.judge, endpoint_url=bare.endpoint_url
    )

    async def story() -> None:
        await without.start_execution(ARN, "{}")

    with pytest.raises(StatesRefused):
        asyncio.run(story())
