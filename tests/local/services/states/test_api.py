"""Step Functions' operations: what they answer, what they refuse and by which code, as AWS documents it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from local.api_errors import ApiRefusal
from local.services.states.execution import Status
from local.services.states.failures import StateFailed
from tests.local.services.states.given import ROLE, START, TRAIN, Calls, World, invoke, machine, output_of, payload
from tests.local.services.states.test_tasks import described, train, waiting

SIMPLE = machine({"A": {"Type": "Pass", "End": True}})
SLOW = machine({"W": {"Type": "Wait", "Seconds": 3600, "Next": "E"}, "E": {"Type": "Succeed"}})
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:loop"


def code(answer: Any) -> str | None:
    return answer.code if isinstance(answer, ApiRefusal) else None


async def created(world: World, **more: Any) -> Any:
    arguments = {"name": "loop", "definition": json.dumps(SIMPLE), "roleArn": ROLE, **more}
    return await world.ask("CreateStateMachine", **arguments)


def test_a_machine_is_made_once_and_described() -> None:
    world = World()

    async def story() -> list[Any]:
        tags = [{"key": "a", "value": "b"}]
        return [
            await created(world, tags=tags),
            await created(world),
            await created(world, definition=json.dumps(SLOW)),
            await world.ask("DescribeStateMachine", stateMachineArn=ARN),
            await world.ask("ListTagsForResource", resourceArn=ARN),
            await world.ask("ListStateMachines"),
        ]

    first, again, other, shown, tags, listed = asyncio.run(story())

    assert first == again == {"stateMachineArn": ARN, "creationDate": START.timestamp()}
    assert (other.code, other.message) == ("StateMachineAlreadyExists", f"State Machine Already Exists: '{ARN}'")
    assert (shown["status"], shown["type"], json.loads(shown["definition"])) == ("ACTIVE", "STANDARD", SIMPLE)
    assert "revisionId" not in shown
    assert tags == {"tags": [{"key": "a", "value": "b"}]}
    assert [each["name"] for each in listed["stateMachines"]] == ["loop"]


@pytest.mark.parametrize(
    ("more", "denied", "expected"),
    [
        ({"name": "a b"}, set[str](), "InvalidName"),
        ({"definition": "{}"}, set[str](), "InvalidDefinition"),
        ({"definition": None}, set[str](), "ValidationException"),
        ({"definition": '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}, set[str](), "NotImplemented"),
        ({"type": "EXPRESS"}, set[str](), "NotImplemented"),
        ({"publish": True}, set[str](), "NotImplemented"),
        ({"loggingConfiguration": {"level": "ALL"}}, set[str](), "InvalidLoggingConfiguration"),
        (
            {"loggingConfiguration": {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": {}}]}},
            {"logs:CreateLogDelivery"},
            "AccessDeniedException",
        ),
        ({}, {ROLE}, "AccessDeniedException"),
        ({"tags": [{"key": f"k{n}", "value": ""} for n in range(51)]}, set[str](), "TooManyTags"),
    ],
)
def test_a_machine_that_cannot_be_made_is_refused(more: dict[str, Any], denied: set[str], expected: str) -> None:
    world = World(denied=denied)

    answer = asyncio.run(created(world, **more))

    assert str(code(answer)).startswith(expected)


@pytest.mark.parametrize("action", ["events:PutTargets", "events:PutRule", "events:DescribeRule"])
def test_a_machine_that_follows_jobs_needs_a_role_that_may_make_the_rule(action: str) -> None:
    answer = asyncio.run(created(World(denied={action}), definition=json.dumps(machine({"Train": train()}))))

    assert isinstance(answer, ApiRefusal)
    assert answer.message == f"'{ROLE}' is not authorized to create managed-rule."


def test_an_update_is_a_new_revision_and_what_runs_goes_on_with_the_old_one() -> None:
    world = World()

    async def story() -> tuple[Any, Any, Any, Any]:
        execution = await world.start(SLOW)
        updated = await world.ask("UpdateStateMachine", stateMachineArn=ARN, definition=json.dumps(SIMPLE))
        shown = await world.ask("DescribeStateMachine", stateMachineArn=ARN)
        own = await world.ask("DescribeStateMachineForExecution", executionArn=execution.arn)
        await world.advance(hours=2)
        return updated, shown, own, execution

    updated, shown, own, execution = asyncio.run(story())

    assert updated["revisionId"] == shown["revisionId"]
    assert json.loads(shown["definition"]) == SIMPLE
    assert json.loads(own["definition"]) == SLOW
    assert execution.status is Status.SUCCEEDED


def test_an_update_without_anything_to_change_is_refused() -> None:
    world = World()

    async def story() -> Any:
        await created(world)
        return await world.ask("UpdateStateMachine", stateMachineArn=ARN)

    assert code(asyncio.run(story())) == "MissingRequiredParameter"


def test_the_same_start_gives_the_same_execution_while_it_runs() -> None:
    world = World()

    async def story() -> list[Any]:
        await world.make(SLOW)
        start = {"stateMachineArn": ARN, "name": "run", "input": '{"a": 1}'}
        answers = [
            await world.ask("StartExecution", **start),
            await world.ask("StartExecution", **start),
            await world.ask("StartExecution", **{**start, "input": "{}"}),
        ]
        await world.advance(hours=2)
        return [*answers, await world.ask("StartExecution", **start)]

    first, again, other, ended = asyncio.run(story())

    assert first == again
    assert code(other) == code(ended) == "ExecutionAlreadyExists"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"stateMachineArn": ARN, "name": "a:b"}, "InvalidName"),
        ({"stateMachineArn": ARN, "input": "{"}, "InvalidExecutionInput"),
        ({"stateMachineArn": ARN, "input": json.dumps("x" * 262_144)}, "ValidationException"),
        ({"stateMachineArn": f"{ARN}2"}, "StateMachineDoesNotExist"),
        ({"stateMachineArn": "loop"}, "InvalidArn"),
        ({}, "ValidationException"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(arguments: dict[str, Any], expected: str) -> None:
    world = World()

    async def story() -> Any:
        await world.make(SIMPLE)
        return await world.ask("StartExecution", **arguments)

    assert code(asyncio.run(story())) == expected


def test_executions_are_listed_the_newest_first_a_page_at_a_time() -> None:
    world = World()

    async def story() -> list[Any]:
        await world.make(SLOW)
        for name in ("one", "two", "three"):
            await world.ask("StartExecution", stateMachineArn=ARN, name=name)
        await world.ask("StopExecution", executionArn=ARN.replace("stateMachine", "execution") + ":two")
        first = await world.ask("ListExecutions", stateMachineArn=ARN, maxResults=2)
        return [
            first,
            await world.ask("ListExecutions", stateMachineArn=ARN, maxResults=2, nextToken=first["nextToken"]),
            await world.ask("ListExecutions", stateMachineArn=ARN, statusFilter="ABORTED"),
            await world.ask("ListExecutions", stateMachineArn=ARN, nextToken="x"),
        ]

    first, second, aborted, wrong = asyncio.run(story())

    assert [each["name"] for each in first["executions"]] == ["three", "two"]
    assert [each["name"] for each in second["executions"]] == ["one"]
    assert [each["name"] for each in aborted["executions"]] == ["two"]
    assert code(wrong) == "InvalidToken"


def test_an_execution_is_described_with_its_data_or_without() -> None:
    world = World()

    async def story() -> list[Any]:
        execution = await world.run(SIMPLE, {"a": 1})
        return [
            await world.ask("DescribeExecution", executionArn=execution.arn),
            await world.ask("DescribeExecution", executionArn=execution.arn, includedData="METADATA_ONLY"),
            await world.ask("DescribeExecution", executionArn=f"{execution.arn}2"),
        ]

    whole, bare, missing = asyncio.run(story())

    assert (whole["status"], json.loads(whole["input"]), json.loads(whole["output"])) == (
        "SUCCEEDED",
        {"a": 1},
        {"a": 1},
    )
    assert whole.keys() - bare.keys() == {"input", "inputDetails", "output", "outputDetails"}
    assert code(missing) == "ExecutionDoesNotExist"


def test_deleting_a_machine_aborts_what_it_runs() -> None:
    world = World()

    async def story() -> list[Any]:
        execution = await world.start(SLOW)
        return [
            await world.ask("DeleteStateMachine", stateMachineArn=ARN),
            await world.ask("DeleteStateMachine", stateMachineArn=ARN),
            await world.ask("DescribeStateMachine", stateMachineArn=ARN),
            await world.ask("DescribeExecution", executionArn=execution.arn),
        ]

    deleted, again, gone, execution = asyncio.run(story())

    assert deleted == again == {}
    assert code(gone) == "StateMachineDoesNotExist"
    assert execution["status"] == "ABORTED"


def test_stopping_what_has_ended_changes_nothing() -> None:
    world = World()

    async def story() -> tuple[Any, Any]:
        execution = await world.run(SIMPLE)
        stopped = await world.ask("StopExecution", executionArn=execution.arn, error="late")
        return stopped, execution

    stopped, execution = asyncio.run(story())

    assert (stopped["stopDate"], execution.status) == (START.timestamp(), Status.SUCCEEDED)


def test_a_definition_is_validated_without_a_machine() -> None:
    world = World()

    async def story() -> list[Any]:
        texts = [json.dumps(SIMPLE), json.dumps({**SIMPLE, "StartAt": "B"}), '{"StartAt": 1, "States": {"A": {}}}']
        return [await world.ask("ValidateStateMachineDefinition", definition=text, maxResults=1) for text in texts]

    good, bad, worse = asyncio.run(story())

    assert good == {"result": "OK", "diagnostics": [], "truncated": False}
    assert bad["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "MISSING_TRANSITION_TARGET",
            "message": "Missing 'Next' target: B",
            "location": "/StartAt",
        }
    ]
    assert (worse["result"], worse["truncated"], len(worse["diagnostics"])) == ("FAIL", True, 1)


def test_tags_come_and_go() -> None:
    world = World()

    async def story() -> list[Any]:
        await created(world)
        await world.ask("TagResource", resourceArn=ARN, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        await world.ask("UntagResource", resourceArn=ARN, tagKeys=["a"])
        return [
            await world.ask("ListTagsForResource", resourceArn=ARN),
            await world.ask("TagResource", resourceArn=f"{ARN}2", tags=[]),
        ]

    tags, missing = asyncio.run(story())

    assert tags == {"tags": [{"key": "b", "value": "2"}]}
    assert code(missing) == "ResourceNotFound"


def test_the_history_tells_each_step_of_a_task_that_is_tried_again() -> None:
    world = World(calls=Calls({"f": [StateFailed("Busy", "once"), payload({"b": 2})]}))
    task = invoke(Retry=[{"ErrorEquals": ["Busy"]}], TimeoutSeconds=30, Assign={"x": 1})

    async def story() -> list[dict[str, Any]]:
        return await world.history(await world.run(machine({"T": task}), {"a": 1}))

    history = asyncio.run(story())

    assert [event["type"] for event in history] == [
        *("ExecutionStarted", "TaskStateEntered"),
        *("TaskScheduled", "TaskStarted", "TaskFailed"),
        *("TaskScheduled", "TaskStarted", "TaskSucceeded"),
        *("TaskStateExited", "ExecutionSucceeded"),
    ]
    assert [event["previousEventId"] for event in history] == [0, 0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert history[0]["executionStartedEventDetails"] == {
        "input": '{"a": 1}',
        "inputDetails": {"truncated": False},
        "roleArn": ROLE,
    }
    assert history[2]["taskScheduledEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke",
        "region": "us-east-1",
        "parameters": '{"FunctionName":"f","Payload":{"a":1}}',
        "timeoutInSeconds": 30,
    }
    assert history[4]["taskFailedEventDetails"]["error"] == "Busy"
    assert history[8]["stateExitedEventDetails"]["assignedVariables"] == {"x": "1"}


def test_the_history_of_a_job_and_of_a_token_says_when_they_were_submitted() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("Completed")]}))

    async def story() -> tuple[list[str], list[str]]:
        job = await world.run(machine({"Train": train()}))
        job_types = await world.types(job)
        await world.ask("UpdateStateMachine", stateMachineArn=ARN, definition=json.dumps(waiting(TimeoutSeconds=9)))
        answer = await world.ask("StartExecution", stateMachineArn=ARN, name="token")
        await world.advance(minutes=1)
        token = world.service.archive.find(answer["executionArn"])
        assert token is not None
        return job_types, await world.types(token)

    job, token = asyncio.run(story())

    assert job[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert token[2:] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskTimedOut", "ExecutionFailed"]


def test_the_history_can_be_read_backwards_and_without_data() -> None:
    world = World()

    async def story() -> Any:
        execution = await world.run(SIMPLE, {"a": 1})
        return await world.ask(
            "GetExecutionHistory", executionArn=execution.arn, reverseOrder=True, includeExecutionData=False
        )

    events = asyncio.run(story())["events"]

    assert [event["id"] for event in events] == [4, 3, 2, 1]
    assert events[0]["executionSucceededEventDetails"] == {}
    assert events[2]["stateEnteredEventDetails"] == {"name": "A"}


def test_a_machine_with_a_log_group_writes_what_its_level_wants() -> None:
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/loop:*"
    destinations = [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]
    fail = machine({"F": {"Type": "Fail", "Error": "E"}})

    def written(level: str, *, data: bool = False) -> list[tuple[str, str, Any]]:
        world = World()
        logging = {"level": level, "destinations": destinations, "includeExecutionData": data}

        async def story() -> None:
            await world.make(fail, loggingConfiguration=logging)
            await world.ask("StartExecution", stateMachineArn=ARN, input='{"a": 1}')
            await world.advance(seconds=1)

        asyncio.run(story())
        return world.lines

    every, bad, none = written("ALL"), written("ERROR"), written("OFF")

    assert [line["type"] for _group, _stream, line in every] == [
        *("ExecutionStarted", "FailStateEntered", "ExecutionFailed"),
    ]
    assert {group for group, _stream, _line in every} == {"/aws/vendedlogs/states/loop"}
    assert [line["type"] for _group, _stream, line in bad] == ["ExecutionFailed"]
    assert none == []
    assert "input" not in every[0][2]["details"]
    assert written("ALL", data=True)[0][2]["details"]["input"] == '{"a": 1}'


def test_an_execution_that_fills_its_history_fails() -> None:
    forever = {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "E"}], "Default": "A"},
        "E": {"Type": "Succeed"},
    }
    world = World()

    async def story() -> Any:
        execution = await world.start(machine(forever))
        execution.events_before = 24_900  # as after so many events; where they lie does not matter here
        await world.service.executions.settle()
        return execution

    execution = asyncio.run(story())

    assert (execution.status, execution.error) == (Status.FAILED, "States.Runtime")
    assert "maximum number of history events (25000)" in execution.cause


def test_a_resource_with_a_job_is_the_only_one_that_runs_one() -> None:
    world = World(calls=Calls({"CreateTrainingJob": [{"TrainingJobArn": "arn"}]}))
    task = {**train(), "Resource": TRAIN.removesuffix(".sync")}

    execution = asyncio.run(world.run(machine({"Train": task})))

    assert output_of(execution) == {"TrainingJobArn": "arn"}
    assert world.calls.names() == ["CreateTrainingJob"]
