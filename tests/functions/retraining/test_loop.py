"""Each event reaches the part of the loop that it is for."""

from __future__ import annotations

from typing import Any

import pytest

from functions.retraining.loop import RetrainingLoop
from functions.retraining.loop_state import Outcome
from model_packages.errors import OperatorError
from tests.functions.retraining.cloud import Cloud
from tests.functions.retraining.loops import admit, core_on, running, state_of
from tests.functions.retraining.test_settling import event_of


def loop_on(cloud: Cloud) -> RetrainingLoop:
    core = core_on(cloud)
    steps = {"admit": core.admitting.admit, "echo": lambda event: {"told": event["run"]}}
    return RetrainingLoop(steps=steps, settling=core.settling, guard=core.guard)


def test_a_step_is_called_by_its_name() -> None:
    assert loop_on(Cloud()).handle({"step": "echo", "run": "one"}) == {"told": "one"}


def test_cloudformation_is_answered_by_the_guard() -> None:
    cloud = Cloud()
    event = {
        "RequestType": "Create",
        "ResponseURL": "https://cloudformation.example",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "Guard",
    }

    assert loop_on(cloud).handle(event) == {"status": "SUCCESS", "reason": ""}
    assert len(cloud.answers) == 1


def test_the_end_of_an_execution_is_settled() -> None:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")

    loop_on(cloud).handle(event_of("one", "ABORTED"))

    assert state_of(cloud).runs[0].outcome is Outcome.FAILED


@pytest.mark.parametrize("event", [{}, {"step": "dance"}, {"detail-type": "Scheduled Event"}])
def test_an_event_for_nobody_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match="allowed: admit, echo"):
        loop_on(Cloud()).handle(event)
