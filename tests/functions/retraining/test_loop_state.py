"""The loop's state survives being written down, is replaced by one at a time, and keeps no more than it may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.retraining.loop_state import (
    ATTEMPTS,
    CHAMPIONS_KEPT,
    RUNS_KEPT,
    SKIPPED_KEPT,
    Approval,
    ChampionRecord,
    Deferred,
    LabelCount,
    Lock,
    LockLost,
    LoopState,
    LoopStore,
    LostRaces,
    Outcome,
    Reason,
    RunRecord,
    Skipped,
)
from functions.retraining.triggers import Trigger, TriggerKind
from model_packages.errors import OperatorError
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.loops import DAY, GROUP, HOUR, KEY, NOON, SETTINGS

DRIFT = Trigger(kind=TriggerKind.DRIFT, alarm="flowers-Drift", reason="petals are longer")
RUN = RunRecord(
    run="one",
    kind=TriggerKind.DRIFT,
    why="petals are longer",
    started=NOON,
    ended=NOON + HOUR,
    outcome=Outcome.ROLLED_BACK,
    summary="version 4 was rolled back",
    version=f"{GROUP}/4",
    number=4,
    champion=f"{GROUP}/3",
    alarm="flowers-ModelErrors",
    reasons=(Reason(rule="minimum", passed=True, found="0.9", allowed="0.5 or more"),),
    metric="accuracy",
    champion_metric=0.8,
    challenger_metric=0.9,
    manifest_uri="s3://artifacts/flowers/runs/one/manifest.json",
    labels=LabelCount(hour="2026/01/14/12", rows=700),
    told=True,
)
FULL = LoopState(
    begun=NOON - DAY,
    lock=Lock(
        run="two",
        execution="arn",
        since=NOON,
        trigger=DRIFT,
        champion="none",
        labels=LabelCount(hour="2026/01/15/12", rows=3),
        phase="rollout",
    ),
    deferred=Deferred(trigger=DRIFT, since=NOON, reason="too early", run="zero"),
    approval=Approval(run="two", token="t" * 600, version=f"{GROUP}/5", asked=NOON),
    runs=(RUN,),
    champions=(ChampionRecord(arn="none", config="c", model="m", since=NOON, run=""),),
    skipped=(Skipped(at=NOON, kind=TriggerKind.QUALITY, reason="no", run="zero"),),
)


@pytest.fixture(params=["memory", "moto"])
def s3(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both doubles of S3 have to decide alike: the one of these tests, and the local cloud's."""
    if request.param == "memory":
        yield Cloud().client()
        return
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=ARTIFACTS)
        yield client


def store_on(s3: Any) -> LoopStore:
    return LoopStore(s3, ARTIFACTS, KEY)


def test_a_state_survives_being_written_down() -> None:
    assert LoopState.from_json(FULL.to_json()) == FULL
    assert LoopState.from_json(LoopState().to_json()) == LoopState()


def test_a_state_of_another_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(OperatorError, match="format 9; allowed: 1; deploy the release that wrote it"):
        LoopState.from_json(json.dumps({"format": 9}))


def test_before_the_first_state_there_is_an_empty_one(s3: Any) -> None:
    assert store_on(s3).read() == LoopState()


def test_a_package_s_state_lies_below_its_name_as_aws_has_it() -> None:
    store = LoopStore.of(Cloud().client(), replace(SETTINGS, package="wild_flowers"))

    assert (store.bucket, store.key) == (ARTIFACTS, "wild-flowers/retraining/state.json")


def test_what_was_changed_is_read(s3: Any) -> None:
    first = store_on(s3).change(lambda _: FULL)
    second = store_on(s3).change(lambda state: replace(state, lock=None))

    assert first == FULL
    assert second == store_on(s3).read() == replace(FULL, lock=None)


def test_whoever_loses_the_race_changes_what_the_other_left(s3: Any) -> None:
    store = store_on(s3)
    rivals = iter([True, False, False])

    def add(state: LoopState) -> LoopState:
        if next(rivals):
            store.change(lambda other: replace(other, begun=NOON))
        return replace(state, deferred=FULL.deferred)

    store.change(add)

    assert store.read() == LoopState(begun=NOON, deferred=FULL.deferred)


def test_whoever_always_loses_says_so_and_has_changed_nothing() -> None:
    cloud = Cloud()
    rival = store_on(cloud.client())
    times = iter(range(ATTEMPTS))

    def lose(state: LoopState) -> LoopState:
        rival.change(lambda other: replace(other, begun=NOON + next(times) * HOUR))
        return replace(state, lock=FULL.lock)

    with pytest.raises(LostRaces):
        store_on(cloud.client()).change(lose)

    assert rival.read().lock is None


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    cloud = Cloud()
    store_on(cloud.client()).change(lambda _: FULL)

    store_on(cloud.client()).change(lambda state: state)

    assert cloud.calls.count("put_object") == 1


def test_a_run_and_a_champion_that_are_noted_twice_are_there_once() -> None:
    champion = ChampionRecord(arn=f"{GROUP}/4", config="c4", model="m4", since=NOON, run="one")

    state = FULL.with_run(replace(RUN, summary="another")).with_champion(champion).with_champion(champion)

    assert state.runs == (RUN,)
    assert len(state.champions) == 2


def test_only_the_run_with_the_lock_changes_its_phase() -> None:
    changed = FULL.in_phase("two", "preparing")

    assert changed.lock is not None
    assert (changed.lock.run, changed.lock.phase) == ("two", "preparing")
    with pytest.raises(LockLost, match="the run one does not hold the lock any more"):
        FULL.in_phase("one", "rollout")
    with pytest.raises(LockLost):
        LoopState().in_phase("one", "rollout")


def test_the_oldest_of_what_is_remembered_is_forgotten() -> None:
    state = LoopState()

    for number in range(max(RUNS_KEPT, SKIPPED_KEPT, CHAMPIONS_KEPT) + 1):
        state = state.with_run(replace(RUN, run=str(number)))
        state = state.with_skipped(Skipped(at=NOON, kind=TriggerKind.DRIFT, reason=str(number), run="r"))
        state = state.with_champion(ChampionRecord(arn="a", config="c", model="m", since=NOON, run=str(number)))

    assert (len(state.runs), len(state.skipped), len(state.champions)) == (RUNS_KEPT, SKIPPED_KEPT, CHAMPIONS_KEPT)
    assert state.runs[-1].run == state.champions[-1].run == state.skipped[-1].reason == str(RUNS_KEPT)


@pytest.mark.parametrize("trigger", [{}, {"kind": "whim"}, {"kind": "drift", "rollback_to": "none"}])
def test_a_trigger_of_no_known_kind_is_refused(trigger: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match="allowed"):
        Trigger.from_json(trigger)
