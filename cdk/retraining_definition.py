"""The retraining loop as Step Functions runs it: one call of its function or one job after another, and six ways to
end.

Plain data in Amazon States Language; nothing of the CDK but its tokens passes through. What is known so far is one
variable, `facts`: each step is told all of it, and adds its answer. docs/retraining.md tells the same to people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cdk.retraining_jobs import Jobs, evaluation_arguments, training_arguments
from cdk.time_limits import RETRAINING_SECONDS, evaluation_seconds, training_seconds
from model_packages.contract import SAGEMAKER_ROLLOUT_LIMIT_MINUTES, PackageConfig
from model_packages.discovery import ModelPackage

Json: TypeAlias = dict[str, Any]

LOOK_SECONDS = 30
"""Between two looks at a rollout."""
LATE_ROLLOUT_MINUTES = 30
"""A rollout has so much longer than SageMaker gives it before the loop gives it up."""
STEP_SECONDS = RETRAINING_SECONDS + 30
DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS = 86_400, 3600, 60

ANSWER = "$states.result.Payload"
NOW = (
    "{'run': $states.context.Execution.Name, 'execution': $states.context.Execution.Id, "
    "'now': $states.context.State.EnteredTime}"
)
"""Time is when the state was entered: the same for each attempt, and never the clock of a machine."""

BUSY: Json = {
    "IntervalSeconds": 2,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
    "MaxAttempts": 6,
    "JitterStrategy": "FULL",
}
LAMBDA_BUSY: Json = {
    "ErrorEquals": [
        "Lambda.AWSLambdaException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.TooManyRequestsException",
        "Runtime.ImportModuleError",  # for the seconds in which a deployment has changed code or layer alone
    ],
    **BUSY,
}
OTHERS_BUSY: Json = {"ErrorEquals": ["LostRaces", "ThrottlingException", "TooManyRequestsException"], **BUSY}
"""What the function raises where a service asks it to come back, or others were quicker. Every step may come twice."""
ENDPOINT_BUSY: Json = {
    "ErrorEquals": ["EndpointBusy"],
    "IntervalSeconds": MINUTE_SECONDS,
    "BackoffRate": 1.0,
    "MaxAttempts": SAGEMAKER_ROLLOUT_LIMIT_MINUTES,
}
"""Somebody else's deployment is under way, and ends within SageMaker's limit."""
SAGEMAKER_BUSY: Json = {"ErrorEquals": ["SageMaker.AmazonSageMakerException"], **BUSY}
NO_CAPACITY: Json = {
    "ErrorEquals": ["SageMaker.ResourceLimitExceededException"],
    "IntervalSeconds": 60,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 600,
    "MaxAttempts": 5,
    "JitterStrategy": "FULL",
}
"""Another job has the instances that the account may have. One that may have none hears of it within half an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What the definition names. Each text may be a CloudFormation reference."""

    package: ModelPackage
    function_arn: str
    jobs: Jobs
    partition: str = "aws"

    @property
    def config(self) -> PackageConfig:
        return self.package.config


def retraining_definition(loop: Loop) -> Json:
    """The states in the order in which a run that ends well passes through them, then the ends."""
    asked = loop.config.retraining.approval
    states: dict[str, Json] = {
        "Begin": _begin(),
        "Admit": _step(loop, "admit", learns=ANSWER, then="Admitted"),
        "Admitted": _choice(
            _when("$facts.admitted and $facts.rolls_back", then="RollOut"),
            _when("$facts.admitted", then="Assemble"),
            otherwise="Skipped",
        ),
        "Assemble": _step(loop, "assemble", learns=_as("data"), then="CheckData"),
        "CheckData": _step(loop, "check", learns=_as("check"), then="DataChecked"),
        "DataChecked": _choice(
            _when("$facts.check.passed", then="Train"),
            _when("true", learns="{'outcome': 'rejected', 'reason': $join($facts.check.problems, '; ')}"),
        ),
        "Train": _job(
            loop,
            "sagemaker:createTrainingJob.sync",
            training_arguments(loop.package, loop.jobs),
            seconds=training_seconds(loop.config.training),
            learns="{'model_uri': $states.result.ModelArtifacts.S3ModelArtifacts}",
            then="Evaluate",
        ),
        "Evaluate": _job(
            loop,
            "sagemaker:createProcessingJob.sync",
            evaluation_arguments(loop.package, loop.jobs),
            seconds=evaluation_seconds(),
            learns="{}",
            then="Judge",
        ),
        "Judge": _step(loop, "judge", learns=_as("decision"), then="Register"),
        "Register": _step(loop, "register", learns=ANSWER, then="Registered"),
        "Registered": _choice(
            _when("$facts.decision.promote", then="Approve" if asked else "RollOut"),
            _when("true", learns=_outcome("rejected")),
        ),
        **({"Approve": _approval(loop)} if asked else {}),
        "RollOut": _step(loop, "roll_out", learns=ANSWER, then="Bake", retries=[ENDPOINT_BUSY]),
        "Bake": {"Type": "Wait", "Seconds": LOOK_SECONDS, "Next": "Observe"},
        "Observe": _step(loop, "observe", learns=f"$merge([{ANSWER}, {{'looks': $facts.looks + 1}}])", then="Observed"),
        "Observed": _choice(
            _when("$facts.status = 'in_service'", then="Promote"),
            _when("$facts.status = 'rolled_back'", learns=_outcome("rolled_back")),
            _when("$facts.status = 'failed'", learns=_outcome("failed")),
            _when(f"$facts.looks >= {most_looks(loop.config)}", learns=_outcome("timed_out")),
            otherwise="Bake",
        ),
        "Promote": _step(loop, "promote", learns=_outcome("promoted"), then="Conclude"),
        "Conclude": _conclude(loop),
        "Concluded": _choice(
            _when("$facts.outcome = 'promoted'", then="Promoted"),
            _when("$facts.outcome = 'rejected'", then="Rejected"),
            _when("$facts.outcome = 'rolled_back'", then="RolledBack"),
            _when("$facts.outcome = 'timed_out'", then="TimedOut"),
            otherwise="Failed",
        ),
        "Promoted": _succeed("{'outcome': 'promoted', 'summary': $facts.summary}"),
        "Rejected": _succeed("{'outcome': 'rejected', 'summary': $facts.summary}"),
        "Skipped": _succeed("{'outcome': 'skipped', 'summary': $facts.reason}"),
        "RolledBack": _fail("RolledBack"),
        "Failed": _fail("Failed"),
        "TimedOut": _fail("TimedOut"),
    }
    return {
        "Comment": f"Retrains {loop.package.name}: from a trigger to a proven better model, or a reason why not",
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "TimeoutSeconds": _longest_seconds(states, loop.config),
        "States": states,
    }


def most_looks(config: PackageConfig) -> int:
    """At a rollout, before it is given up."""
    return (config.rollout.longest_minutes + LATE_ROLLOUT_MINUTES) * MINUTE_SECONDS // LOOK_SECONDS


def _longest_seconds(states: Mapping[str, Json], config: PackageConfig) -> int:
    """An execution ends some day, whatever happens: every state once at its longest, the bake, and a day to spare."""
    once = sum(int(state.get("TimeoutSeconds", 0)) for state in states.values())
    baking = most_looks(config) * (LOOK_SECONDS + STEP_SECONDS)
    return once + baking + SAGEMAKER_ROLLOUT_LIMIT_MINUTES * MINUTE_SECONDS + DAY_SECONDS


def _begin() -> Json:
    """Every fact that a choice or an end may name has a value from here on."""
    trigger = "$exists($states.input.trigger) ? $states.input.trigger : {'kind': 'manual'}"
    facts = f"{{'trigger': {trigger}, 'outcome': 'failed', 'summary': '', 'reason': '', 'looks': 0}}"
    return {"Type": "Pass", "Assign": {"facts": f"{{% {facts} %}}"}, "Next": "Admit"}


def _step(loop: Loop, step: str, *, learns: str, then: str, retries: Sequence[Json] = ()) -> Json:
    """One call of the function. `learns` is what the facts have more after it, in JSONata."""
    told = f"{{% $merge([$facts, {NOW}, {{'step': '{step}'}}]) %}}"
    return {
        "Type": "Task",
        "Resource": _integration(loop, "lambda:invoke"),
        "Arguments": {"FunctionName": loop.function_arn, "Payload": told},
        "TimeoutSeconds": STEP_SECONDS,
        "Retry": [*retries, LAMBDA_BUSY, OTHERS_BUSY],
        "Catch": _catches(),
        "Assign": _learned(learns),
        "Next": then,
    }


def _job(loop: Loop, service: str, arguments: Json, *, seconds: int, learns: str, then: str) -> Json:
    """One job of SageMaker's, from its start to its end."""
    return {
        "Type": "Task",
        "Resource": _integration(loop, service),
        "Arguments": arguments,
        "TimeoutSeconds": seconds,
        "Retry": [NO_CAPACITY, SAGEMAKER_BUSY],
        "Catch": _catches(),
        "Assign": _learned(learns),
        "Next": then,
    }


