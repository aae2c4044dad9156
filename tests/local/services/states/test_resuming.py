"""An execution that a cloud leaves under way goes on in the next one, wherever it was, and ends as it would have."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.services.states.execution import Execution, Stage, Status
from local.services.states.failures import StateFailed
from tests.local.services.states.given import START, Calls, World, invoke, machine, output_of, payload
from tests.local.services.states.test_tasks import described, token_of, train, waiting

AGAIN = [{"ErrorEquals": ["Lambda.Unknown"], "IntervalSeconds": 1, "MaxAttempts": 5}]

LOOP = machine(
    {
        "Admit": invoke("admit", Retry=AGAIN, Next="IsAdmitted", Output={"n": "{% $states.result.Payload.n %}"}),
        "IsAdmitted": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.n > 0 %}", "Next": "Train"}],
            "Default": "Skipped",
        },
        "Skipped": {"Type": "Succeed"},
        "Train": train(Next="Both", Assign={"model": "{% $states.result.ModelArtifacts.S3ModelArtifacts %}"}),
        "Both": {
            "Type": "Parallel",
            "Arguments": {"from": "{% $model %}"},
            "Branches": [
                {
                    "StartAt": "Pause",
                    "States": {
                        "Pause": {"Type": "Wait", "Seconds": 30, "Next": "Look"},
                        "Look": invoke("look", Retry=AGAIN),
                    },
                },
                {"StartAt": "Flaky", "States": {"Flaky": invoke("flaky", Retry=[*AGAIN, {"ErrorEquals": ["Busy"]}])}},
            ],
            "Output": "{% $states.result %}",
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "Items": [1, 2],
            "MaxConcurrency": 1,
            "ItemProcessor": {
                "StartAt": "Double",
                "States": {"Double": {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": True}},
            },
            "Output": {"model": "{% $model %}", "both": "{% $states.input %}", "each": "{% $states.result %}"},
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    }
)


def calls(*, is_resumed: bool = False) -> Calls:
    """What the loop's tasks answer; the one that is busy once is so in the first life alone."""
    job = described("Completed", ModelArtifacts={"S3ModelArtifacts": "s3://b/m"})
    busy = [] if is_resumed else [StateFailed("Busy", "once")]
    return Calls(
        {
            "admit": [payload({"n": 1})],
            "DescribeTrainingJob": [job],
            "look": [lambda arguments: payload({"looked": arguments["Payload"]})],
            "flaky": [*busy, payload("steady")],
        }
    )


EXPECTED = {"model": "s3://b/m", "both": [{"looked": {"from": "s3://b/m"}}, "steady"], "each": [2, 4]}


def the_only(world: World) -> Execution:
    (execution,) = world.service.archive.all()
    return execution


async def go_on(world: World) -> Execution:
    await world.service.resume()
    await world.advance(hours=1)
    return the_only(world)


def test_an_execution_cut_off_after_any_change_ends_as_an_uninterrupted_one() -> None:
    world = World(calls=calls())
    whole = asyncio.run(world.run(LOOP))
    assert output_of(whole) == EXPECTED
    begun = [at for at, each in enumerate(world.snapshots) if each["states/executions"].records]
    assert len(begun) > 15

    for at in begun:
        resumed = world.again(at, calls=calls(is_resumed=True))
        execution = asyncio.run(go_on(resumed))

        assert (execution.status, execution.cause) == (Status.SUCCEEDED, None), at
        assert output_of(execution) == EXPECTED, at


def test_the_history_of_a_resumed_execution_has_no_gap_and_enters_no_state_twice() -> None:
    world = World(calls=calls())
    whole = asyncio.run(world.run(LOOP))
    entered = Counter(kind for kind in asyncio.run(world.types(whole)) if kind.endswith(("Entered", "Exited")))

    for at, snapshot in enumerate(world.snapshots):
        if not snapshot["states/executions"].records:
            continue
        resumed = world.again(at, calls=calls(is_resumed=True))
        execution = asyncio.run(go_on(resumed))
        history = asyncio.run(resumed.history(execution))

        assert [event["id"] for event in history] == list(range(1, len(history) + 1))
        assert all(event["previousEventId"] < event["id"] for event in history)
        assert Counter(e["type"] for e in history if e["type"].endswith(("Entered", "Exited"))) == entered, at


def test_a_call_that_was_cut_off_is_not_made_again_without_a_retrier() -> None:
    world = World(calls=Calls({"f": [payload(1)]}))
    asyncio.run(world.run(machine({"T": invoke()})))
    at = next(at for at in range(len(world.snapshots)) if _stage(world, at) == Stage.CALLING)

    resumed = world.again(at, calls=Calls({"f": [payload(1)]}))
    execution = asyncio.run(go_on(resumed))

    assert (execution.status, execution.error) == (Status.FAILED, "Lambda.Unknown")
    assert resumed.calls.made == []


@pytest.mark.parametrize(("is_there", "made"), [(True, 0), (False, 1)])
def test_a_job_whose_call_was_cut_off_is_found_by_its_name_or_made(*, is_there: bool, made: int) -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("Completed")]}))
    asyncio.run(world.run(machine({"Train": train()})))
    at = next(at for at in range(len(world.snapshots)) if _stage(world, at) == Stage.CALLING)
    looks: list[Any] = [described("InProgress"), described("Completed")]
    missing = [StateFailed("SageMaker.AmazonSageMakerException", "Requested resource not found.")]

    resumed = world.again(at, calls=Calls({"DescribeTrainingJob": looks if is_there else [*missing, *looks]}))
    execution = asyncio.run(go_on(resumed))

    assert execution.status is Status.SUCCEEDED
    assert resumed.calls.names().count("CreateTrainingJob") == made


