"""Tasks that wait: for a job that they began, for an answer to the token that they handed out, for their timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.api_errors import ApiRefusal
from local.services.states.execution import Execution, Status
from local.services.states.failures import StateFailed
from tests.local.services.states.given import START, TRAIN, Calls, World, invoke, machine, output_of, payload

JOB = {
    "TrainingJobName": "{% $states.context.Execution.Name %}",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "RoleArn": "arn:aws:iam::123456789012:role/training",
    "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}


def train(**more: Any) -> dict[str, Any]:
    following = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": TRAIN, "Arguments": JOB, **following, **more}


def described(status: str, **more: Any) -> dict[str, Any]:
    return {"TrainingJobName": "run", "TrainingJobStatus": status, **more}


def ask(**more: Any) -> dict[str, Any]:
    arguments = {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": arguments,
        "Next": "Done",
        **more,
    }


def waiting(**more: Any) -> dict[str, Any]:
    return machine({"Ask": ask(**more), "Done": {"Type": "Succeed"}})


def token_of(world: World) -> str:
    made: Mapping[str, Any] = next(arguments for name, arguments in world.calls.made if name == "ask")
    return str(made["Payload"]["token"])


def stopped(execution: Execution) -> datetime:
    assert execution.stopped is not None
    return datetime.fromisoformat(execution.stopped)


def test_a_job_is_followed_until_it_has_completed() -> None:
    artifact = {"ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"}}
    looks = [described("InProgress"), described("InProgress"), described("Completed", **artifact)]
    world = World(calls=Calls({"CreateTrainingJob": [{"TrainingJobArn": "arn"}], "DescribeTrainingJob": looks}))
    task = train(Output="{% $states.result.ModelArtifacts.S3ModelArtifacts %}")

    execution = asyncio.run(world.run(machine({"Train": task})))

    assert output_of(execution) == "s3://b/model.tar.gz"
    assert world.calls.names() == ["CreateTrainingJob", *["DescribeTrainingJob"] * 3]
    assert stopped(execution) == START  # simulated time stands still while the job is at work


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_that_does_not_complete_fails_with_its_description(status: str) -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described(status, FailureReason="AlgorithmError: no rows")]}))
    catch = {"ErrorEquals": ["States.TaskFailed"], "Output": "{% $parse($states.errorOutput.Cause) %}", "Next": "Done"}
    states = {"Train": train(Catch=[catch]), "Done": {"Type": "Succeed"}}

    execution = asyncio.run(world.run(machine(states)))

    assert output_of(execution)["FailureReason"] == "AlgorithmError: no rows"


def test_a_job_that_cannot_be_made_fails_by_the_apis_error() -> None:
    refused = StateFailed("SageMaker.ResourceInUseException", "exists")
    world = World(calls=Calls({"CreateTrainingJob": [refused]}))

    execution = asyncio.run(world.run(machine({"Train": train()})))

    assert (execution.error, execution.cause) == ("SageMaker.ResourceInUseException", "exists")


def test_stopping_an_execution_stops_its_job() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("InProgress")]}))

    async def stop() -> tuple[Execution, Any]:
        execution = await world.start(machine({"Train": train()}))
        await world.working("DescribeTrainingJob")
        answer = await world.ask("StopExecution", executionArn=execution.arn, error="Enough", cause="of it")
        return execution, answer

    execution, answer = asyncio.run(stop())

    assert (execution.status, execution.error, execution.cause) == (Status.ABORTED, "Enough", "of it")
    assert world.calls.made[-1] == ("StopTrainingJob", {"TrainingJobName": "run"})
    assert answer == {"stopDate": START.timestamp()}


def test_a_branch_that_fails_stops_the_job_of_its_neighbour() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("InProgress")]}))
    bad = {
        "Wait": {"Type": "Pass", "Next": "Bad"},
        "Bad": invoke("bad"),
    }

    async def failing() -> Execution:
        allowed = asyncio.get_running_loop().create_future()
        world.calls.answers["bad"] = [allowed]
        states = {
            "P": {
                "Type": "Parallel",
                "Branches": [{"StartAt": "Train", "States": {"Train": train()}}, {"StartAt": "Wait", "States": bad}],
                "End": True,
            }
        }
        execution = await world.start(machine(states))
        await world.working("DescribeTrainingJob")
        allowed.set_result(StateFailed("Bad", "no"))
        await world.service.executions.settle()
        return execution

    execution = asyncio.run(failing())

    assert execution.error == "Bad"
    assert ("StopTrainingJob", {"TrainingJobName": "run"}) in world.calls.made


def test_a_task_that_works_too_long_times_out_and_its_job_is_stopped() -> None:
    world = World(calls=Calls({"DescribeTrainingJob": [described("InProgress")]}))

    async def late() -> Execution:
        execution = await world.start(machine({"Train": train(TimeoutSeconds="{% 1 %}")}))
        await world.working("DescribeTrainingJob")
        await world.service.executions.settle()
        return execution

    execution = asyncio.run(late())

    assert (execution.status, execution.error, execution.cause) == (Status.FAILED, "States.Timeout", None)
    assert world.calls.names()[-1] == "StopTrainingJob"


def test_a_token_waits_for_its_answer_however_long_that_takes() -> None:
    world = World()

    async def approve() -> Execution:
        execution = await world.start(waiting())
        await world.advance(days=100)
        assert execution.is_running
        await world.ask("SendTaskSuccess", taskToken=token_of(world), output='{"approved": true}')
        await world.advance(minutes=1)
        return execution

    execution = asyncio.run(approve())

    assert output_of(execution) == {"approved": True}
    assert stopped(execution) == START + timedelta(days=100)


def test_a_token_can_be_answered_while_the_function_that_got_it_still_runs() -> None:
    world = World()

    async def quick() -> Execution:
        running = asyncio.get_running_loop().create_future()
        world.calls.answers["ask"] = [running]
        execution = await world.start(waiting())
        await world.working("ask")
        await world.ask("SendTaskSuccess", taskToken=token_of(world), output="1")
        running.set_result(payload(None))
        await world.service.executions.settle()
        return execution

    assert output_of(asyncio.run(quick())) == 1


def test_a_token_can_be_answered_with_a_failure_that_is_caught() -> None:
    world = World()
    catch = {"ErrorEquals": ["NotApproved"], "Output": "{% $states.errorOutput %}", "Next": "Done"}

    async def refuse() -> Execution:
        execution = await world.start(waiting(Catch=[catch]))
        await world.advance(hours=1)
        await world.ask("SendTaskFailure", taskToken=token_of(world), error="NotApproved", cause="by me")
        await world.advance(minutes=1)
        return execution

    assert output_of(asyncio.run(refuse())) == {"Error": "NotApproved", "Cause": "by me"}


def test_a_token_times_out_on_the_clouds_time() -> None:
    world = World()

    execution = asyncio.run(world.run(waiting(TimeoutSeconds=7200), hours=3))

    assert (execution.error, stopped(execution)) == ("States.Timeout", START + timedelta(hours=2))


def test_heartbeats_keep_a_token_alive_and_the_first_that_is_missed_ends_it() -> None:
    world = World()

    async def beat() -> Execution:
        execution = await world.start(waiting(TimeoutSeconds=7200, HeartbeatSeconds=60))
        await world.advance(seconds=50)
        assert await world.ask("SendTaskHeartbeat", taskToken=token_of(world)) == {}
        await world.advance(seconds=50)
        assert execution.is_running
        await world.advance(hours=1)
        return execution

    execution = asyncio.run(beat())

    assert (execution.error, stopped(execution)) == ("States.Timeout", START + timedelta(seconds=110))


@pytest.mark.parametrize("operation", ["SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"])
def test_a_token_of_a_task_that_is_over_and_what_is_no_token_are_refused(operation: str) -> None:
    world = World()
    more = {"output": "1"} if operation == "SendTaskSuccess" else {}

    async def answers() -> list[Any]:
        await world.start(waiting())
        await world.advance(seconds=1)
        await world.ask("SendTaskSuccess", taskToken=token_of(world), output="1")
        await world.advance(seconds=1)
        return [await world.ask(operation, taskToken=token, **more) for token in (token_of(world), "none")]

    refusals = asyncio.run(answers())

    assert all(isinstance(refusal, ApiRefusal) for refusal in refusals)
    assert [refusal.code for refusal in refusals] == ["TaskTimedOut", "InvalidToken"]


def test_an_output_that_is_no_json_is_refused_and_the_task_waits_on() -> None:
    world = World()

    async def wrong() -> tuple[Any, Execution]:
        execution = await world.start(waiting())
        await world.advance(seconds=1)
        answer = await world.ask("SendTaskSuccess", taskToken=token_of(world), output="{")
        return answer, execution

    refusal, execution = asyncio.run(wrong())

    assert (refusal.code, execution.is_running) == ("InvalidOutput", True)


def test_simulated_time_stands_still_while_a_function_works() -> None:
    world = World()

    async def hurry() -> Execution:
        running = asyncio.get_running_loop().create_future()
        world.calls.answers["f"] = [running]
        states = {"T": invoke(Next="W"), "W": {"Type": "Wait", "Seconds": 60, "End": True}}
        execution = await world.start(machine(states))
        advance = asyncio.ensure_future(world.advance(days=1))
        await world.working("f")
        for _turn in range(100):
            await asyncio.sleep(0)
        assert world.clock.now() == START
        running.set_result(payload(1))
        await advance
        return execution

    execution = asyncio.run(hurry())

    assert stopped(execution) == START + timedelta(seconds=60)