def _approval(loop: Loop) -> Json:
    """Waits for a person: `flyball approve` and `flyball reject` send the token back."""
    told = f"{{% $merge([$facts, {NOW}, {{'step': 'ask', 'token': $states.context.Task.Token}}]) %}}"
    refused = {
        "ErrorEquals": ["NotApproved"],
        "Assign": _learned("{'outcome': 'rejected', 'reason': $states.errorOutput.Cause}"),
        "Next": "Conclude",
    }
    return {
        "Type": "Task",
        "Resource": _integration(loop, "lambda:invoke.waitForTaskToken"),
        "Arguments": {"FunctionName": loop.function_arn, "Payload": told},
        "TimeoutSeconds": loop.config.retraining.approval_hours * HOUR_SECONDS,
        "Retry": [LAMBDA_BUSY, OTHERS_BUSY],
        "Catch": [refused, *_catches()],
        "Assign": _learned("{'approval': $states.result}"),
        "Next": "RollOut",
    }


def _conclude(loop: Loop) -> Json:
    """Cleans up, writes down and tells how the run ended. Where that fails, the execution's own end is acted on."""
    told = f"{{% $merge([{NOW}, {{'step': 'conclude', 'outcome': $facts.outcome, 'facts': $facts}}]) %}}"
    lost = {
        "ErrorEquals": ["States.ALL"],
        "Assign": _learned("{'summary': 'the run could not be concluded: ' & $states.errorOutput.Error}"),
        "Next": "Failed",
    }
    return {
        **_step(loop, "conclude", learns=ANSWER, then="Concluded"),
        "Arguments": {"FunctionName": loop.function_arn, "Payload": told},
        "Catch": [lost],
    }


