"""A trigger starts a run, waits or is not acted on, by the package's rules, and always with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from functions.retraining.admission import MONTH, Facts, decide
from functions.retraining.loop_state import Deferred, Lock, LoopState, Outcome, RunRecord
from functions.retraining.staleness import Staleness
from functions.retraining.triggers import BY_ALARM, Trigger, TriggerKind
from model_packages.contract import Retraining
from tests.functions.retraining.loops import DAY, HOUR, NOON

ENOUGH = Facts(new_labels=10_000, labels_since_alarm=10_000, alarming=frozenset(BY_ALARM))
DRIFT = Trigger(kind=TriggerKind.DRIFT, alarm="flowers-Drift")
LOOK = Trigger(kind=TriggerKind.LOOK)
ALL: tuple[Literal["drift", "quality", "schedule", "labels"], ...] = ("drift", "quality", "schedule", "labels")


def run_at(moment: datetime, **changes: Any) -> RunRecord:
    fixed = {"run": f"at {moment}", "kind": TriggerKind.DRIFT, "why": "", "started": moment, "ended": moment + HOUR}
    return RunRecord(**{**fixed, "outcome": Outcome.PROMOTED, "summary": "", **changes})


def verdict_on(
    trigger: Trigger, state: LoopState | None = None, *, facts: Facts = ENOUGH, now: datetime = NOON, **settings: Any
) -> tuple[str, str]:
    admission = decide(state or LoopState(), trigger, facts=facts, settings=Retraining(**settings), now=now)
    return admission.verdict, admission.reason


def test_drift_with_labels_enough_starts_a_run() -> None:
    assert verdict_on(DRIFT) == ("admitted", "")


def test_a_trigger_that_the_package_does_not_have_is_not_acted_on() -> None:
    assert verdict_on(DRIFT, triggers=("quality",)) == (
        "skipped",
        "retraining.triggers does not have drift; it has quality",
    )


def test_one_run_at_a_time() -> None:
    state = LoopState(lock=Lock(run="one", execution="arn", since=NOON, trigger=DRIFT, champion="none"))
    reason = "the run one has been under way since 2026-02-14 12:00 UTC; one runs at a time"

    assert verdict_on(DRIFT, state) == ("deferred", reason)
    assert verdict_on(Trigger(kind=TriggerKind.MANUAL), state) == ("skipped", reason)
    assert verdict_on(Trigger(kind=TriggerKind.MANUAL, rollback_to="none"), state) == ("skipped", reason)


@pytest.mark.parametrize(
    ("state", "facts", "reason"),
    [
        (
            LoopState(runs=(run_at(NOON - 24 * HOUR),)),
            ENOUGH,
            "the last run ended 2026-02-13 13:00 UTC, and retraining.cooldown_hours is 24",
        ),
        (
            LoopState(runs=tuple(run_at(NOON - day * DAY) for day in range(9, 1, -1))),
            ENOUGH,
            "8 runs began in the last 30 days, and retraining.runs_per_month is 8",
        ),
        (
            LoopState(),
            Facts(new_labels=499, labels_since_alarm=500),
            "499 predictions have got labels since the last run, and retraining.minimum_labels is 500",
        ),
    ],
)
def test_what_makes_a_trigger_wait_makes_no_run_by_hand_wait(state: LoopState, facts: Facts, reason: str) -> None:
    assert verdict_on(DRIFT, state, facts=facts) == ("deferred", reason)
    assert verdict_on(Trigger(kind=TriggerKind.SCHEDULE), state, facts=facts, triggers=ALL) == ("skipped", reason)
    assert verdict_on(Trigger(kind=TriggerKind.MANUAL), state, facts=facts) == ("admitted", "")


def test_the_cooldown_ends_on_the_minute() -> None:
    state = LoopState(runs=(run_at(NOON - 25 * HOUR),))

    assert verdict_on(DRIFT, state, now=NOON - timedelta(minutes=1))[0] == "deferred"
    assert verdict_on(DRIFT, state)[0] == "admitted"


def test_going_back_to_a_version_counts_for_no_month() -> None:
    runs = tuple(run_at(NOON - day * DAY, rolls_back=True) for day in range(9, 1, -1))

    assert verdict_on(DRIFT, LoopState(runs=runs))[0] == "admitted"


@pytest.mark.parametrize(
    ("errors", "source", "expected"),
    [
        (39.0, "labels", "about 39 more wrong predictions than on the holdout have cost 39.00 dollars"),
        (39.0, "drift", "no labels tell the cost, and the drift can have cost 39.00 dollars at most"),
        (40.0, "labels", None),
        (40.0, "drift", None),
    ],
)
def test_drift_waits_until_the_errors_have_cost_a_run(errors: float, source: Any, expected: str | None) -> None:
    facts = replace(ENOUGH, staleness=Staleness(extra_errors=errors, predictions=1000, source=source))

    verdict, reason = verdict_on(DRIFT, facts=facts, run_usd=40.0, error_usd=1.0)

    assert verdict == ("deferred" if expected else "admitted")
    assert reason == (f"{expected} since the last training; a run costs 40.00 (retraining.run_usd)" if expected else "")


def test_costs_that_nobody_can_know_stop_nothing() -> None:
    assert verdict_on(DRIFT, run_usd=40.0, error_usd=1.0) == ("admitted", "")


WAITING = LoopState(deferred=Deferred(trigger=DRIFT, since=NOON - DAY, reason="too early", run="zero"))


def test_a_look_acts_on_what_waits() -> None:
    admission = decide(WAITING, LOOK, facts=ENOUGH, settings=Retraining(), now=NOON)

    assert (admission.verdict, admission.trigger, admission.dropped) == ("admitted", DRIFT, "")


def test_a_look_leaves_what_still_has_to_wait() -> None:
    admission = decide(WAITING, LOOK, facts=replace(ENOUGH, new_labels=3), settings=Retraining(), now=NOON)

    assert (admission.verdict, admission.dropped) == ("nothing", "")
    assert admission.reason.startswith("drift: 3 predictions have got labels")


def test_a_look_drops_what_waits_for_an_alarm_that_is_over() -> None:
    admission = decide(WAITING, LOOK, facts=Facts(new_labels=900), settings=Retraining(), now=NOON)

    assert (admission.verdict, admission.dropped) == ("nothing", "the alarm flowers-Drift is not in ALARM any more")


@pytest.mark.parametrize(
    ("state", "labels", "kind"),
    [
        (LoopState(begun=NOON - 30 * DAY), 500, TriggerKind.SCHEDULE),
        (LoopState(begun=NOON - 29 * DAY), 5000, TriggerKind.LABELS),
        (LoopState(begun=NOON - 90 * DAY, runs=(run_at(NOON - 29 * DAY),)), 4999, None),
        (LoopState(begun=NOON - 90 * DAY, runs=(run_at(NOON - 30 * DAY),)), 4999, TriggerKind.SCHEDULE),
        (LoopState(begun=NOON - 30 * DAY), 499, None),
        (LoopState(), 4999, None),
    ],
)
def test_a_look_begins_what_is_due(state: LoopState, labels: int, kind: TriggerKind | None) -> None:
    admission = decide(state, LOOK, facts=Facts(new_labels=labels), settings=Retraining(triggers=ALL), now=NOON)

    assert (admission.trigger.kind if admission.verdict == "admitted" else None) == kind
    assert admission.reason or admission.trigger.reason


def test_a_look_of_a_package_without_triggers_finds_nothing() -> None:
    assert verdict_on(LOOK, LoopState(begun=NOON - 90 * DAY), triggers=()) == ("nothing", "nothing asks for a run")


MOMENTS = st.integers(-40 * 24, 0).map(lambda hours: NOON + hours * HOUR)
RUNS = st.lists(
    st.builds(
        run_at,
        MOMENTS,
        outcome=st.sampled_from(Outcome),
        rolls_back=st.booleans(),
    ),
    max_size=12,
).map(lambda runs: tuple(sorted(runs, key=lambda run: run.ended)))
LOCKS = st.none() | st.just(Lock(run="one", execution="arn", since=NOON, trigger=DRIFT, champion="none"))
TRIGGERS = st.sampled_from(TriggerKind).map(lambda kind: Trigger(kind=kind))
WAITERS = st.none() | st.sampled_from(sorted(BY_ALARM)).map(
    lambda kind: Deferred(trigger=Trigger(kind=kind), since=NOON, reason="too early", run="zero")
)
STATES = st.builds(LoopState, begun=st.none() | MOMENTS, lock=LOCKS, deferred=WAITERS, runs=RUNS)
FACTS = st.builds(
    Facts,
    new_labels=st.integers(0, 8000),
    alarming=st.frozensets(st.sampled_from(sorted(BY_ALARM))),
    staleness=st.none()
    | st.builds(
        Staleness,
        extra_errors=st.floats(0, 100),
        predictions=st.integers(0, 1000),
        source=st.sampled_from(["labels", "drift"]),
    ),
)
SETTINGS = st.builds(
    lambda triggers, cost: Retraining(triggers=tuple(triggers), **cost),
    st.lists(st.sampled_from(ALL), unique=True),
    st.sampled_from([{}, {"run_usd": 40.0, "error_usd": 1.0}]),
)


@given(STATES, TRIGGERS, FACTS, SETTINGS)
def test_whatever_happens_the_rules_hold(
    state: LoopState, trigger: Trigger, facts: Facts, settings: Retraining
) -> None:
    admission = decide(state, trigger, facts=facts, settings=settings, now=NOON)

    if admission.verdict != "admitted":
        assert admission.reason
        return
    assert state.lock is None
    if trigger.kind is not TriggerKind.MANUAL:
        assert admission.trigger.kind.value in settings.triggers
        assert all(NOON - run.ended >= timedelta(hours=settings.cooldown_hours) for run in state.runs)
        assert sum(NOON - run.started < MONTH for run in state.runs if not run.rolls_back) < settings.runs_per_month
        assert facts.new_labels >= settings.minimum_labels
    if admission.trigger.kind in BY_ALARM and settings.run_usd is not None and facts.staleness is not None:
        assert facts.staleness.extra_errors >= settings.run_usd


@given(STATES, FACTS, SETTINGS)
def test_what_waits_is_acted_on_kept_or_dropped_with_a_reason(
    state: LoopState, facts: Facts, settings: Retraining
) -> None:
    assume(state.deferred is not None)

    admission = decide(state, LOOK, facts=facts, settings=settings, now=NOON)

    assert state.deferred is not None
    kind = state.deferred.trigger.kind
    asks = any(alarming.value in settings.triggers for alarming in facts.alarming)
    is_over = not asks or kind.value not in settings.triggers
    assert bool(admission.dropped) == is_over
    assert not (is_over and admission.trigger == state.deferred.trigger)