def test_a_refused_look_for_a_job_is_not_taken_for_its_absence() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("Completed")]}))
    asyncio.run(world.run(machine({"Train": train()})))
    at = next(at for at in range(len(world.snapshots)) if _stage(world, at) == Stage.CALLING)
    refused = StateFailed("SageMaker.AccessDeniedException", "is not authorized to perform")

    resumed = world.again(at, calls=Calls({"DescribeTrainingJob": [refused]}))
    execution = asyncio.run(go_on(resumed))

    assert (execution.status, execution.error) == (Status.FAILED, "SageMaker.AccessDeniedException")
    assert resumed.calls.names().count("CreateTrainingJob") == 0


def test_a_wait_waits_for_the_rest() -> None:
    world = World()
    states = {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}

    async def half() -> None:
        await world.start(machine(states))
        await world.advance(minutes=30)

    asyncio.run(half())
    resumed = world.again(-1, calls=Calls())
    execution = asyncio.run(go_on(resumed))

    assert execution.stopped == (START + timedelta(hours=1)).isoformat()


def test_a_wait_that_was_over_while_the_cloud_was_down_ends_at_once() -> None:
    world = World()
    states = {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}
    later = START + timedelta(days=2)

    asyncio.run(world.run(machine(states), hours=0.1))
    resumed = world.again(-1, calls=Calls(), moment=later)
    execution = asyncio.run(go_on(resumed))

    assert execution.stopped == later.isoformat()


def test_a_machines_timeout_counts_the_time_that_the_cloud_was_down() -> None:
    world = World()
    states = {"W": {"Type": "Wait", "Seconds": 99999, "End": True}}

    asyncio.run(world.run(machine(states, TimeoutSeconds=7200), hours=1))
    resumed = world.again(-1, calls=Calls(), moment=START + timedelta(hours=3))
    execution = asyncio.run(go_on(resumed))

    assert execution.status is Status.TIMED_OUT


def test_a_token_from_before_works_and_one_that_was_answered_before_goes_on() -> None:
    world = World()

    async def hand_out() -> None:
        await world.start(waiting())
        await world.advance(hours=1)

    asyncio.run(hand_out())
    token = token_of(world)

    async def answer(resumed: World, *, is_first: bool) -> Execution:
        if not is_first:
            await resumed.service.resume()
            await resumed.advance(minutes=1)
        assert await resumed.ask("SendTaskSuccess", taskToken=token, output='"yes"') == {}
        return await go_on(resumed)

    for is_first in (True, False):
        execution = asyncio.run(answer(world.again(-1, calls=Calls()), is_first=is_first))
        assert output_of(execution) == "yes"


def test_what_is_cut_off_by_the_clouds_end_is_not_recorded_as_ended() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("InProgress")]}))

    async def closed() -> None:
        await world.start(machine({"Train": train()}))
        await world.working("DescribeTrainingJob")
        await world.service.close()

    asyncio.run(closed())

    assert the_only(world).is_running
    assert "StopTrainingJob" not in world.calls.names()
    assert world.told == [{"status": "RUNNING", "output": None}]


def test_an_end_that_nobody_was_told_of_is_told_by_the_next_cloud() -> None:
    world = World()
    asyncio.run(world.run(machine({"A": {"Type": "Pass", "End": True}})))
    untold = next(
        at
        for at, each in enumerate(world.snapshots)
        for record in each["states/executions"].records.values()
        if record["status"] == "SUCCEEDED" and not record["is_told"]
    )

    resumed = world.again(untold, calls=Calls())
    asyncio.run(resumed.service.resume())
    once_more = resumed.again(-1, calls=Calls())
    asyncio.run(once_more.service.resume())

    assert resumed.told == [{"status": "SUCCEEDED", "output": "{}"}]
    assert once_more.told == []


def test_a_long_history_survives_and_is_whole() -> None:
    states = {
        "Count": {"Type": "Pass", "Assign": {"n": "{% $exists($n) ? $n + 1 : 1 %}"}, "Next": "Enough"},
        "Enough": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $n < 60 %}", "Next": "Count"}],
            "Default": "Done",
        },
        "Done": {"Type": "Succeed"},
    }
    world = World()
    asyncio.run(world.run(machine(states)))

    resumed = world.again(-1, calls=Calls())
    history = asyncio.run(resumed.history(the_only(resumed)))

    assert [event["id"] for event in history] == list(range(1, 2 + 4 * 60 + 2 + 1))
    assert (history[0]["type"], history[-1]["type"]) == ("ExecutionStarted", "ExecutionSucceeded")
    assert len(json.dumps(resumed.documents["states/executions"].records)) < 100_000


def test_executions_are_forgotten_90_days_after_their_end_and_their_revisions_with_them() -> None:
    world = World()
    asyncio.run(world.run(machine({"A": {"Type": "Pass", "End": True}})))
    asyncio.run(world.ask("DeleteStateMachine", stateMachineArn=the_only(world).machine_arn))

    kept = world.again(-1, calls=Calls(), moment=datetime.fromisoformat("2026-03-31T00:00:00+00:00"))
    asyncio.run(kept.service.resume())
    gone = world.again(-1, calls=Calls(), moment=datetime.fromisoformat("2026-04-02T00:00:00+00:00"))
    asyncio.run(gone.service.resume())

    assert len(kept.documents["states/executions"].records) == 1
    assert {name: len(each.records) for name, each in gone.documents.items()} == {
        "states/machines": 0,
        "states/revisions": 0,
        "states/executions": 0,
        "states/history": 0,
    }


def _stage(world: World, at: int) -> str | None:
    """Where the only execution stands in a snapshot."""
    for record in world.snapshots[at]["states/executions"].records.values():
        position = record["position"]
        return None if position is None else str(position["stage"])
    return None
