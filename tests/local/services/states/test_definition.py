"""Which definitions are refused, by AWS or here alone, and where in them the problem is said to be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.services.states.checks import problems_of
from local.services.states.definition import Kind, read_definition
from local.services.states.fields import NOT_HERE
from tests.local.services.states.given import INVOKE, TRAIN, invoke, machine
from tests.local.services.states.test_tasks import JOB

PASS = {"Type": "Pass", "End": True}
DONE = {"Type": "Succeed"}


def found(definition: Any) -> list[str]:
    return [str(problem) for problem in problems_of(json.dumps(definition))]


def of_state(state: dict[str, Any]) -> list[str]:
    """What is wrong with one state `A`, to which `B` belongs where it names that one."""
    states = {"A": state, **({"B": DONE} if '"B"' in json.dumps(state) else {})}
    return found(machine(states))


def test_a_definition_with_every_type_of_state_is_read() -> None:
    branch = {"StartAt": "In", "States": {"In": PASS}}
    states = {
        "Task": invoke(Next="Choice", TimeoutSeconds=60, Retry=[{"ErrorEquals": ["States.ALL"]}]),
        "Choice": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Wait"}], "Default": "Fail"},
        "Fail": {"Type": "Fail", "Error": "E", "Cause": "{% 'c' %}"},
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Parallel"},
        "Parallel": {"Type": "Parallel", "Branches": [branch], "Next": "Map"},
        "Map": {
            "Type": "Map",
            "Items": [1],
            "ItemProcessor": {"StartAt": "Each", "States": {"Each": PASS}},
            "Next": "Done",
        },
        "Done": DONE,
    }
    definition = machine(states, TimeoutSeconds=3600, Comment="all of them")

    read = read_definition(json.dumps(definition))

    assert found(definition) == []
    assert {state.kind for state in read.flow.all_states()} == set(Kind)
    assert (read.timeout_seconds, read.flow.states["Choice"].next) == (3600, "Fail")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "INVALID_JSON_DESCRIPTION: Parse error"),
        ("[]", "SCHEMA_VALIDATION_FAILED: Value is not an object at /"),
        ('{"QueryLanguage": "JSONata"}', "SCHEMA_VALIDATION_FAILED: Field is required at /States"),
    ],
)
def test_what_is_no_definition_is_refused(text: str, problem: str) -> None:
    assert str(problems_of(text)[0]).startswith(problem)


@pytest.mark.parametrize(
    ("states", "start", "problem"),
    [
        ({"A": PASS}, "B", "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /StartAt"),
        (
            {"A": {"Type": "Pass", "Next": "B"}},
            "A",
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
        ),
        ({"A": PASS, "B": PASS}, "A", 'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B'),
        (
            {"A": {"Type": "Pass", "Next": "A"}},
            "A",
            "MISSING_END_STATE: No path leads to a terminal state. at /",
        ),
        (
            {"A": {"Type": "Pass"}},
            "A",
            "SCHEMA_VALIDATION_FAILED: Exactly one of 'Next' and 'End' is required at /States/A",
        ),
        (
            {"A": {"Type": "Nope", "End": True}},
            "A",
            "SCHEMA_VALIDATION_FAILED: Value should be one of the following: [Task, Pass, Wait, Choice, Succeed, "
            "Fail, Parallel, Map] at /States/A/Type",
        ),
        (
            {"A" * 81: PASS},
            "A" * 81,
            f"SCHEMA_VALIDATION_FAILED: A state's name has 1 to 80 characters at /States/{'A' * 81}",
        ),
    ],
)
def test_a_graph_that_cannot_be_gone_through_is_refused(states: dict[str, Any], start: str, problem: str) -> None:
    assert problem in found(machine(states, start=start))


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({**PASS, "Seconds": 1}, "SCHEMA_VALIDATION_FAILED: Field 'Seconds' is not supported at /States/A/Seconds"),
        (
            {**PASS, "ResultPath": "$.a"},
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only "
            "supported for the 'JSONPath' QueryLanguage at /States/A",
        ),
        ({"Type": "Task", "End": True}, "SCHEMA_VALIDATION_FAILED: Field is required at /States/A/Resource"),
        (
            {**PASS, "Output": {"b": ["{% phone %}"]}},
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at "
            "/States/A/Output/b[0]",
        ),
        (
            {**PASS, "Output": "{% $states.result %}"},
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.result' is not supported here. at /States/A/Output",
        ),
        (
            {**PASS, "Assign": {"states": 1}},
            "SCHEMA_VALIDATION_FAILED: 'states' is no name for a variable at /States/A/Assign/states",
        ),
        (
            {"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": True},
            "SCHEMA_VALIDATION_FAILED: Exactly one of 'Seconds' and 'Timestamp' is required at /States/A",
        ),
        (
            {"Type": "Wait", "Timestamp": "tomorrow", "End": True},
            "SCHEMA_VALIDATION_FAILED: Value should be a time as of RFC3339, as in 2026-01-01T00:00:00Z at "
            "/States/A/Timestamp",
        ),
        (
            {"Type": "Choice", "Choices": []},
            "SCHEMA_VALIDATION_FAILED: Expected a list of at least one rule at /States/A/Choices",
        ),
        (
            invoke(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["X"]}]),
            "SCHEMA_VALIDATION_FAILED: 'States.ALL' has to stand alone, and in the last entry at "
            "/States/A/Retry[0]/ErrorEquals",
        ),
        (
            invoke(Retry=[{"ErrorEquals": ["X"], "BackoffRate": 0.5}]),
            "SCHEMA_VALIDATION_FAILED: Value should be a number of at least 1.0 at /States/A/Retry[0]/BackoffRate",
        ),
        (
            invoke(Retry=[{"ErrorEquals": ["X"], "IntervalSeconds": 0}]),
            "SCHEMA_VALIDATION_FAILED: Value should be a whole number from 1 to 99999999 at "
            "/States/A/Retry[0]/IntervalSeconds",
        ),
        (
            invoke(Catch=[{"ErrorEquals": ["X"]}]),
            "SCHEMA_VALIDATION_FAILED: Field is required at /States/A/Catch[0]/Next",
        ),
        (
            invoke(TimeoutSeconds=10, HeartbeatSeconds=10),
            "SCHEMA_VALIDATION_FAILED: Value should be less than TimeoutSeconds at /States/A/HeartbeatSeconds",
        ),
        (
            {"Type": "Task", "Resource": f"{INVOKE}.sync", "Arguments": {"FunctionName": "f"}, "End": True},
            "SCHEMA_VALIDATION_FAILED: The resource 'arn:aws:states:::lambda:invoke.sync' is not supported. at "
            "/States/A/Resource",
        ),
        (
            {"Type": "Task", "Resource": INVOKE, "Arguments": {"Function": "f"}, "End": True},
            'SCHEMA_VALIDATION_FAILED: The field "Function" is not supported by Step Functions at /States/A/Arguments',
        ),
        (
            {"Type": "Task", "Resource": INVOKE, "Arguments": {"Payload": {}}, "End": True},
            'SCHEMA_VALIDATION_FAILED: The field "FunctionName" is required but was missing at /States/A/Arguments',
        ),
        (
            {"Type": "Task", "Resource": TRAIN, "Arguments": {**JOB, "EnableNetworkIsolation": "no"}, "End": True},
            'SCHEMA_VALIDATION_FAILED: The value of the field "EnableNetworkIsolation" should be of the type boolean '
            "at /States/A/Arguments",
        ),
        (
            {
                "Type": "Task",
                "Resource": f"{INVOKE}.waitForTaskToken",
                "Arguments": {"FunctionName": "f"},
                "End": True,
            },
            "SCHEMA_VALIDATION_FAILED: $states.context.Task.Token is not handed out at /States/A/Arguments",
        ),
    ],
)
def test_a_state_that_aws_refuses_is_refused(state: dict[str, Any], problem: str) -> None:
    assert problem in of_state(state)


@pytest.mark.parametrize(
    ("definition", "location"),
    [
        ({"StartAt": "A", "States": {"A": PASS}}, "/States/A"),
        (machine({"A": {**PASS, "QueryLanguage": "JSONPath"}}), "/States/A"),
        (
            machine({"A": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "End": True}}),
            "/States/A/Resource",
        ),
        (
            machine(
                {"A": {"Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:x", "End": True}}
            ),
            "/States/A/Resource",
        ),
        (
            machine({"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:athena:listWorkGroups", "End": True}}),
            "/States/A/Resource",
        ),
        (
            machine(
                {
                    "A": {
                        "Type": "Map",
                        "ItemProcessor": {
                            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                            "StartAt": "B",
                            "States": {"B": PASS},
                        },
                        "End": True,
                    }
                }
            ),
            "/States/A/ItemProcessor/ProcessorConfig/Mode",
        ),
        (machine({"A": invoke(Credentials={"RoleArn": "x"})}), "/States/A/Credentials"),
    ],
)
def test_what_aws_runs_and_the_local_cloud_does_not_is_told_apart(definition: dict[str, Any], location: str) -> None:
    problems = problems_of(json.dumps(definition))

    assert {(problem.code, problem.location) for problem in problems} == {(NOT_HERE, location)}


def test_states_may_say_the_query_language_each_for_itself() -> None:
    assert found({"StartAt": "A", "States": {"A": {**PASS, "QueryLanguage": "JSONata"}}}) == []


def test_inner_flows_are_checked_as_the_outer_one_is() -> None:
    inner = {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "C"}}}
    state = {"Type": "Parallel", "Branches": [inner], "End": True}

    assert found(machine({"A": state})) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: C at /States/A/Branches[0]/States/B/Next",
        "MISSING_END_STATE: No path leads to a terminal state. at /States/A/Branches[0]",
    ]


def test_a_state_of_an_inner_flow_is_no_target_and_no_name_is_given_twice() -> None:
    inner = {"StartAt": "A", "States": {"A": PASS}}
    state = {"Type": "Parallel", "Branches": [inner], "End": True}

    assert "SCHEMA_VALIDATION_FAILED: The name 'A' is given to 2 states at /States" in found(machine({"A": state}))


def test_a_variable_of_an_outer_scope_is_not_assigned_inside() -> None:
    inner = {"StartAt": "B", "States": {"B": {**PASS, "Assign": {"x": 2}}}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"x": 1}, "Next": "P"},
        "P": {"Type": "Parallel", "Branches": [inner], "End": True},
    }

    assert found(machine(states)) == [
        "SCHEMA_VALIDATION_FAILED: The variable 'x' is assigned in an outer scope already at /States/P/Branches[0]"
    ]
