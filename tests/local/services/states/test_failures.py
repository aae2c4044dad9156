"""When a state is tried again, after which pauses, and what catches its failure: by the Amazon States Language."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.services.states.definition import Retrier
from local.services.states.execution import Execution, Status
from local.services.states.failures import StateFailed
from tests.local.services.states.given import START, Calls, World, invoke, machine, output_of, payload

BUSY = StateFailed("EndpointBusy", '{"errorMessage": "busy"}')


def ran(task: dict[str, Any], answers: list[Any], *, hours: float = 10) -> tuple[World, Execution]:
    world = World(calls=Calls({"f": answers}))
    states = {"T": task, "Caught": {"Type": "Succeed"}}
    execution = asyncio.run(world.run(machine(_used(states)), {"a": 1}, hours=hours))
    return world, execution


def _used(states: dict[str, Any]) -> dict[str, Any]:
    """Without the state that a catcher would go to, where there is none."""
    return states if "Catch" in states["T"] else {"T": states["T"]}


def seconds_of(execution: Execution) -> float:
    assert execution.stopped is not None
    return (datetime.fromisoformat(execution.stopped) - START).total_seconds()


def test_a_retrier_pauses_longer_each_time_up_to_its_limit() -> None:
    retry = {"ErrorEquals": ["EndpointBusy"], "IntervalSeconds": 10, "BackoffRate": 3.0, "MaxAttempts": 4}

    world, execution = ran(
        invoke(Retry=[{**retry, "MaxDelaySeconds": 50}]), [BUSY, BUSY, BUSY, BUSY, payload({"done": True})]
    )

    assert output_of(execution) == {"done": True}
    assert world.calls.names() == ["f"] * 5
    assert seconds_of(execution) == 10 + 30 + 50 + 50


def test_the_defaults_are_three_attempts_more_after_1_2_and_4_seconds() -> None:
    world, execution = ran(invoke(Retry=[{"ErrorEquals": ["States.ALL"]}]), [BUSY])

    assert (execution.status, execution.error) == (Status.FAILED, "EndpointBusy")
    assert world.calls.names() == ["f"] * 4
    assert seconds_of(execution) == 1 + 2 + 4


def test_each_retrier_counts_its_own_attempts() -> None:
    retry = [
        {"ErrorEquals": ["EndpointBusy"], "IntervalSeconds": 5, "MaxAttempts": 1},
        {"ErrorEquals": ["Other"], "IntervalSeconds": 7, "MaxAttempts": 1},
    ]

    _world, execution = ran(invoke(Retry=retry), [BUSY, StateFailed("Other", "x"), payload(3)])

    assert output_of(execution) == 3
    assert seconds_of(execution) == 5 + 7


def test_the_retry_count_stands_in_the_context() -> None:
    arguments = {"FunctionName": "f", "Payload": "{% $states.context.State.RetryCount %}"}
    task = {**invoke(Retry=[{"ErrorEquals": ["States.ALL"]}]), "Arguments": arguments}

    world, _execution = ran(task, [BUSY, BUSY, payload(None)])

    assert [made["Payload"] for _name, made in world.calls.made] == [0, 1, 2]


def test_a_catcher_gets_what_failed_once_no_retrier_helps() -> None:
    catch = [
        {"ErrorEquals": ["Other"], "Next": "Caught"},
        {
            "ErrorEquals": ["EndpointBusy"],
            "Assign": {"error": "{% $states.errorOutput.Error %}"},
            "Output": {"why": "{% $parse($states.errorOutput.Cause).errorMessage %}", "in": "{% $states.input %}"},
            "Next": "Caught",
        },
    ]

    _world, execution = ran(invoke(Catch=catch, Retry=[{"ErrorEquals": ["EndpointBusy"], "MaxAttempts": 0}]), [BUSY])

    assert output_of(execution) == {"why": "busy", "in": {"a": 1}}


def test_a_catcher_without_an_output_hands_on_error_and_cause() -> None:
    _world, execution = ran(invoke(Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]), [BUSY])

    assert output_of(execution) == {"Error": "EndpointBusy", "Cause": '{"errorMessage": "busy"}'}


@pytest.mark.parametrize(
    ("error", "names", "is_caught"),
    [
        ("Own", ("Own",), True),
        ("Own", ("Other",), False),
        ("Own", ("States.ALL",), True),
        ("Own", ("States.TaskFailed",), True),
        ("States.Timeout", ("States.TaskFailed",), False),
        ("States.Timeout", ("States.Timeout",), True),
        ("States.Timeout", ("States.ALL",), True),
        ("States.QueryEvaluationError", ("States.TaskFailed",), True),
        ("States.Runtime", ("States.ALL",), False),
        ("States.Runtime", ("States.Runtime",), False),
        ("States.DataLimitExceeded", ("States.ALL",), False),
        ("States.DataLimitExceeded", ("States.TaskFailed",), False),
        ("States.DataLimitExceeded", ("States.DataLimitExceeded",), True),
    ],
)
def test_which_names_are_for_which_errors(error: str, names: tuple[str, ...], *, is_caught: bool) -> None:
    assert StateFailed(error, None).is_named(names) is is_caught


def test_a_missed_heartbeat_is_known_by_both_names() -> None:
    late = StateFailed("States.Timeout", None, also="States.HeartbeatTimeout")

    assert late.is_named(("States.HeartbeatTimeout",))
    assert late.is_named(("States.Timeout",))


def test_an_output_that_cannot_be_made_is_tried_again_and_caught() -> None:
    task = invoke(
        Output="{% $states.result.Payload.absent %}",
        Retry=[{"ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1}],
        Catch=[{"ErrorEquals": ["States.QueryEvaluationError"], "Output": "caught", "Next": "Caught"}],
    )

    world, execution = ran(task, [payload({})])

    assert output_of(execution) == "caught"
    assert world.calls.names() == ["f", "f"]


def test_arguments_that_the_call_does_not_take_fail_for_good() -> None:
    arguments = {"FunctionName": "f", "Payload": {}, "InvocationType": "{% 5 %}"}
    task = {**invoke(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]), "Arguments": arguments}

    world, execution = ran(task, [payload(1)])

    assert (execution.error, world.calls.made) == ("States.Runtime", [])
    assert '[The value of the field "InvocationType" should be of the type string]' in str(execution.cause)


def test_a_parallel_state_is_tried_again_as_a_whole() -> None:
    branch = {"StartAt": "B", "States": {"B": invoke()}}
    states = {
        "P": {
            "Type": "Parallel",
            "Branches": [branch],
            "Retry": [{"ErrorEquals": ["EndpointBusy"], "IntervalSeconds": 60}],
            "End": True,
        }
    }
    world = World(calls=Calls({"f": [BUSY, payload("ok")]}))

    execution = asyncio.run(world.run(machine(states)))

    assert output_of(execution) == ["ok"]
    assert seconds_of(execution) == 60


@given(
    interval=st.integers(1, 1000),
    rate=st.floats(1.0, 5.0),
    limit=st.none() | st.integers(1, 10_000),
    attempts=st.integers(0, 50),
)
@settings(max_examples=100, deadline=None)
def test_a_pause_never_shrinks_and_never_exceeds_its_limit(
    interval: int, rate: float, limit: int | None, attempts: int
) -> None:
    retrier = Retrier(names=("a",), interval_seconds=interval, backoff_rate=rate, longest_seconds=limit)

    pause, following = retrier.pause_seconds(attempts), retrier.pause_seconds(attempts + 1)

    assert pause <= following
    assert limit is None or following <= limit


def test_full_jitter_draws_between_nothing_and_the_pause() -> None:
    task = invoke(
        Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "MaxAttempts": 1, "JitterStrategy": "FULL"}]
    )

    _world, execution = ran(task, [BUSY, payload(1)])

    assert 0 <= seconds_of(execution) < 100
    assert timedelta(seconds=seconds_of(execution)) != timedelta(seconds=100)
