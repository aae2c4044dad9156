"""The step that takes the lock: one run gets it, the same run gets the same answer, and nothing is passed over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from functions.retraining.loop_state import ChampionRecord, LabelCount, LoopState, LoopStore, Outcome
from functions.retraining.triggers import TriggerKind
from functions.shared import layout
from model_packages.errors import OperatorError
from model_packages.profile.intervals import Estimate
from model_packages.profile.quality_baseline import QualityBaseline
from model_packages.profile.quality_fields import QualityFields
from tests.functions.monitor.cloud import When
from tests.functions.retraining.cloud import ARTIFACTS, CAPTURES, PARAMETER, Cloud
from tests.functions.retraining.loops import (
    DAY,
    ENDPOINT,
    GROUP,
    HOUR,
    KEY,
    LONG_AGO,
    NOON,
    admit,
    conclude,
    core_on,
    execution_of,
    put_labels,
    running,
    state_of,
    step_of,
)


def test_a_run_by_hand_gets_the_lock_and_what_it_needs() -> None:
    cloud = Cloud()

    answer = admit(cloud, "one", by="ada")

    assert answer == {
        "admitted": True,
        "rolls_back": False,
        "trigger": {"kind": "manual", "by": "ada"},
        "job": answer["job"],
        "champion": {"arn": "none", "model_uri": "s3://assets/model.tar.gz", "label": "initial"},
    }
    assert answer["job"].startswith(f"{ENDPOINT}-")
    assert len(answer["job"]) <= 63
    lock = state_of(cloud).lock
    assert lock is not None
    assert (lock.run, lock.execution, lock.since, lock.phase) == ("one", execution_of("one"), NOON, "preparing")


def test_a_registered_champion_is_described_by_the_registry() -> None:
    arn = f"{GROUP}/7"
    containers = {"Containers": [{"ModelDataUrl": "s3://artifacts/flowers/runs/x/model.tar.gz"}]}
    cloud = Cloud(parameters={PARAMETER: arn}, versions={arn: {"InferenceSpecification": containers}})

    champion = admit(cloud, "one")["champion"]

    assert champion == {"arn": arn, "model_uri": "s3://artifacts/flowers/runs/x/model.tar.gz", "label": "7"}


def test_a_champion_without_a_model_is_told() -> None:
    cloud = Cloud(parameters={PARAMETER: f"{GROUP}/7"}, versions={f"{GROUP}/7": {}})

    with pytest.raises(OperatorError, match="found no ModelDataUrl"):
        admit(cloud, "one")

    assert state_of(cloud).lock is None


def test_a_run_that_goes_back_says_to_which_version() -> None:
    cloud = Cloud()

    answer = admit(cloud, "one", rollback_to=f"{GROUP}/3")

    assert (answer["rolls_back"], answer["version"]) == (True, f"{GROUP}/3")
    assert "list_objects_v2" not in cloud.calls


def test_the_same_run_gets_the_same_answer() -> None:
    cloud = running(Cloud(), "one", "two")
    first = admit(cloud, "one")
    refused = admit(cloud, "two")

    assert admit(cloud, "one", now=NOON + HOUR) == first
    assert admit(cloud, "two", now=NOON + HOUR) == refused
    assert len(state_of(cloud).skipped) == 1


def test_a_run_that_has_ended_gets_the_lock_no_more() -> None:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")
    conclude(cloud, "one", outcome="rejected")

    answer = admit(cloud, "one")

    assert answer["admitted"] is False
    assert state_of(cloud).lock is None


def test_a_trigger_that_is_not_acted_on_is_noted_and_counted() -> None:
    cloud = running(Cloud(), "one")
    admit(cloud, "one")

    answer = admit(cloud, "two")

    [skipped] = state_of(cloud).skipped
    assert answer == {"admitted": False, "reason": skipped.reason}
    assert (skipped.kind, skipped.at, skipped.run) == (TriggerKind.MANUAL, NOON, "two")
    assert cloud.metrics()["RetrainingSkipped"] == 1


def test_drift_that_has_to_wait_is_acted_on_by_a_later_look() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "late")
    put_labels(cloud, NOON - HOUR, 300)
    answer = admit(cloud, "early", kind="drift", alarm="flowers-Drift")
    put_labels(cloud, NOON, 300)

    later = admit(cloud, "late", kind="look", now=NOON + 2 * HOUR)

    assert answer["reason"].startswith("300 predictions made since the alarm have got labels")
    assert later["trigger"] == {"kind": "drift", "alarm": "flowers-Drift", "since": LONG_AGO.isoformat()}
    conclude(cloud, "late")
    assert state_of(cloud).deferred is None


def test_the_alarm_that_the_trigger_named_counts() -> None:
    cloud = Cloud(alarms={"flowers-OtherQuality": "ALARM", "flowers-LowQuality": "OK"})
    admit(cloud, "early", kind="quality", alarm="flowers-OtherQuality")
    put_labels(cloud, NOON, 900)

    answer = admit(cloud, "look", kind="look", now=NOON + HOUR)

    assert (answer["trigger"]["kind"], answer["trigger"]["alarm"]) == ("quality", "flowers-OtherQuality")


def test_drift_waits_for_labels_of_what_came_after_its_alarm() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "early", "again", "late")
    put_labels(cloud, NOON - 2 * HOUR, 900)

    early = admit(cloud, "early", kind="drift", alarm="flowers-Drift", since="")
    put_labels(cloud, NOON + HOUR, 499)
    again = admit(cloud, "again", kind="drift", alarm="flowers-Drift", since="", now=NOON + 3 * HOUR)
    put_labels(cloud, NOON + 2 * HOUR, 1)
    late = admit(cloud, "late", kind="look", now=NOON + 4 * HOUR)

    assert early["reason"].startswith("0 predictions made since the alarm have got labels")
    assert again["reason"].startswith("499 predictions made since the alarm have got labels")
    assert late["admitted"] is True
    assert datetime.fromisoformat(late["trigger"]["since"]) == NOON


def test_a_look_that_has_to_wait_reads_what_came_after_the_alarm_alone() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "early", "late")
    for hour in range(1, 100):
        put_labels(cloud, NOON - hour * HOUR, 50)
    admit(cloud, "early", kind="drift", alarm="flowers-Drift", since="")
    put_labels(cloud, NOON + HOUR, 50)
    cloud.calls.clear()

    admit(cloud, "late", kind="look", now=NOON + 3 * HOUR)

    assert cloud.calls.count("get_object") < 10


def test_drift_that_went_away_is_dropped_with_the_reason() -> None:
    cloud = Cloud(alarms={"flowers-Drift": "OK"})
    admit(cloud, "early", kind="drift", alarm="flowers-Drift")

    answer = admit(cloud, "look", kind="look", now=NOON + HOUR)

    assert answer == {"admitted": False, "reason": "the alarm flowers-Drift is not in ALARM any more"}
    [skipped] = state_of(cloud).skipped
    assert (skipped.kind, skipped.run, skipped.reason) == (TriggerKind.DRIFT, "early", answer["reason"])
    assert state_of(cloud).deferred is None


def test_the_first_trigger_waits_and_another_alarm_joins_it() -> None:
    cloud = Cloud()
    admit(cloud, "drifted", kind="drift", alarm="flowers-Drift", since="")
    admit(cloud, "drifted again", kind="drift", alarm="flowers-Drift", since="", now=NOON + HOUR)
    put_labels(cloud, NOON + HOUR, 20)

    worse = admit(cloud, "worse", kind="quality", alarm="flowers-LowQuality", since="", now=NOON + 3 * HOUR)

    state = state_of(cloud)
    assert state.deferred is not None
    assert (state.deferred.trigger.kind, state.deferred.since) == (TriggerKind.DRIFT, NOON)
    assert state.deferred.reason.startswith("20 predictions made since the alarm")
    [skipped] = state.skipped
    assert (skipped.run, skipped.kind) == ("worse", TriggerKind.QUALITY)
    assert skipped.reason.startswith("the trigger drift has waited since")
    assert worse["reason"].startswith("20 predictions made since the alarm")


def test_an_alarm_that_comes_and_goes_does_not_put_off_the_one_that_stays() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM", "flowers-LowQuality": "OK"}), "late")
    admit(cloud, "drifted", kind="drift", alarm="flowers-Drift", since="")
    for hour in range(1, 9):
        put_labels(cloud, NOON + hour * HOUR, 60)
        now = NOON + (hour + 1) * HOUR
        admit(cloud, f"worse {hour}", kind="quality", alarm="flowers-LowQuality", since="", now=now)
        assert admit(cloud, f"look {hour}", kind="look", now=now)["admitted"] is False
    put_labels(cloud, NOON + 9 * HOUR, 60)

    late = admit(cloud, "late", kind="look", now=NOON + 10 * HOUR)

    assert late["trigger"] == {"kind": "drift", "alarm": "flowers-Drift", "since": NOON.isoformat()}


def test_what_waits_is_not_dropped_while_the_alarm_that_joined_it_is_there() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "OK", "flowers-LowQuality": "ALARM"}), "late")
    admit(cloud, "drifted", kind="drift", alarm="flowers-Drift", since="")
    admit(cloud, "worse", kind="quality", alarm="flowers-LowQuality", since="", now=NOON + HOUR)
    put_labels(cloud, NOON + HOUR, 500)

    late = admit(cloud, "late", kind="look", now=NOON + 3 * HOUR)

    assert (late["admitted"], late["trigger"]["since"]) == (True, NOON.isoformat())


def test_a_look_says_how_far_what_waits_has_come() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "early")
    admit(cloud, "early", kind="drift", alarm="flowers-Drift", since="")
    put_labels(cloud, NOON + HOUR, 70)

    admit(cloud, "look", kind="look", now=NOON + 3 * HOUR)

    state = state_of(cloud)
    assert state.deferred is not None
    assert state.deferred.reason.startswith("70 predictions made since the alarm have got labels")


def test_what_comes_while_a_run_is_under_way_waits_from_then_on() -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "run")
    admit(cloud, "drifted", kind="drift", alarm="flowers-Drift", since="")
    put_labels(cloud, NOON + HOUR, 500)
    admit(cloud, "run", kind="look", now=NOON + 3 * HOUR)

    admit(cloud, "worse", kind="quality", alarm="flowers-LowQuality", since="", now=NOON + 4 * HOUR)

    state = state_of(cloud)
    assert state.deferred is not None
    assert (state.deferred.trigger.kind, state.deferred.since) == (TriggerKind.QUALITY, NOON + 4 * HOUR)


def test_a_look_that_finds_nothing_leaves_no_trace_and_reads_little() -> None:
    cloud = Cloud()
    admit(cloud, "first", kind="look")
    before, cloud.calls = state_of(cloud), []

    answer = admit(cloud, "second", kind="look", now=NOON + HOUR)

    assert answer == {"admitted": False, "reason": "nothing asks for a run"}
    assert state_of(cloud) == before == LoopState(begun=NOON)
    assert {"list_objects_v2", "put_object", "describe_alarms"}.isdisjoint(cloud.calls)


def test_labels_that_came_late_for_predictions_before_the_last_run_are_new() -> None:
    cloud = running(Cloud(), "one", "two")
    put_labels(cloud, NOON - 3 * DAY, 600)
    admit(cloud, "one")
    conclude(cloud, "one")
    put_labels(cloud, NOON - 3 * DAY, 1050)
    put_labels(cloud, NOON + DAY, 49)

    lacking = admit(cloud, "two", kind="drift", now=NOON + 3 * DAY)
    put_labels(cloud, NOON + DAY, 50)
    enough = admit(cloud, "three", kind="drift", now=NOON + 3 * DAY)

    assert state_of(cloud).runs[0].labels == LabelCount(hour="2026/01/15/11", rows=600)
    assert lacking["reason"].startswith("499 predictions")
    assert enough["admitted"] is True


def test_labels_whose_older_records_have_expired_are_still_counted() -> None:
    cloud = running(Cloud(), "one", "two")
    put_labels(cloud, NOON - 3 * DAY, 6000)
    admit(cloud, "one")
    conclude(cloud, "one")
    del cloud.objects[CAPTURES, layout.quality_key(ENDPOINT, NOON - 3 * DAY)]
    put_labels(cloud, NOON + DAY, 500)

    assert admit(cloud, "two", kind="drift", now=NOON + 3 * DAY)["admitted"] is True


def test_a_failed_run_has_used_up_no_labels() -> None:
    cloud = running(Cloud(), "one", "two")
    put_labels(cloud, NOON - DAY, 600)
    admit(cloud, "one")
    conclude(cloud, "one", outcome="failed")

    assert admit(cloud, "two", kind="drift", now=NOON + 3 * DAY)["admitted"] is True


def test_labels_of_a_package_whose_predictions_are_not_judged_are_counted_by_the_gateway() -> None:
    cloud = Cloud(sums={"Labels": 500.0})

    event = step_of("one", trigger={"kind": "drift"})
    answer = core_on(cloud, is_judged=False).admitting.admit(event)

    assert answer["admitted"] is True


@pytest.mark.parametrize(("pages", "is_admitted"), [(1, False), (2, True)])
def test_labels_that_the_gateway_counted_are_read_page_by_page(pages: int, *, is_admitted: bool) -> None:
    cloud = Cloud(sums={"Labels": 250.0}, metric_pages=pages)

    event = step_of("one", trigger={"kind": "drift"})
    answer = core_on(cloud, is_judged=False).admitting.admit(event)

    assert answer["admitted"] is is_admitted


def test_a_lock_of_an_execution_that_is_over_is_settled_first() -> None:
    cloud = running(Cloud(), "dead")
    admit(cloud, "dead")
    cloud.executions[execution_of("dead")] = {"status": "ABORTED", "cause": "by ada"}

    answer = admit(cloud, "two", now=NOON + HOUR)

    assert answer["admitted"] is True
    [record] = state_of(cloud).runs
    assert (record.run, record.outcome, record.summary) == (
        "dead",
        Outcome.FAILED,
        "its execution was stopped: by ada",
    )


def test_a_lock_of_an_execution_that_nobody_knows_is_settled_too() -> None:
    cloud = Cloud()
    admit(cloud, "dead")

    assert admit(cloud, "two")["admitted"] is True
    assert state_of(cloud).runs[0].summary == "its execution is gone"


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("kind", ["manual", "look"])
def test_of_two_runs_that_ask_at_once_one_gets_the_lock(at: int, kind: str) -> None:
    cloud = running(Cloud(alarms={"flowers-Drift": "ALARM"}), "one", "two")
    put_labels(cloud, NOON - HOUR, 300)
    admit(cloud, "zero", kind="drift", alarm="flowers-Drift")
    put_labels(cloud, NOON - HOUR, 900)
    count: list[int] = [-1]
    answers: list[dict[str, Any]] = []

    def other_comes_between(_name: str, when: When) -> None:
        count[0] += when == "before"
        if count[0] == at and when == "before" and not answers:
            answers.append(admit(cloud, "two", kind=kind))

    answers.append(admit(cloud.client(other_comes_between), "one", kind=kind))

    lock = state_of(cloud).lock
    assert lock is not None
    assert [answer["admitted"] for answer in answers].count(True) == 1
    assert lock.run == ("two" if len(answers) == 2 and answers[0]["admitted"] else "one")


def quality(accuracy: float) -> bytes:
    fields = QualityFields(form="class", metric="accuracy", prediction="species", label="species")
    metrics = {"accuracy": Estimate(accuracy, accuracy, accuracy)}
    holdout = QualityBaseline(fields, rows=100, loss=1 - accuracy, loss_scale=1.0, metrics=metrics)
    return holdout.to_json().encode()


COSTS = {"run_usd": 40.0, "error_usd": 1.0}


@pytest.mark.parametrize(
    ("requests", "reason"),
    [(399, "about 40 more wrong predictions than on the holdout have cost 39.90 dollars"), (401, None)],
)
def test_the_cost_of_errors_is_measured_by_labels(requests: int, reason: str | None) -> None:
    cloud = Cloud(sums={"Requests": float(requests)})
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda state: replace(state, begun=NOON - 5 * DAY))
    cloud.objects[ARTIFACTS, "initial/quality.json"] = quality(0.9)
    put_labels(cloud, NOON - 6 * DAY, 600, accuracy=0.1)  # before the loop first looked
    put_labels(cloud, NOON - DAY, 600, accuracy=0.8)

    answer = admit(cloud, "one", kind="drift", settings=COSTS)

    assert answer["admitted"] is (reason is None)
    assert reason is None or answer["reason"].startswith(reason)


@pytest.mark.parametrize(("requests", "reason"), [(99, "the drift can have cost 39.60 dollars at most"), (100, None)])
def test_without_labels_enough_the_drift_that_was_found_says_how_much_it_can_be(
    requests: int, reason: str | None
) -> None:
    cloud = Cloud(sums={"Requests": float(requests)})
    put_labels(cloud, NOON - DAY, 1)
    columns = [
        {"side": "request", "changed": True, "change": 0.15},
        {"side": "request", "changed": True, "change": 0.05},
        {"side": "request", "changed": False, "change": 0.9},
        {"side": "response", "changed": True, "change": 0.9},
    ]
    window = {
        "served": {"version": "initial"},
        "columns": columns,
        "inputs": {"score": 0.15},
        "traffic": {"rows": 400, "records": 200},
    }
    cloud.put_json(CAPTURES, layout.latest_key(ENDPOINT), {"window": "000001-x"})
    cloud.put_json(CAPTURES, f"{layout.window_prefix(ENDPOINT, '000001-x')}window.json", window)

    answer = admit(cloud, "one", kind="drift", settings={**COSTS, "minimum_labels": 1})

    assert answer["admitted"] is (reason is None)
    assert reason is None or reason in answer["reason"]


def test_a_window_of_another_version_says_nothing_of_this_one() -> None:
    cloud = Cloud(sums={"Requests": 10.0})
    put_labels(cloud, NOON - DAY, 1)
    window = {"served": {"version": "7"}}
    cloud.put_json(CAPTURES, layout.latest_key(ENDPOINT), {"window": "000001-x"})
    cloud.put_json(CAPTURES, f"{layout.window_prefix(ENDPOINT, '000001-x')}window.json", window)

    assert admit(cloud, "one", kind="drift", settings={**COSTS, "minimum_labels": 1})["admitted"] is True


def test_the_state_quotes_no_token_of_a_request() -> None:
    cloud = running(Cloud(), "one")
    champion = ChampionRecord(arn="none", config="c", model="m", since=NOON, run="")
    LoopStore(cloud.client(), ARTIFACTS, KEY).change(lambda state: state.with_champion(champion))
    admit(cloud, "one")

    cause = json.dumps({"errorType": "ValidationError", "errorMessage": "petals: 17 is no colour"})
    conclude(cloud, "one", outcome="failed", error="ValidationError", cause=cause)

    assert b"17 is no colour" not in cloud.objects[ARTIFACTS, KEY]
    assert "17 is no colour" in cloud.mails[-1]["Message"]
