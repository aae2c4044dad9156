"""A version that needs a person's word: the token is kept, people are asked, and a settled run asks nobody."""

from __future__ import annotations

import pytest

from functions.retraining.history import history
from functions.retraining.loop_state import Approval, LockLost
from tests.functions.retraining.cloud import Cloud
from tests.functions.retraining.loops import GROUP, HOUR, NOON, admit, conclude, core_on, running, state_of, step_of

DECISION = {
    "promote": True,
    "summary": "better by 0.02",
    "reasons": [{"rule": "minimum accuracy", "passed": True, "found": "0.93", "allowed": "0.5 or more"}],
}
ASK = step_of("one", now=NOON + HOUR, step="ask", token="secret", version=f"{GROUP}/4", decision=DECISION)


def begun() -> Cloud:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")
    return cloud


def test_people_are_asked_and_the_token_is_kept() -> None:
    cloud = begun()

    core_on(cloud, approval_hours=48).asking.ask(ASK)

    expected = Approval(run="one", token="secret", version=f"{GROUP}/4", asked=NOON + HOUR)
    assert state_of(cloud).approval == expected
    [mail] = cloud.mails
    assert mail["Subject"] == "flowers: version 4 waits for your approval"
    assert "flyball approve flowers" in mail["Message"]
    assert "for 48 hours" in mail["Message"]
    assert "passed  minimum accuracy: found 0.93" in mail["Message"]
    assert "secret" not in mail["Message"]


def test_a_question_that_comes_twice_is_kept_once() -> None:
    cloud = begun()

    for _ in range(2):
        core_on(cloud).asking.ask(ASK)

    assert state_of(cloud).approval is not None
    conclude(cloud, "one")
    assert state_of(cloud).approval is None


def test_a_run_that_was_settled_meanwhile_asks_nobody() -> None:
    cloud = begun()
    conclude(cloud, "one", outcome="failed")
    cloud.mails.clear()

    with pytest.raises(LockLost):
        core_on(cloud).asking.ask(ASK)

    assert cloud.mails == []


def test_the_history_shows_the_question_and_not_the_token() -> None:
    cloud = begun()
    core_on(cloud).asking.ask(ASK)

    told = history(state_of(cloud))

    assert told["approval"] == {"run": "one", "version": "4", "asked": "2026-02-14T13:00:00+00:00"}
    assert "secret" not in str(told)
