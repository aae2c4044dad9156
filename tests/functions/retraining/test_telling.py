"""One run of which nobody can be told keeps no later run untold, and is not passed over in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.retraining.loop_state import LoopState, LoopStore, Outcome, RunRecord
from functions.retraining.telling import Telling
from functions.retraining.triggers import TriggerKind
from functions.shared import layout
from functions.shared.logs import make_logger
from tests.functions.monitor.cloud import When
from tests.functions.retraining.cloud import ARTIFACTS, Client, Cloud
from tests.functions.retraining.loops import HOUR, KEY, NOON, admit, core_on, state_of

REPORT = f"{layout.run_prefix('flowers', 'one')}failure.json"


def owing(**first: Any) -> Cloud:
    """With two failed runs of which nobody was told; `first` is of the earlier one."""
    cloud = Cloud()
    one = RunRecord(
        run="one",
        kind=TriggerKind.MANUAL,
        why="",
        started=NOON,
        ended=NOON + HOUR,
        outcome=Outcome.FAILED,
        summary="odd",
        champion="none",
    )
    runs = (replace(one, **first), replace(one, run="two"))
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda _: LoopState(runs=runs))
    return cloud


def telling_on(client: Client | Cloud, log: StringIO) -> Telling:
    logger = make_logger(service=f"flowers-{id(log)}")
    logger.handlers[0].setStream(log)  # type: ignore[attr-defined]
    return replace(core_on(client).concluding.telling, logger=logger)


def refused_restoring() -> Cloud:
    cloud = owing(restores=True)
    cloud.broken = {"start_execution"}
    return cloud


def spoilt_report() -> Cloud:
    cloud = owing()
    cloud.put_json(ARTIFACTS, REPORT, {"secret": "17 petals"})
    return cloud


def untold(cloud: Cloud) -> list[str]:
    return [record.run for record in state_of(cloud).runs if not record.told]


@pytest.mark.parametrize(
    ("make", "error", "cause"),
    [
        (refused_restoring, ClientError, "AccessDenied"),
        (spoilt_report, KeyError, "KeyError"),
    ],
)
def test_a_run_that_cannot_be_told_keeps_no_later_one_back(
    make: Callable[[], Cloud], error: type[Exception], cause: str
) -> None:
    cloud, log = make(), StringIO()

    with pytest.raises(error):
        telling_on(cloud, log).tell(now=NOON + HOUR)

    assert untold(cloud) == ["one"]
    assert len(cloud.mails) == 1
    [line] = map(json.loads, log.getvalue().splitlines())
    assert (line["level"], line["run"]) == ("ERROR", "one")
    assert cause in line["cause"]


def test_what_stayed_owed_is_told_when_it_can_be_and_alone() -> None:
    cloud = refused_restoring()
    admit(cloud, "look", kind="look")
    cloud.broken = set()

    admit(cloud, "another look", kind="look", now=NOON + HOUR)

    assert untold(cloud) == []
    assert list(cloud.started) == ["one-restore"]
    assert len(cloud.mails) == 2


def test_where_nobody_answers_no_later_run_waits_for_it_too() -> None:
    cloud, log, asked = owing(), StringIO(), list[str]()

    def never_answer(name: str, when: When) -> None:
        if name == "publish" and when == "before":
            asked.append(name)
            raise EndpointConnectionError(endpoint_url="https://sns")

    with pytest.raises(EndpointConnectionError):
        telling_on(cloud.client(never_answer), log).tell(now=NOON + HOUR)

    assert asked == ["publish"]
    assert untold(cloud) == ["one", "two"]
