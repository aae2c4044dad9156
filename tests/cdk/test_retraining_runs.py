"""Whole runs of the retraining loop's definition, with a double for each step: each outcome comes to its own end, and
the function is told what is known by then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cdk.retraining_definition import most_looks
from local.services.states.execution import Execution, Status
from local.services.states.failures import StateFailed
from tests.cdk.synth import Json
from tests.cdk.test_retraining_definition import APPROVED, FUNCTION, definition, package
from tests.local.services.states.given import Calls, World, output_of, payload

VERSION = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flyball-flowers/4"
MODEL = "s3://artifacts/flowers/runs/run/job/output/model.tar.gz"
DRIFT = {"kind": "drift", "alarm": "flyball-flowers-Drift"}
DATA = {
    f"{name}_uri": f"s3://bucket/{name}/"
    for name in ("training", "holdout", "checkpoints", "output", "evaluation", "manifest")
}
ADMITTED: Json = {
    "admitted": True,
    "rolls_back": False,
    "trigger": DRIFT,
    "job": "flyball-flowers-1",
    "champion": {"arn": "none", "model_uri": "s3://assets/1.tar.gz", "label": "initial"},
}
ANSWERS: Mapping[str, Any] = {
    "admit": ADMITTED,
    "assemble": DATA,
    "check": {"passed": True, "problems": []},
    "judge": {"promote": True, "summary": "better by 0.02", "reasons": []},
    "register": {"version": VERSION, "number": 4},
    "roll_out": {"config": "flyball-flowers-v4-1", "model": "flyball-flowers-v4-1", "before": "old", "begun": "now"},
    "observe": [{"status": "under_way", "alarm": None, "reason": None}, {"status": "in_service"}],
    "promote": {"champion": VERSION},
}
ALL_STEPS = ["admit", "assemble", "check", "judge", "register", "roll_out", "observe", "observe", "promote", "conclude"]


@dataclass
class Loop:
    """A state machine of the loop with doubles for its function and jobs."""

    answers: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, list[Any]] = field(default_factory=dict)
    told: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        trained = {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": MODEL}}
        calls: dict[str, list[Any]] = {
            FUNCTION: [self._answer],
            "CreateTrainingJob": [{"TrainingJobArn": "arn"}],
            "DescribeTrainingJob": [trained],
            "CreateProcessingJob": [{"ProcessingJobArn": "arn"}],
            "DescribeProcessingJob": [{"ProcessingJobStatus": "Completed"}],
            **self.jobs,
        }
        self.world = World(calls=Calls(calls))

    def run(self, given: Any = None, *, hours: float = 24, **sections: Any) -> Execution:
        """An execution to its end."""
        found = {"trigger": DRIFT} if given is None else given
        return asyncio.run(self.world.run(definition(**sections), found, hours=hours))

    @property
    def steps(self) -> list[str]:
        return [each["step"] for each in self.told]

    def told_to(self, step: str) -> Json:
        """What a step was told last."""
        return [each for each in self.told if each["step"] == step][-1]

    def arguments_of(self, operation: str) -> Json:
        (found,) = (arguments for name, arguments in self.world.calls.made if name == operation)
        return dict(found)

    def _answer(self, arguments: Any) -> Any:
        event = arguments["Payload"]
        event = json.loads(event) if isinstance(event, str) else event
        self.told.append(event)
        answer = {**ANSWERS, **self.answers}.get(event["step"])
        if event["step"] == "conclude" and answer is None:
            answer = {"outcome": event["outcome"], "summary": f"it ended as {event['outcome']}"}
        if isinstance(answer, list):
            count = self.steps.count(event["step"])
            answer = answer[min(count, len(answer)) - 1]
        return answer if isinstance(answer, StateFailed) else payload(answer)


def test_a_better_model_is_promoted() -> None:
    loop = Loop()

    execution = loop.run()

    assert (execution.status, output_of(execution)["outcome"]) == (Status.SUCCEEDED, "promoted")
    assert loop.steps == ALL_STEPS


def test_each_step_is_told_what_those_before_it_found() -> None:
    loop = Loop()

    execution = loop.run()

    about = {"run": execution.name, "execution": execution.arn}
    assert loop.told_to("admit").items() >= {**about, "trigger": DRIFT}.items()
    assert loop.told_to("check")["data"] == DATA
    assert loop.told_to("judge").items() >= {**about, "data": DATA, "model_uri": MODEL}.items()
    assert loop.told_to("register")["decision"] == ANSWERS["judge"]
    assert loop.told_to("roll_out")["version"] == VERSION
    assert loop.told_to("observe").items() >= ANSWERS["roll_out"].items()
    assert loop.told_to("promote").items() >= {"version": VERSION, "config": "flyball-flowers-v4-1"}.items()
    assert all(each["now"].startswith("2026-01-01T12:") for each in loop.told)


def test_the_jobs_are_given_the_runs_data_and_both_models() -> None:
    loop = Loop()

    loop.run()

    train, evaluate = loop.arguments_of("CreateTrainingJob"), loop.arguments_of("CreateProcessingJob")
    channels = {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in train["InputDataConfig"]}
    inputs = {each["InputName"]: each["S3Input"]["S3Uri"] for each in evaluate["ProcessingInputs"]}
    assert train["TrainingJobName"] == evaluate["ProcessingJobName"] == "flyball-flowers-1"
    assert channels == {"training": DATA["training_uri"], "holdout": DATA["holdout_uri"]}
    assert inputs == {"champion": "s3://assets/1.tar.gz", "challenger": MODEL, "holdout": DATA["holdout_uri"]}
    assert evaluate["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] == DATA["evaluation_uri"]


def test_a_challenger_that_the_gate_refuses_is_registered_and_rejected() -> None:
    loop = Loop({"judge": {"promote": False, "summary": "no better", "reasons": []}})

    execution = loop.run()

    assert (execution.status, output_of(execution)["outcome"]) == (Status.SUCCEEDED, "rejected")
    assert loop.steps[-2:] == ["register", "conclude"]
    assert loop.told_to("conclude")["facts"]["version"] == VERSION


def test_data_that_are_not_right_are_not_trained_on() -> None:
    loop = Loop({"check": {"passed": False, "problems": ["petals: 40 % are missing", "label: one class"]}})

    execution = loop.run()

    facts = loop.told_to("conclude")["facts"]
    assert output_of(execution)["outcome"] == "rejected"
    assert facts["reason"] == "petals: 40 % are missing; label: one class"
    assert "CreateTrainingJob" not in loop.world.calls.names()


def test_one_problem_is_told_as_several_are() -> None:
    loop = Loop({"check": {"passed": False, "problems": ["label: one class"]}})

    loop.run()

    assert loop.told_to("conclude")["facts"]["reason"] == "label: one class"


def test_a_trigger_that_is_not_admitted_is_skipped_and_nothing_is_concluded() -> None:
    loop = Loop({"admit": {"admitted": False, "reason": "a run is under way"}})

    execution = loop.run()

    assert (execution.status, output_of(execution)) == (
        Status.SUCCEEDED,
        {"outcome": "skipped", "summary": "a run is under way"},
    )
    assert loop.steps == ["admit"]


def test_a_version_that_sagemaker_takes_back_is_rolled_back_by_the_alarm() -> None:
    back = {"status": "rolled_back", "alarm": "flyball-flowers-ServerErrors", "reason": None}
    loop = Loop({"observe": [ANSWERS["observe"][0], back]})

    execution = loop.run()

    conclude = loop.told_to("conclude")
    assert (execution.status, execution.error) == (Status.FAILED, "RolledBack")
    assert execution.cause == "it ended as rolled_back"
    assert (conclude["outcome"], conclude["facts"]["alarm"]) == ("rolled_back", "flyball-flowers-ServerErrors")
    assert "promote" not in loop.steps


@pytest.mark.parametrize("step", ["admit", "assemble", "check", "judge", "register", "roll_out", "observe", "promote"])
def test_a_step_that_fails_ends_the_run_with_its_error(step: str) -> None:
    loop = Loop({step: StateFailed("OperatorError", '{"errorMessage": "it broke"}')})

    execution = loop.run()

    facts = loop.told_to("conclude")["facts"]
    assert (execution.status, execution.error) == (Status.FAILED, "Failed")
    assert (facts["error"], facts["cause"]) == ("OperatorError", '{"errorMessage": "it broke"}')
    assert loop.steps.count(step) == 1


@pytest.mark.parametrize("kind", ["Training", "Processing"])
def test_a_job_that_fails_ends_the_run_with_how_sagemaker_describes_it(kind: str) -> None:
    failed = {f"{kind}JobStatus": "Failed", f"{kind}JobName": "job", "FailureReason": "AlgorithmError: exit code 1"}
    loop = Loop(jobs={f"Describe{kind}Job": [failed]})

    execution = loop.run()

    facts = loop.told_to("conclude")["facts"]
    assert execution.error == "Failed"
    assert json.loads(facts["cause"])["FailureReason"] == "AlgorithmError: exit code 1"
    assert "judge" not in loop.steps


def test_a_function_that_takes_too_long_times_the_run_out() -> None:
    loop = Loop({"assemble": StateFailed("Sandbox.Timedout", "after 900 s")})

    execution = loop.run()

    assert (execution.status, execution.error) == (Status.FAILED, "TimedOut")
    assert loop.told_to("conclude")["outcome"] == "timed_out"


def test_a_rollout_that_never_ends_is_given_up() -> None:
    loop = Loop({"observe": {"status": "under_way", "alarm": None, "reason": None}})

    execution = loop.run()

    assert execution.error == "TimedOut"
    assert loop.steps.count("observe") == most_looks(package().config)


def test_a_run_that_goes_back_trains_nothing() -> None:
    back = {**ADMITTED, "rolls_back": True, "version": "none"}
    loop = Loop({"admit": back})

    execution = loop.run({"trigger": {"kind": "manual", "rollback_to": "none"}})

    assert output_of(execution)["outcome"] == "promoted"
    assert loop.steps == ["admit", "roll_out", "observe", "observe", "promote", "conclude"]
    assert loop.told_to("roll_out")["version"] == "none"


def test_a_start_without_a_word_is_one_by_hand() -> None:
    loop = Loop()

    loop.run({})

    assert loop.told_to("admit")["trigger"] == {"kind": "manual"}


def test_another_deployment_is_waited_for() -> None:
    busy = StateFailed("EndpointBusy", "it is Updating")
    loop = Loop({"roll_out": [busy, busy, busy, ANSWERS["roll_out"]]})

    execution = loop.run()

    assert output_of(execution)["outcome"] == "promoted"
    assert loop.steps.count("roll_out") == 4


def test_what_is_busy_is_asked_again() -> None:
    throttled = StateFailed("ThrottlingException", "slow down")
    full = StateFailed("SageMaker.ResourceLimitExceededException", "no instance left")
    loop = Loop(
        {"register": [throttled, throttled, ANSWERS["register"]]},
        jobs={"CreateTrainingJob": [full, {"TrainingJobArn": "arn"}]},
    )

    execution = loop.run()

    assert output_of(execution)["outcome"] == "promoted"


def test_an_outcome_that_the_function_corrects_is_the_one_that_counts() -> None:
    loop = Loop(
        {
            "judge": StateFailed("OperatorError", "late"),
            "conclude": {"outcome": "timed_out", "summary": "it took longer than its maximum runtime"},
        }
    )

    execution = loop.run()

    assert (execution.error, execution.cause) == ("TimedOut", "it took longer than its maximum runtime")


def test_a_run_that_cannot_be_concluded_fails_so_that_its_end_is_settled() -> None:
    loop = Loop({"conclude": StateFailed("LockLost", "somebody else was quicker")})

    execution = loop.run()

    assert (execution.status, execution.error) == (Status.FAILED, "Failed")
    assert execution.cause == "the run could not be concluded: LockLost"


class Asked(Loop):
    """Of a package that wants an approval."""

    def answered(self, **answer: str) -> Execution:
        """The end of an execution whose question is answered so; without an answer, after a week."""
        return asyncio.run(self._answered(**answer))

    async def _answered(self, **answer: str) -> Execution:
        execution = await self.world.start(definition(**APPROVED), {"trigger": DRIFT})
        while "ask" not in self.steps:
            await asyncio.sleep(0)
        operation = {"output": "SendTaskSuccess", "error": "SendTaskFailure"}.get(next(iter(answer), ""))
        if operation:
            await self.world.ask(operation, taskToken=self.told_to("ask")["token"], **answer)
        await self.world.advance(hours=24 * 7)
        return execution


def test_a_version_that_a_person_approves_is_rolled_out() -> None:
    loop = Asked({"ask": {"asked": VERSION}})

    execution = loop.answered(output=json.dumps({"approved": True, "by": "ada"}))

    assert output_of(execution)["outcome"] == "promoted"
    assert loop.told_to("roll_out")["approval"] == {"approved": True, "by": "ada"}


def test_a_version_that_a_person_refuses_is_rejected() -> None:
    loop = Asked({"ask": {"asked": VERSION}})

    execution = loop.answered(error="NotApproved", cause="not before the holidays")

    assert output_of(execution)["outcome"] == "rejected"
    assert loop.told_to("conclude")["facts"]["reason"] == "not before the holidays"
    assert "roll_out" not in loop.steps


def test_a_version_that_nobody_approves_in_time_is_not_rolled_out() -> None:
    loop = Asked({"ask": {"asked": VERSION}})

    execution = loop.answered()

    assert execution.error == "TimedOut"
    assert "roll_out" not in loop.steps
