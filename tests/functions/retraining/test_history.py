"""The history tells each run's story, newest first, as JSON."""

from __future__ import annotations

import json

from functions.retraining.history import history
from functions.retraining.loop_state import LoopState
from tests.functions.retraining.cloud import Cloud
from tests.functions.retraining.loops import GROUP, HOUR, NOON, admit, conclude, running, state_of
from tests.functions.retraining.test_loop_state import FULL


def test_every_part_of_a_state_is_told() -> None:
    told = json.loads(json.dumps(history(FULL)))

    [run] = told["runs"]
    assert (run["version"], run["champion"], run["outcome"], run["alarm"]) == (
        "4",
        "3",
        "rolled_back",
        "flowers-ModelErrors",
    )
    assert (run["metric"], run["champion_metric"], run["challenger_metric"]) == ("accuracy", 0.8, 0.9)
    assert run["why"] == "version 4 was rolled back"
    assert told["running"] | {"execution": ""} == {
        "run": "two",
        "since": "2026-02-14T12:00:00+00:00",
        "trigger": "drift",
        "phase": "rollout",
        "execution": "",
    }
    assert told["waiting"]["why"] == "too early"
    assert told["champion"] == "initial"
    assert told["skipped"] == [{"at": "2026-02-14T12:00:00+00:00", "trigger": "quality", "why": "no"}]


def test_before_anything_happened_there_is_nothing_to_tell() -> None:
    told = history(LoopState())

    assert {name for name, value in told.items() if value} == set()


def test_the_newest_run_comes_first() -> None:
    cloud = running(Cloud(), "one", "two")
    for number, run in enumerate(("one", "two")):
        admit(cloud, run, now=NOON + number * HOUR)
        conclude(cloud, run, now=NOON + number * HOUR, version=f"{GROUP}/{number}")

    assert [run["run"] for run in history(state_of(cloud))["runs"]] == ["two", "one"]
