"""What each type of state does: its output, its variables, what follows, and how it fails."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.services.states.execution import Execution, Status
from tests.local.services.states.given import START, Calls, World, invoke, machine, output_of, payload


def ran(definition: dict[str, Any], given: Any = None, *, calls: Calls | None = None, hours: float = 1) -> Execution:
    return asyncio.run(World(calls=calls or Calls()).run(definition, given, hours=hours))


def test_a_pass_state_hands_its_input_on() -> None:
    execution = ran(machine({"A": {"Type": "Pass", "End": True}}), {"a": 1})

    assert (execution.status, output_of(execution)) == (Status.SUCCEEDED, {"a": 1})


def test_output_and_variables_see_the_variables_from_before() -> None:
    states = {
        "A": {"Type": "Pass", "Assign": {"x": "{% $states.input.a %}"}, "Output": {}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"x": "{% $x + 1 %}"}, "Output": {"before": "{% $x %}"}, "Next": "C"},
        "C": {"Type": "Pass", "Output": {"in": "{% $states.input %}", "x": "{% $x %}"}, "End": True},
    }

    execution = ran(machine(states), {"a": 1})

    assert output_of(execution) == {"in": {"before": 1}, "x": 2}


def test_the_context_says_who_runs_what_since_when() -> None:
    states = {"A": {"Type": "Pass", "Output": "{% $states.context %}", "End": True}}

    context = output_of(ran(machine(states), {"a": 1}))

    assert context["Execution"] == {
        "Id": "arn:aws:states:us-east-1:123456789012:execution:loop:run",
        "Input": {"a": 1},
        "Name": "run",
        "RoleArn": "arn:aws:iam::123456789012:role/loop",
        "StartTime": "2026-01-01T12:00:00.000Z",
        "RedriveCount": 0,
    }
    assert context["State"] == {"EnteredTime": "2026-01-01T12:00:00.000Z", "Name": "A", "RetryCount": 0}
    assert context["StateMachine"] == {
        "Id": "arn:aws:states:us-east-1:123456789012:stateMachine:loop",
        "Name": "loop",
    }


@pytest.mark.parametrize(("size", "expected"), [(1, "small"), (50, "middle"), (500, {"size": 500, "is": "large"})])
def test_a_choice_takes_the_first_rule_that_is_true_and_its_own_output(size: int, expected: Any) -> None:
    states = {
        "C": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.size < 10 %}", "Output": "small", "Next": "End"},
                {"Condition": "{% $states.input.size < 100 %}", "Output": "middle", "Next": "End"},
            ],
            "Default": "End",
            "Output": {"size": "{% $states.input.size %}", "is": "large"},
        },
        "End": {"Type": "Succeed"},
    }

    assert output_of(ran(machine(states), {"size": size})) == expected


def test_a_choice_without_a_rule_that_is_true_fails() -> None:
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "End"}]}

    execution = ran(machine({"C": choice, "End": {"Type": "Succeed"}}))

    assert (execution.status, execution.error) == (Status.FAILED, "States.NoChoiceMatched")


def test_a_condition_that_is_no_boolean_fails_by_name() -> None:
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "End"}], "Default": "End"}

    execution = ran(machine({"C": choice, "End": {"Type": "Succeed"}}))

    assert execution.error == "States.QueryEvaluationError"
    assert execution.cause == (
        "An error occurred while executing the state 'C' (entered at the event id #2). The JSONata expression '1' "
        "specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but "
        "was 'number' for value: 1"
    )


@pytest.mark.parametrize(
    "wait",
    [
        {"Seconds": 7200},
        {"Seconds": "{% $states.input.hours * 3600 %}"},
        {"Timestamp": "2026-01-01T14:00:00Z"},
        {"Timestamp": "{% $states.input.until %}"},
    ],
)
def test_a_wait_ends_at_its_moment_of_the_clouds_time(wait: dict[str, Any]) -> None:
    states = {"W": {"Type": "Wait", **wait, "Next": "E"}, "E": {"Type": "Succeed"}}

    execution = ran(machine(states), {"hours": 2, "until": "2026-01-01T15:00:00+01:00"}, hours=3)

    assert execution.status is Status.SUCCEEDED
    assert execution.stopped is not None
    assert datetime.fromisoformat(execution.stopped) == START + timedelta(hours=2)


def test_a_wait_until_a_moment_that_is_over_is_none() -> None:
    states = {"W": {"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "Next": "E"}, "E": {"Type": "Succeed"}}

    execution = ran(machine(states), hours=0.01)

    assert execution.stopped == START.isoformat()


def test_a_fail_state_names_error_and_cause() -> None:
    states = {"F": {"Type": "Fail", "Error": "Rejected", "Cause": "{% 'because of ' & $states.input.why %}"}}

    execution = ran(machine(states), {"why": "age"})

    assert (execution.status, execution.error, execution.cause) == (Status.FAILED, "Rejected", "because of age")


def test_an_expression_that_gives_nothing_fails_its_field() -> None:
    states = {"A": {"Type": "Pass", "Output": {"b": [1, "{% $states.input.absent %}"]}, "End": True}}

    execution = ran(machine(states))

    assert execution.error == "States.QueryEvaluationError"
    assert str(execution.cause).endswith("specified for the field 'Output/b[1]' returned nothing (undefined).")


def test_parallel_branches_run_side_by_side_and_read_the_variables_around_them() -> None:
    waiting = {
        "W": {"Type": "Wait", "Seconds": 60, "Next": "A"},
        "A": {"Type": "Pass", "Assign": {"own": 1}, "Output": "{% $outer & 'a' %}", "End": True},
    }
    quick = {"B": {"Type": "Pass", "Output": "{% $outer & 'b' %}", "End": True}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"outer": "x"}, "Next": "P"},
        "P": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "W", "States": waiting}, {"StartAt": "B", "States": quick}],
            "Output": {"both": "{% $states.result %}"},
            "End": True,
        },
    }

    execution = ran(machine(states))

    assert output_of(execution) == {"both": ["xa", "xb"]}
    assert execution.stopped == (START + timedelta(seconds=60)).isoformat()


def test_a_branch_that_fails_gives_up_the_others_and_can_be_caught() -> None:
    slow = {"W": {"Type": "Wait", "Seconds": 600, "End": True}}
    bad = {"F": {"Type": "Fail", "Error": "Bad", "Cause": "no"}}
    states = {
        "P": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "W", "States": slow}, {"StartAt": "F", "States": bad}],
            "Catch": [{"ErrorEquals": ["Bad"], "Output": "{% $states.errorOutput %}", "Next": "E"}],
            "End": True,
        },
        "E": {"Type": "Succeed"},
    }

    execution = ran(machine(states))

    assert output_of(execution) == {"Error": "Bad", "Cause": "no"}
    assert execution.stopped == START.isoformat()


@pytest.mark.parametrize(("most", "seconds"), [(0, 60), (1, 180), (2, 120)])
def test_a_map_goes_through_its_items_so_many_at_a_time(most: int, seconds: int) -> None:
    each = {
        "W": {"Type": "Wait", "Seconds": 60, "Next": "A"},
        "A": {
            "Type": "Pass",
            "Output": "{% $states.input.value & $string($states.context.Map.Item.Index) %}",
            "End": True,
        },
    }
    states = {
        "M": {
            "Type": "Map",
            "Items": "{% $states.input.names %}",
            "ItemSelector": {"value": "{% $states.context.Map.Item.Value %}"},
            "MaxConcurrency": most,
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "W", "States": each},
            "End": True,
        }
    }

    execution = ran(machine(states), {"names": ["a", "b", "c"]})

    assert output_of(execution) == ["a0", "b1", "c2"]
    assert execution.stopped == (START + timedelta(seconds=seconds)).isoformat()


def test_a_map_over_what_is_no_array_fails() -> None:
    each = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    states = {"M": {"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": each, "End": True}}

    assert ran(machine(states), {"a": 1}).error == "States.QueryEvaluationError"


def test_a_state_whose_output_is_too_large_fails() -> None:
    states = {"A": {"Type": "Pass", "Output": "{% $pad('', 262144, 'x') %}", "End": True}}

    assert ran(machine(states)).error == "States.DataLimitExceeded"


def test_a_machines_timeout_ends_it_wherever_it_is() -> None:
    states = {"W": {"Type": "Wait", "Seconds": 600, "End": True}}

    execution = ran(machine(states, TimeoutSeconds=60))

    assert (execution.status, execution.error, execution.cause) == (Status.TIMED_OUT, None, None)
    assert execution.stopped == (START + timedelta(seconds=60)).isoformat()


def test_a_function_named_itself_gives_its_answer_alone() -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    calls = Calls({"Invoke": [{"b": 2}]})

    execution = ran(machine({"T": {"Type": "Task", "Resource": arn, "End": True}}), {"a": 1}, calls=calls)

    assert output_of(execution) == {"b": 2}
    assert calls.made == [("Invoke", {"a": 1})]


def test_a_tasks_result_is_its_output_unless_it_says_otherwise() -> None:
    calls = Calls({"f": [payload({"b": 2})]})

    execution = ran(machine({"T": invoke(Output="{% $states.result.Payload.b %}")}), {"a": 1}, calls=calls)

    assert output_of(execution) == 2
    assert calls.made == [("f", {"FunctionName": "f", "Payload": {"a": 1}})]
