"""What the command line asks of a retraining loop, and how it tells the answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.retraining import NO_CHAMPION, Ended, Loop, asked
from local.retraining_history import text
from model_packages.errors import OperatorError

VERSIONS = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flyball-payments"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:flyball-payments-retraining"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:flyball-payments-retraining:a"
OUTPUTS = {
    "Package": "payments",
    "StateMachine": MACHINE,
    "RetrainingFunction": "flyball-payments-retraining",
    "ModelPackageGroup": "flyball-payments",
}
NOTHING: dict[str, Any] = {
    "running": None,
    "waiting": None,
    "approval": None,
    "champion": None,
    "previous": None,
    "runs": [],
    "champions": [],
    "skipped": [],
}


@dataclass
class Cloud:
    """Every service that is asked, in one. `executions` are what DescribeExecution answers, one a call."""

    outputs: dict[str, str] = field(default_factory=lambda: dict(OUTPUTS))
    state: dict[str, Any] | None = None
    history: dict[str, Any] = field(default_factory=lambda: dict(NOTHING))
    executions: list[dict[str, Any]] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    versions: int = 0
    refusal: str | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def loop(self) -> Loop:
        return Loop.find("payments", clients=lambda _service: self)

    def get_paginator(self, name: str) -> Pages:
        group = [{"ModelPackageArn": f"{VERSIONS}/{number}"} for number in range(1, self.versions + 1)]
        steps = [{"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}} for name in self.entered]
        stacks = [{"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]}]
        platform = [{"Outputs": [{"OutputKey": "ArtifactsBucket", "OutputValue": "artifacts"}]}]
        pages: dict[str, dict[str, Any]] = {
            "describe_stacks": {"Stacks": [*stacks, *platform]},
            "list_model_packages": {"ModelPackageSummaryList": group},
            "get_execution_history": {"events": [{"type": "ExecutionStarted"}, *steps]},
        }
        return Pages(pages[name])

    def start_execution(self, **arguments: Any) -> dict[str, str]:
        self.calls.append(("start", json.loads(arguments["input"])["trigger"]))
        assert arguments["stateMachineArn"] == MACHINE
        return {"executionArn": EXECUTION}

    def describe_execution(self, **_arguments: Any) -> dict[str, Any]:
        self.entered.append(f"Step{len(self.executions)}")
        return self.executions.pop(0)

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        assert json.loads(arguments["Payload"]) == {"step": "history"}
        return {"Payload": io.BytesIO(json.dumps(self.history).encode())}

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        if self.state is None or arguments != {"Bucket": "artifacts", "Key": "payments/retraining/state.json"}:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(self.state).encode())}

    def send_task_success(self, **arguments: Any) -> None:
        self._answered("success", arguments)

    def send_task_failure(self, **arguments: Any) -> None:
        self._answered("failure", arguments)

    def _answered(self, how: str, arguments: dict[str, Any]) -> None:
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "SendTask")
        self.calls.append((how, arguments))


@dataclass
class Pages:
    page: dict[str, Any]

    def paginate(self, **_arguments: Any) -> Iterator[dict[str, Any]]:
        yield self.page


def running(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, **more}


WAITING = {"approval": {"run": "a", "token": "t", "version": f"{VERSIONS}/4", "asked": "2026-01-01T00:00:00+00:00"}}


def test_a_run_that_is_started_by_hand_says_who_and_why() -> None:
    cloud = Cloud()

    execution = cloud.loop().start(reason="new merchants")

    [(_, trigger)] = cloud.calls
    assert execution == EXECUTION
    assert trigger["kind"] == "manual"
    assert trigger["reason"] == "new merchants"
    assert trigger["by"]
    assert "rollback_to" not in trigger


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (
            running("SUCCEEDED", output='{"outcome": "promoted", "summary": "version 4 serves"}'),
            Ended("promoted", "version 4 serves"),
        ),
        (running("FAILED", error="RolledBack", cause="by Latency"), Ended("rolled_back", "by Latency")),
        (running("FAILED", error="TimedOut", cause="slow"), Ended("timed_out", "slow")),
        (running("ABORTED"), Ended("aborted", "")),
    ],
    ids=["promoted", "rolled back", "timed out", "stopped"],
)
def test_a_run_is_followed_to_its_end_step_by_step(last: dict[str, Any], ended: Ended) -> None:
    cloud = Cloud(executions=[running("RUNNING"), running("RUNNING"), last])
    said: list[str] = []
    pauses: list[float] = []
    loop = Loop("payments", OUTPUTS, clients=lambda _service: cloud, pause=pauses.append)

    found = loop.follow(EXECUTION, say=said.append)

    assert found == ended
    assert found.is_well == (ended.outcome == "promoted")
    assert said == ["  Step3", "  Step2", "  Step1"]
    assert len(pauses) == 2


def test_looking_at_a_rollout_again_and_again_is_said_once() -> None:
    cloud = Cloud(executions=[running("SUCCEEDED")], entered=["RollOut", "Observe", "Observe", "Observe"])
    said: list[str] = []

    cloud.loop().follow(EXECUTION, say=said.append)

    assert said == ["  RollOut", "  Observe", "  Step1"]


def test_an_approval_sends_back_the_token_that_the_loop_keeps() -> None:
    cloud = Cloud(state=WAITING)

    version = cloud.loop().approve()

    [(how, arguments)] = cloud.calls
    assert (version, how, arguments["taskToken"]) == ("4", "success", "t")
    assert json.loads(arguments["output"])["approved"] is True


def test_a_rejection_says_who_did_not_want_it_and_why() -> None:
    cloud = Cloud(state=WAITING)

    cloud.loop().reject(reason="too slow")

    [(how, arguments)] = cloud.calls
    assert (how, arguments["taskToken"], arguments["error"]) == ("failure", "t", "NotApproved")
    assert arguments["cause"].endswith("did not approve it: too slow")


@pytest.mark.parametrize("state", [None, {"approval": None}], ids=["never run", "nothing waits"])
def test_there_is_nothing_to_approve(state: dict[str, Any] | None) -> None:
    with pytest.raises(OperatorError, match="no version of payments waits for an approval"):
        Cloud(state=state).loop().approve()


def test_an_approval_that_comes_too_late_says_so() -> None:
    with pytest.raises(OperatorError, match="waits no longer"):
        Cloud(state=WAITING, refusal="TaskTimedOut").loop().approve()


def test_another_refusal_is_not_taken_for_that_and_is_told_in_one_sentence() -> None:
    with pytest.raises(OperatorError, match=r"the cloud refused or did not answer: .*AccessDenied"), asked():
        Cloud(state=WAITING, refusal="AccessDeniedException").loop().approve()


def test_the_version_before_is_the_one_that_the_history_names() -> None:
    assert Cloud(history={**NOTHING, "previous": f"{VERSIONS}/3"}).loop().previous() == f"{VERSIONS}/3"


def test_before_the_first_champion_there_is_nothing() -> None:
    with pytest.raises(OperatorError, match="nothing before"):
        Cloud().loop().previous()


def test_a_version_is_named_by_its_number_or_is_the_initial_one() -> None:
    loop = Cloud(versions=12).loop()

    assert loop.version("11") == f"{VERSIONS}/11"
    assert loop.version("initial") == NO_CHAMPION
    with pytest.raises(OperatorError, match=r"no version 13; registered are 1, 2, .*, 12"):
        loop.version("13")
    with pytest.raises(OperatorError, match="allowed: a number"):
        loop.version("latest")


def test_a_package_that_is_not_deployed_or_has_no_loop_is_told_apart() -> None:
    with pytest.raises(OperatorError, match="payments is not deployed; deployed are digits"):
        Cloud(outputs={"Package": "digits"}).loop()
    with pytest.raises(OperatorError, match="without a retraining loop"):
        Cloud(outputs={"Package": "payments"}).loop()


RUN = {
    "run": "a",
    "started": "2026-01-16T03:00:00+00:00",
    "ended": "2026-01-16T04:00:00+00:00",
    "trigger": "drift",
    "trigger_reason": "flyball-payments-Drift",
    "outcome": "promoted",
    "version": "4",
    "arn": f"{VERSIONS}/4",
    "champion": "initial",
    "metric": "average_precision",
    "champion_metric": 0.61,
    "challenger_metric": 0.667,
    "alarm": None,
    "why": "version 4 serves",
    "reasons": [{"rule": "better", "passed": True, "found": "0.02 at least", "allowed": "more than 0"}],
    "manifest_uri": "s3://artifacts/payments/runs/a/manifest.json",
}


def test_the_history_tells_each_run_and_why_it_ended_so() -> None:
    shown = text({**NOTHING, "champion": "4", "runs": [RUN]}).splitlines()

    assert shown == [
        "serving   version 4",
        "2026-01-16 03:00  drift     promoted     version 4",
        "    average_precision 0.61 -> 0.667 (champion: version initial)",
        "    version 4 serves",
        "    because flyball-payments-Drift",
        "    ok   better: 0.02 at least (allowed: more than 0)",
        "    data s3://artifacts/payments/runs/a/manifest.json",
    ]


def test_what_is_under_way_waits_or_was_passed_over_is_told_too() -> None:
    since = "2026-01-16T03:00:00+00:00"
    shown = text(
        {
            **NOTHING,
            "running": {"run": "b", "since": since, "trigger": "manual", "phase": "rollout", "execution": EXECUTION},
            "approval": {"run": "b", "version": "5", "asked": since},
            "waiting": {"trigger": "drift", "since": since, "why": "12 of 500 labels"},
            "skipped": [{"at": since, "trigger": "drift", "why": "a run is under way"}],
        }
    ).splitlines()

    assert shown == [
        "serving   version initial",
        "running   b since 2026-01-16 03:00 (manual, rollout)",
        "waiting   version 5 for `flyball approve` since 2026-01-16 03:00",
        "deferred  drift since 2026-01-16 03:00: 12 of 500 labels",
        "no run has ended yet; `flyball retrain` starts one",
        "not acted on:",
        "  2026-01-16 03:00  drift     a run is under way",
    ]
