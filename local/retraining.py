"""What the command line asks of a package's retraining loop: start a run, follow it, answer it, tell its history.

The cloud is the one that AWS_ENDPOINT_URL names, else the local one of this folder, else AWS. A run belongs to the
cloud and not to the command: Ctrl-C ends the watching alone.
"""

from __future__ import annotations

import getpass
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy.handlers import Clients
from local.latest_report import stored
from local.outputs import Outputs, artifacts_bucket, by_package, stack_outputs
from local.project import Project
from local.review import cloud_to_ask
from model_packages.errors import OperatorError

INITIAL = "initial"
NO_CHAMPION = "none"
"""How the champion pointer writes the initial version."""
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
LOOK_SECONDS = 2.0
WELL = ("promoted", "rejected", "skipped")
"""Outcomes of a run that did what it is there for."""

Say = Callable[[str], None]
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended. `outcome` is one of the loop's, or the execution's own status in lower case."""

    outcome: str
    summary: str

    @property
    def is_well(self) -> bool:
        return self.outcome in WELL


@dataclass(frozen=True, slots=True)
class Loop:
    """One deployed package's loop. `pause` waits for so many seconds between two looks."""

    package: str
    outputs: Outputs
    clients: Clients
    pause: Callable[[float], None] = time.sleep

    @classmethod
    def find(cls, package: str, *, clients: Clients) -> Loop:
        """Raises: OperatorError if the package is not deployed."""
        deployed = by_package(stack_outputs(clients("cloudformation")))
        if package not in deployed:
            names = ", ".join(sorted(deployed)) or "none"
            raise OperatorError(f"{package} is not deployed; deployed are {names}; `cdk deploy --all` deploys it")
        if "StateMachine" not in deployed[package]:
            raise OperatorError(f"{package} was deployed without a retraining loop; `cdk deploy --all` adds it")
        return cls(package, deployed[package], clients)

    def start(self, *, reason: str = "", rollback_to: str = "") -> str:
        """Begin a run by hand; the execution's ARN."""
        trigger = {"kind": "manual", "by": getpass.getuser(), "reason": reason, "rollback_to": rollback_to}
        started = self.clients("stepfunctions").start_execution(
            stateMachineArn=self.outputs["StateMachine"],
            name=str(uuid.uuid4()),
            input=json.dumps({"trigger": {name: value for name, value in trigger.items() if value}}),
        )
        return str(started["executionArn"])

    def follow(self, execution: str, *, say: Say) -> Ended:
        """Say each step that the run comes to, until it has ended."""
        told = 0
        while True:
            found = self.clients("stepfunctions").describe_execution(executionArn=execution)
            steps = list(self._steps(execution))
            for step in _without_repeats(steps[told:], before=steps[told - 1] if told else ""):
                say(f"  {step}")
            told = len(steps)
            if found["status"] in ENDED:
                return _ended(found)
            self.pause(LOOK_SECONDS)

    def history(self) -> dict[str, Any]:
        """Runs, champions and what was not acted on, newest first."""
        answer = self.clients("lambda").invoke(
            FunctionName=self.outputs["RetrainingFunction"], Payload=json.dumps({"step": "history"}).encode()
        )
        content: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise OperatorError(f"the history could not be read: {content.get('errorMessage')}")
        return content

    def approve(self) -> str:
        """Have the version that waits rolled out; its number. Raises: OperatorError if none waits."""
        approval = self._approval()
        output = {"approved": True, "by": getpass.getuser()}
        self._answer("send_task_success", taskToken=approval["token"], output=json.dumps(output))
        return _label(approval["version"])

    def reject(self, *, reason: str) -> str:
        """Have the version that waits rejected; its number. Raises: OperatorError if none waits."""
        approval = self._approval()
        cause = f"{getpass.getuser()} did not approve it{f': {reason}' if reason else ''}"
        self._answer("send_task_failure", taskToken=approval["token"], error="NotApproved", cause=cause)
        return _label(approval["version"])

    def previous(self) -> str:
        """The ARN of the champion before this one, `none` for the initial version.

        Raises: OperatorError if no other version ever was champion.
        """
        previous: str | None = self.history()["previous"]
        if previous is None:
            raise OperatorError(f"{self.package} has had no champion but its initial version; there is nothing before")
        return previous

    def version(self, name: str) -> str:
        """The ARN of a version by its number, or `none` for `initial`.

        Raises: OperatorError for what is neither.
        """
        if name == INITIAL:
            return NO_CHAMPION
        if not name.isdecimal():
            raise OperatorError(
                f"found the version {name!r}; allowed: a number that `flyball history` shows, or {INITIAL}"
            )
        group = self.outputs["ModelPackageGroup"]
        pages = self.clients("sagemaker").get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        arns = [version["ModelPackageArn"] for page in pages for version in page["ModelPackageSummaryList"]]
        found = next((arn for arn in arns if _label(arn) == name), None)
        if found is None:
            known = ", ".join(sorted(map(_label, arns), key=int)) or "none"
            raise OperatorError(f"{self.package} has no version {name}; registered are {known}")
        return str(found)

    def _steps(self, execution: str) -> Iterator[str]:
        pages = (
            self.clients("stepfunctions")
            .get_paginator("get_execution_history")
            .paginate(executionArn=execution, includeExecutionData=False, PaginationConfig={"PageSize": 1000})
        )
        for page in pages:
            for event in page["events"]:
                if event["type"] == "TaskStateEntered":
                    yield str(event["stateEnteredEventDetails"]["name"])

    def _approval(self) -> dict[str, str]:
        """The token is read where the loop keeps it: who may read that may answer."""
        key = f"{self.package.replace('_', '-')}/retraining/state.json"
        bucket = artifacts_bucket(stack_outputs(self.clients("cloudformation")))
        content = stored(self.clients("s3"), bucket=bucket, key=key) if bucket else None
        state = json.loads(content) if content else {}
        if not state.get("approval"):
            raise OperatorError(f"no version of {self.package} waits for an approval; `flyball history` shows the runs")
        approval: dict[str, str] = state["approval"]
        return approval

    def _answer(self, call: str, **arguments: str) -> None:
        try:
            getattr(self.clients("stepfunctions"), call)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                raise
            raise OperatorError(
                f"the run of {self.package} waits no longer; `flyball history` says how it ended"
            ) from error