def _catches() -> list[Json]:
    """Whatever goes wrong, the run is concluded with what is known so far."""
    error = "'error': $states.errorOutput.Error, 'cause': $states.errorOutput.Cause"
    timed_out = _learned(f"{{'outcome': 'timed_out', {error}}}")
    failed = _learned(f"{{'outcome': 'failed', {error}}}")
    return [
        {"ErrorEquals": ["States.Timeout", "Sandbox.Timedout"], "Assign": timed_out, "Next": "Conclude"},
        {"ErrorEquals": ["States.ALL"], "Assign": failed, "Next": "Conclude"},
    ]


def _choice(*rules: Json, otherwise: str | None = None) -> Json:
    """Of the rules, the first that holds."""
    return {"Type": "Choice", "Choices": list(rules), **({"Default": otherwise} if otherwise else {})}


def _when(condition: str, *, then: str = "Conclude", learns: str | None = None) -> Json:
    assigned = {"Assign": _learned(learns)} if learns else {}
    return {"Condition": f"{{% {condition} %}}", **assigned, "Next": then}


def _succeed(output: str) -> Json:
    return {"Type": "Succeed", "Output": f"{{% {output} %}}"}


def _fail(error: str) -> Json:
    return {"Type": "Fail", "Error": error, "Cause": "{% $facts.summary %}"}


def _as(name: str) -> str:
    """The function's answer as one fact."""
    return f"{{'{name}': {ANSWER}}}"


def _outcome(outcome: str) -> str:
    return f"{{'outcome': '{outcome}'}}"


def _learned(more: str) -> Json:
    """What a state assigns: the facts with more of them; of two with one name, the later."""
    return {"facts": f"{{% $merge([$facts, {more}]) %}}"}


def _integration(loop: Loop, service: str) -> str:
    return f"arn:{loop.partition}:states:::{service}"
