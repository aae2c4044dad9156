"""A run whose execution ended without a conclusion is concluded once, and its jobs do not go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.retraining.jobs import job_name
from functions.retraining.loop_state import ChampionRecord, LoopStore, Outcome
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.loops import (
    ENDPOINT,
    GROUP,
    HOUR,
    KEY,
    MACHINE,
    NOON,
    admit,
    conclude,
    core_on,
    execution_of,
    running,
    state_of,
)


def event_of(run: str, status: str, **detail: Any) -> dict[str, Any]:
    """What EventBridge sends."""
    return {
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "time": "2026-02-14T13:00:00Z",
        "detail": {
            "executionArn": execution_of(run),
            "stateMachineArn": MACHINE,
            "name": run,
            "status": status,
            "error": None,
            "cause": None,
            **detail,
        },
    }


def begun() -> Cloud:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")
    return cloud


@pytest.mark.parametrize(
    ("status", "detail", "outcome", "summary"),
    [
        ("ABORTED", {}, Outcome.FAILED, "its execution was stopped"),
        ("ABORTED", {"cause": "by ada"}, Outcome.FAILED, "its execution was stopped: by ada"),
        ("TIMED_OUT", {}, Outcome.TIMED_OUT, "the whole run took longer than it may"),
        (
            "FAILED",
            {"error": "States.Runtime", "cause": "no such state"},
            Outcome.FAILED,
            "States.Runtime: no such state",
        ),
        ("FAILED", {}, Outcome.FAILED, "its execution ended as FAILED before the run was concluded"),
    ],
)
def test_a_run_that_was_not_concluded_is_concluded(
    status: str, detail: dict[str, str], outcome: Outcome, summary: str
) -> None:
    cloud = begun()
    job = job_name(ENDPOINT, "one")
    cloud.running_jobs = {f"training {job}", f"processing {job}", "training another"}

    answer = core_on(cloud).settling.settle(event_of("one", status, **detail))

    state = state_of(cloud)
    assert answer == {"settled": True, "outcome": outcome.value, "summary": summary}
    assert (state.lock, state.runs[0].summary, state.runs[0].ended) == (None, summary, NOON + HOUR)
    assert cloud.running_jobs == {"training another"}
    assert len(cloud.mails) == 1


def test_a_run_that_was_concluded_stays_as_it_ended() -> None:
    cloud = begun()
    conclude(cloud, "one", outcome="rolled_back", alarm="flowers-ModelErrors", version=f"{GROUP}/4")
    before, mails = state_of(cloud), list(cloud.mails)

    answer = core_on(cloud).settling.settle(event_of("one", "FAILED", error="RolledBack"))

    assert answer == {"settled": False}
    assert (state_of(cloud), cloud.mails) == (before, mails)


def test_the_end_of_another_execution_settles_nothing() -> None:
    cloud = begun()

    answer = core_on(cloud).settling.settle(event_of("zero", "ABORTED"))

    assert answer == {"settled": False}
    assert state_of(cloud).is_held_by("one")


def test_an_event_that_comes_twice_settles_once() -> None:
    cloud = begun()

    answers = [core_on(cloud).settling.settle(event_of("one", "ABORTED"))["settled"] for _ in range(2)]

    assert answers == [True, False]
    assert len(state_of(cloud).runs) == len(cloud.mails) == 1


def test_a_run_that_had_promoted_its_version_has_promoted_it() -> None:
    cloud = begun()
    champion = ChampionRecord(arn=f"{GROUP}/4", config="c", model="m", since=NOON, run="one")
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda state: state.with_champion(champion))

    answer = core_on(cloud).settling.settle(event_of("one", "ABORTED"))

    assert answer["outcome"] == "promoted"
    assert cloud.mails[0]["Subject"] == "flowers: retraining promoted, 4"


def test_what_nobody_was_told_is_told_when_the_execution_has_ended() -> None:
    cloud = begun()
    conclude(cloud, "one")
    untold = replace(state_of(cloud).runs[0], told=False)
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda state: replace(state, runs=(untold,)))
    cloud.mails.clear()

    core_on(cloud).settling.settle(event_of("one", "FAILED"))

    assert len(cloud.mails) == 1
    assert state_of(cloud).runs[0].told