@contextmanager
def asked() -> Iterator[None]:
    """While something is asked of the cloud. Raises: OperatorError with what the cloud said if it refuses."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"the cloud refused or did not answer: {error}") from error


def open_loop(project: Project, package: str, *, say: Say) -> Loop:
    """The loop of a package in the cloud that is asked.

    Raises: OperatorError if it is not deployed there, or nobody answers.
    """
    cloud = cloud_to_ask(project, environment=os.environ)
    say(f"asking {cloud.name}")
    return Loop.find(package, clients=_clients(cloud.variables))


def _clients(variables: Mapping[str, str]) -> Clients:
    """boto3's: in the cloud that the variables name, else in that of this process's environment."""
    import boto3  # noqa: PLC0415 - 0.2 s, and most commands do without

    session = boto3.Session(
        aws_access_key_id=variables.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY"),
        region_name=variables.get("AWS_REGION"),
    )
    return lambda service: session.client(service, endpoint_url=variables.get("AWS_ENDPOINT_URL"))


def _ended(execution: Document) -> Ended:
    output = json.loads(execution.get("output") or "{}")
    if "outcome" in output:
        return Ended(output["outcome"], output.get("summary", ""))
    names = {"RolledBack": "rolled_back", "Failed": "failed", "TimedOut": "timed_out"}
    outcome = names.get(execution.get("error", ""), execution["status"].lower())
    return Ended(outcome, execution.get("cause") or execution.get("error") or "")


def _without_repeats(steps: list[str], *, before: str) -> Iterator[str]:
    """The looks at a rollout are one step."""
    for step in steps:
        if step != before:
            yield step
        before = step


def _label(arn: str) -> str:
    return INITIAL if arn == NO_CHAMPION else arn.rpartition("/")[2]
