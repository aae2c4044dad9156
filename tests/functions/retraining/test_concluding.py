"""However a run ends, and whatever dies or comes twice meanwhile: one record, no lock left, and people told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functions.retraining.jobs import job_name
from functions.retraining.loop_state import Approval, ChampionRecord, LoopState, LoopStore, Outcome
from functions.retraining.triggers import TriggerKind
from functions.shared import layout
from model_packages.errors import OperatorError
from tests.functions.monitor.cloud import Died, When
from tests.functions.retraining.cloud import ARTIFACTS, PARAMETER, Cloud
from tests.functions.retraining.evidences import GOOD, paired
from tests.functions.retraining.loops import (
    ENDPOINT,
    GROUP,
    HOUR,
    KEY,
    NOON,
    NoLeftovers,
    admit,
    conclude,
    core_on,
    execution_of,
    put_labels,
    running,
    state_of,
    step_of,
)

DECISION = {
    "promote": True,
    "summary": "accuracy is surely better by 0.02 or more",
    "reasons": [
        {"rule": "minimum accuracy", "passed": True, "found": "0.93", "allowed": "0.5 or more"},
        {"rule": "slice colour=blue", "passed": False, "found": "-0.2", "allowed": "-0.05 or more"},
    ],
}
FACTS: dict[str, Any] = {
    "decision": DECISION,
    "data": {"manifest_uri": "s3://artifacts/flowers/runs/one/manifest.json"},
    "version": f"{GROUP}/4",
}
END = NOON + 2 * HOUR


def change(cloud: Cloud, function: Callable[[LoopState], LoopState]) -> None:
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(function)


def begun(*, kind: str = "manual", phase: Any = "preparing", **trigger: Any) -> Cloud:
    """With the run `one` under way."""
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "one")
    put_labels(cloud, NOON - HOUR, 900)
    admit(cloud, "one", kind=kind, **trigger)
    change(cloud, lambda state: state.in_phase("one", phase))
    return cloud


def test_a_promotion_is_written_down_and_told() -> None:
    cloud = begun(reason="before the fair", by="ada")

    answer = conclude(cloud, "one", now=END, **FACTS)

    summary = "version 4 serves: accuracy is surely better by 0.02 or more"
    assert answer == {"outcome": "promoted", "summary": summary}
    state = state_of(cloud)
    [record] = state.runs
    assert state.lock is None
    assert (record.started, record.ended, record.number, record.champion) == (NOON, END, 4, "none")
    assert (record.why, record.told) == ("before the fair, by ada", True)
    assert cloud.metrics() == {"RetrainingPromoted": 1, "RetrainingSeconds": 7200}
    [mail] = cloud.mails
    assert mail["Subject"] == "flowers: retraining promoted, 4"
    assert "Version 4 serves: accuracy is surely better" in mail["Message"]
    assert "FAILED  slice colour=blue: found -0.2; allowed: -0.05 or more" in mail["Message"]


def test_what_the_evaluation_found_is_in_the_record() -> None:
    cloud = begun()
    key = f"{layout.run_prefix('flowers', 'one')}evaluation/evidence.json"
    cloud.objects[ARTIFACTS, key] = (
        replace(GOOD, compared=paired(0.125, low=0.05, high=0.15, champion=-0.5)).to_json().encode()
    )

    conclude(cloud, "one", **FACTS)

    [record] = state_of(cloud).runs
    assert (record.metric, record.champion_metric, record.challenger_metric) == ("negative_log_loss", -0.5, -0.375)
    assert "negative_log_loss: champion -0.5, challenger -0.375" in cloud.mails[0]["Message"]


@pytest.mark.parametrize(
    ("outcome", "facts", "summary"),
    [
        ("rejected", {"decision": {"promote": False, "summary": "no better"}}, "no better"),
        (
            "rejected",
            {"decision": DECISION, "version": f"{GROUP}/4", "reason": "not before the fair"},
            "version 4 was not approved: not before the fair",
        ),
        (
            "rejected",
            {"check": {"passed": False, "problems": ["petals: 12% missing", "colour: unknown"]}},
            "the training data were stopped: petals: 12% missing; and 1 more",
        ),
        (
            "rolled_back",
            {"version": f"{GROUP}/4", "alarm": "flowers-ModelErrors"},
            "version 4 was rolled back by the alarm flowers-ModelErrors; the champion serves",
        ),
        ("failed", {"reason": "the endpoint has failed"}, "the endpoint has failed"),
        ("timed_out", {"version": f"{GROUP}/4"}, "the rollout of version 4 did not end in time"),
        ("timed_out", {"error": "States.Timeout", "cause": ""}, "a step took longer than it may"),
        ("promoted", {"version": "none"}, "the initial version serves"),
    ],
)
def test_each_outcome_says_why(outcome: str, facts: dict[str, Any], summary: str) -> None:
    cloud = begun()

    answer = conclude(cloud, "one", outcome=outcome, **facts)

    assert answer == {"outcome": outcome, "summary": summary}
    assert f"retraining {outcome.replace('_', ' ')}" in cloud.mails[0]["Subject"]
    assert set(cloud.metrics()) == {
        {
            "promoted": "RetrainingPromoted",
            "rejected": "RetrainingRejected",
            "rolled_back": "RetrainingRolledBack",
            "failed": "RetrainingFailed",
            "timed_out": "RetrainingTimedOut",
        }[outcome],
        "RetrainingSeconds",
    }


def test_a_version_that_nobody_approved_is_told_so_and_the_question_is_gone() -> None:
    cloud = begun()
    change(
        cloud,
        lambda state: replace(state, approval=Approval(run="one", token="secret", version=f"{GROUP}/4", asked=NOON)),
    )

    answer = conclude(cloud, "one", outcome="timed_out", error="States.Timeout", cause="", version=f"{GROUP}/4")

    assert answer["summary"] == "nobody approved version 4 in time"
    assert state_of(cloud).approval is None


def test_another_outcome_is_refused() -> None:
    with pytest.raises(OperatorError, match="outcome: found 'odd'; allowed: promoted, rejected"):
        conclude(begun(), "one", outcome="odd")


def test_a_failed_job_is_told_with_the_end_of_its_log() -> None:
    cloud = begun()
    stream = f"{job_name(ENDPOINT, 'one')}/algo-1-1771070000"
    lines = [(number, f"epoch {number}\n") for number in range(30)]
    cloud.streams["/aws/sagemaker/TrainingJobs", stream] = [*lines, (31, "ValueError: petals 17\n")]
    cause = {
        "TrainingJobName": "flyball-flowers-x",
        "TrainingJobStatus": "Failed",
        "FailureReason": "AlgorithmError: ValueError: petals 17, exit code: 1",
    }

    answer = conclude(cloud, "one", outcome="failed", error="States.TaskFailed", cause=json.dumps(cause))

    assert answer["summary"] == "the training job flyball-flowers-x ended as Failed: AlgorithmError, exit code 1"
    message = cloud.mails[0]["Message"]
    assert "ValueError: petals 17" in message
    assert "epoch 11\n" in message
    assert "epoch 10\n" not in message
    assert b"petals 17" not in cloud.objects[ARTIFACTS, KEY]
    report = cloud.json_at(ARTIFACTS, "flowers/runs/one/failure.json")
    assert report["log_tail"][-1] == "ValueError: petals 17"
    assert "s3://artifacts/flowers/runs/one/failure.json" in message


def test_what_is_left_is_removed_while_the_run_still_has_the_lock() -> None:
    cloud = begun()
    held: list[bool] = []

    class Watching(NoLeftovers):
        def remove(self, state: LoopState, **arguments: Any) -> list[str]:
            held.append(state_of(cloud).is_held_by("one"))
            return super().remove(state, **arguments)

    leftovers = Watching()
    core_on(cloud, leftovers=leftovers).concluding.conclude(step_of("one", outcome="rejected"))

    assert (leftovers.asked, held) == (["one"], [True])


@pytest.mark.parametrize("operation", ["publish", "put_metric_data", "describe_log_streams"])
def test_a_run_ends_even_where_nobody_can_be_told(operation: str) -> None:
    cloud = begun()
    cloud.broken = {operation}

    answer = conclude(cloud, "one", outcome="failed", reason="odd")

    assert answer == {"outcome": "failed", "summary": "odd"}
    assert state_of(cloud).lock is None
    cloud.broken = set()
    admit(cloud, "look", kind="look", now=END)
    assert len(cloud.mails) == 1
    assert state_of(cloud).runs[0].told


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "rejected"])
def test_drift_that_a_run_did_not_cure_waits_for_the_next(outcome: str) -> None:
    cloud = begun(kind="drift", alarm="flowers-Drift")

    conclude(cloud, "one", outcome=outcome, decision={"promote": False, "summary": "no better"})

    deferred = state_of(cloud).deferred
    assert deferred is not None
    assert (deferred.trigger.alarm, deferred.reason) == ("flowers-Drift", f"the run one ended as {outcome}")


def test_a_newer_trigger_of_another_kind_waits_in_place_of_the_one_that_ran() -> None:
    cloud = running(begun(kind="drift", alarm="flowers-Drift"), "one", "two")
    admit(cloud, "two", kind="quality", alarm="flowers-LowQuality")

    conclude(cloud, "one", outcome="failed")

    state = state_of(cloud)
    assert state.deferred is not None
    assert (state.deferred.trigger.kind, state.deferred.run) == (TriggerKind.QUALITY, "two")
    [skipped] = state.skipped
    assert (skipped.kind, skipped.run) == (TriggerKind.DRIFT, "one")
    assert skipped.reason.startswith("the trigger quality waits in its place")


@pytest.mark.parametrize(
    ("outcome", "facts"),
    [("promoted", {}), ("rolled_back", {}), ("rejected", {"decision": DECISION, "reason": "not now"})],
)
def test_drift_that_was_cured_or_that_people_have_to_see_to_waits_no_more(outcome: str, facts: dict[str, Any]) -> None:
    cloud = begun(kind="drift", alarm="flowers-Drift")

    conclude(cloud, "one", outcome=outcome, **facts)

    assert state_of(cloud).deferred is None


def test_a_run_that_never_got_the_lock_is_written_down_and_takes_nobody_else_s() -> None:
    cloud = begun()

    conclude(cloud, "two", outcome="failed", error="OperatorError", cause="", trigger={"kind": "whim"})

    state = state_of(cloud)
    assert state.is_held_by("one")
    assert [record.run for record in state.runs] == ["two"]


def test_a_run_that_is_concluded_twice_has_ended_as_it_did_first() -> None:
    cloud = begun()
    first = conclude(cloud, "one", **FACTS)
    mails = len(cloud.mails)

    second = conclude(cloud, "one", outcome="failed", now=END, error="States.TaskFailed")

    assert second == first
    assert len(state_of(cloud).runs) == 1
    assert len(cloud.mails) == mails == 1


class Dying:
    """Ends the process at one call, before or after it has had its effect."""

    def __init__(self, at: int, when: When) -> None:
        self.at, self.when, self.count = at, when, -1

    def __call__(self, _name: str, when: When) -> None:
        self.count += when == "before"
        if self.count >= self.at and when == self.when:
            raise Died


CAUSE = json.dumps({"ProcessingJobName": "j", "ProcessingJobStatus": "Failed", "ExitMessage": "odd"})
ENDS: list[tuple[str, dict[str, Any]]] = [("promoted", FACTS), ("failed", {**FACTS, "error": "x", "cause": CAUSE})]


def in_rollout() -> Cloud:
    cloud = begun(kind="drift", alarm="flowers-Drift", phase="rollout")
    cloud.endpoint = {"EndpointConfigName": f"{ENDPOINT}-v4-abc"}
    return cloud


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("outcome", "facts"), ENDS)
def test_a_conclusion_that_dies_anywhere_and_is_repeated_leaves_what_one_undisturbed_leaves(
    outcome: str, facts: dict[str, Any], when: When
) -> None:
    undisturbed, counting = in_rollout(), Dying(10**9, "before")
    event = step_of("one", now=END, outcome=outcome, facts=facts)
    core_on(undisturbed.client(counting)).concluding.conclude(event)
    assert counting.count > 8

    for at in range(counting.count + 1):
        cloud = in_rollout()
        with pytest.raises(Died):
            core_on(cloud.client(Dying(at, when))).concluding.conclude(event)
        core_on(cloud).concluding.conclude(event)

        assert state_of(cloud) == state_of(undisturbed), f"died {when} call {at}"
        assert cloud.objects.keys() == undisturbed.objects.keys()
        assert cloud.metrics() == undisturbed.metrics()
        assert cloud.started == undisturbed.started
        assert 1 <= len(cloud.mails) <= 2
        assert all(mail == undisturbed.mails[0] for mail in cloud.mails)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_admission_that_dies_anywhere_and_is_repeated_gets_one_lock(when: When) -> None:
    def waiting() -> Cloud:
        cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "dead", "one")
        admit(cloud, "dead")
        cloud.executions[execution_of("dead")] = {"status": "ABORTED"}
        put_labels(cloud, NOON - HOUR, 900)
        return cloud

    undisturbed, counting = waiting(), Dying(10**9, "before")
    expected = admit(undisturbed.client(counting), "one", kind="manual", now=END)

    for at in range(counting.count + 1):
        cloud = waiting()
        with pytest.raises(Died):
            admit(cloud.client(Dying(at, when)), "one", kind="manual", now=END)
        answer = admit(cloud, "one", kind="manual", now=END)

        assert answer == expected, f"died {when} call {at}"
        assert state_of(cloud) == state_of(undisturbed)


@pytest.mark.parametrize("at", range(14))
def test_two_conclusions_at_once_make_one_record(at: int) -> None:
    cloud, count = begun(), [-1]
    event = step_of("one", outcome="rejected", facts={"decision": {"promote": False, "summary": "no better"}})

    def other_comes_between(_name: str, when: When) -> None:
        count[0] += when == "before"
        if count[0] == at and when == "before":
            conclude(cloud, "one", outcome="failed", reason="odd")

    answer = core_on(cloud.client(other_comes_between)).concluding.conclude(event)

    [record] = state_of(cloud).runs
    assert answer == {"outcome": record.outcome.value, "summary": record.summary}
    assert record.told


def test_a_run_that_ends_in_the_middle_of_its_rollout_has_the_champion_put_back() -> None:
    cloud = in_rollout()
    leftovers = NoLeftovers()

    event = step_of("one", outcome="failed", facts={"error": "Odd"})
    core_on(cloud, leftovers=leftovers).concluding.conclude(event)

    [(name, given)] = cloud.started.items()
    assert name == "one-restore"
    assert json.loads(given)["trigger"]["rollback_to"] == "none"
    assert leftovers.asked == []
    assert "The champion is being put back into service" in cloud.mails[0]["Message"]


@pytest.mark.parametrize(
    "endpoint",
    [
        {"EndpointConfigName": "stack-made"},
        {"EndpointConfigName": f"{ENDPOINT}-v3-abc"},
        {"EndpointConfigName": f"{ENDPOINT}-v4-abc", "PendingDeploymentSummary": {"EndpointConfigName": "stack-made"}},
    ],
)
def test_where_the_champion_serves_nothing_is_put_back(endpoint: dict[str, Any]) -> None:
    cloud = in_rollout()
    champion = ChampionRecord(arn=f"{GROUP}/3", config=f"{ENDPOINT}-v3-abc", model="m", since=NOON, run="zero")
    change(cloud, lambda state: state.with_champion(champion))
    cloud.endpoint = endpoint

    conclude(cloud, "one", outcome="failed")

    assert cloud.started == {}


def test_without_an_endpoint_a_run_ends_all_the_same() -> None:
    cloud = in_rollout()
    cloud.endpoint = {}

    assert conclude(cloud, "one", outcome="failed", reason="odd")["summary"] == "odd"
    assert cloud.started == {}


def test_a_run_that_moved_the_pointer_and_did_not_live_to_say_so_has_promoted() -> None:
    cloud = in_rollout()
    cloud.parameters[PARAMETER] = f"{GROUP}/4"

    answer = conclude(cloud, "one", outcome="failed", error="LostRaces", cause="", **FACTS)

    assert answer["outcome"] == "promoted"
    [champion] = state_of(cloud).champions
    assert (champion.arn, champion.config, champion.model) == (f"{GROUP}/4", f"{ENDPOINT}-v4-abc", "the model")
    assert cloud.started == {}


def test_an_update_to_the_run_s_version_that_nobody_watches_is_taken_back() -> None:
    cloud = in_rollout()
    pending = {"EndpointConfigName": f"{ENDPOINT}-v4-abc"}
    cloud.endpoint = {"EndpointConfigName": "stack-made", "PendingDeploymentSummary": pending}

    conclude(cloud, "one", outcome="timed_out")

    assert list(cloud.started) == ["one-restore"]


def test_a_run_that_could_not_put_the_champion_back_is_not_followed_by_another() -> None:
    cloud = running(Cloud(endpoint={"EndpointConfigName": f"{ENDPOINT}-v4-abc"}), "one-restore")
    admit(cloud, "one-restore", rollback_to="none")
    change(cloud, lambda state: state.in_phase("one-restore", "rollout"))

    conclude(cloud, "one-restore", outcome="failed")

    assert cloud.started == {}
    assert state_of(cloud).runs[0].outcome is Outcome.FAILED
