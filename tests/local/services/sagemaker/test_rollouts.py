"""The stages of an update, at the moments at which they come, with servers and alarms played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.services.sagemaker.endpoints import Endpoints, EndpointStatus
from local.services.sagemaker.fleet import Traffic
from local.services.sagemaker.guardrails import guardrails
from tests.local.services.sagemaker.acted_servers import Stage, plan
from tests.local.services.sagemaker.test_guardrails import blue_green, count, percent, rolling

pytestmark = pytest.mark.anyio

CANARY = blue_green("CANARY", CanarySize=percent(50), wait=300, termination=120)
LINEAR = blue_green("LINEAR", LinearStepSize=count(1), wait=60, termination=30)
ALL_AT_ONCE = blue_green("ALL_AT_ONCE", termination=600)
ROLLING = rolling(count(1), wait=60)
WITH_ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def begun(stage: Stage, config: Mapping[str, Any], *, instances: int = 2) -> Endpoints:
    """An endpoint on v1 whose update to v2 has just begun."""
    endpoints = stage.endpoints()
    endpoints.create("digits", plan("v1", instances=instances))
    await endpoints.settle()
    stage.shown.clear()
    stage.stages.clear()
    new = plan("v2", instances=instances)
    endpoints.update("digits", new, guardrails({**config, **WITH_ALARMS}, new))
    return endpoints


def traffic_of(endpoints: Endpoints) -> Traffic:
    traffic = endpoints.traffic("digits")
    assert traffic is not None
    return traffic


def shares(endpoints: Endpoints) -> dict[str, float]:
    return {fleet.config_name: share for fleet, share in traffic_of(endpoints).shares if share > 0}


# fmt: off
TIMETABLES = [
    # config     instances  (seconds, stage, active)
    (ALL_AT_ONCE,        1, [(0, "Creating", 0), (0, "ActivatingTraffic", 1), (0, "Baking", 1)]),
    (CANARY,             2, [(0, "Creating", 0), (0, "ActivatingTraffic", 1), (0, "Baking", 1),
                             (300, "ActivatingTraffic", 2), (300, "Baking", 2)]),
    (LINEAR,             3, [(0, "Creating", 0), (0, "ActivatingTraffic", 1), (0, "Baking", 1),
                             (60, "ActivatingTraffic", 2), (60, "Baking", 2),
                             (120, "ActivatingTraffic", 3), (120, "Baking", 3)]),
    (ROLLING,            2, [(0, "Creating", 0), (0, "ActivatingTraffic", 1), (0, "Baking", 1),
                             (60, "ActivatingTraffic", 2), (60, "Baking", 2)]),
]
ENDS = [(ALL_AT_ONCE, 1, 600), (CANARY, 2, 420), (LINEAR, 3, 150), (ROLLING, 2, 120)]
# fmt: on


@pytest.mark.parametrize(("config", "instances", "expected"), TIMETABLES)
async def test_each_stage_comes_at_its_time(
    stage: Stage, config: Mapping[str, Any], instances: int, expected: list[tuple[float, str, int]]
) -> None:
    await begun(stage, config, instances=instances)

    await stage.advance_to(3600)

    assert [(seconds, name, active.get("main", 0)) for seconds, name, active in stage.stages] == expected


@pytest.mark.parametrize(("config", "instances", "end"), ENDS)
async def test_an_update_is_over_after_its_last_bake_and_not_before(
    stage: Stage, config: Mapping[str, Any], instances: int, end: float
) -> None:
    endpoints = await begun(stage, config, instances=instances)

    await stage.advance_to(end - 1)
    just_before, old_is_there = stage.story[-1], not stage.servers["v1"]["main"].stopped
    await stage.advance_to(end)
    await endpoints.settle()

    assert (just_before, old_is_there) == (("Updating", "v1"), True)
    assert stage.story == [("Updating", "v1"), ("InService", "v2")]
    assert shares(endpoints) == {"v2": 1.0}
    assert stage.servers["v1"]["main"].stopped


async def test_a_canary_has_its_share_of_the_traffic_and_no_more(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY, instances=4)

    await stage.advance_to(299)
    during = shares(endpoints)
    await stage.advance_to(300)
    after = shares(endpoints)

    assert during == {"v2": 0.5, "v1": 0.5}
    assert after == {"v2": 1.0}


async def test_time_stands_still_while_the_new_fleet_starts(stage: Stage) -> None:
    endpoints = stage.endpoints()
    endpoints.create("digits", plan("v1", instances=2))
    await endpoints.settle()
    stage.waiting = True
    new = plan("v2", instances=2)
    endpoints.update("digits", new, guardrails(CANARY, new))
    advance = asyncio.ensure_future(stage.advance_to(300))
    await asyncio.sleep(0.01)
    meanwhile = stage.seconds

    stage.servers["v2"]["main"].may_start.set()
    await advance

    assert meanwhile == 0
    assert (300, "Baking", {"main": 2}) in stage.stages


# fmt: off
ALARMS = [
    # config      instances  seconds  found at  stages of the new fleet
    (CANARY,              2,       0,        0, 0),  # before anything is started
    (CANARY,              2,       5,       10, 1),  # in the canary's bake, at the next look
    (CANARY,              2,     300,      300, 1),  # just as it ends
    (CANARY,              2,     301,      310, 2),  # while everything is on the new fleet
    (CANARY,              2,     420,      420, 2),  # just before the old fleet would go
    (LINEAR,              3,      61,       70, 2),
    (ALL_AT_ONCE,         1,     599,      600, 1),
    (ROLLING,             2,     119,      120, 2),
]
# fmt: on


@pytest.mark.parametrize(("config", "instances", "at", "found_at", "steps"), ALARMS)
async def test_an_alarm_brings_the_old_fleet_back_from_every_stage(
    stage: Stage, config: Mapping[str, Any], instances: int, at: float, found_at: float, steps: int
) -> None:
    endpoints = await begun(stage, config, instances=instances)
    if at > 0:
        await stage.advance_to(at - 0.001)
    stage.alarm = "errors says: too many"

    await stage.advance_to(found_at)
    await endpoints.settle()

    assert stage.story == [("Updating", "v1"), ("RollingBack", "v1"), ("InService", "v1")]
    assert stage.shown[-1].failure_reason == "The deployment was rolled back. errors says: too many"
    assert stage.looks[-1] == found_at
    assert [name for _seconds, name, _active in stage.stages].count("ActivatingTraffic") == steps
    assert stage.stages[-1] == (found_at, "Deleting", {})
    assert shares(endpoints) == {"v1": 1.0}
    assert [stage.servers[config]["main"].stopped for config in ("v1", "v2")] == [False, True]


async def test_an_alarm_after_the_end_changes_nothing(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(420)

    stage.alarm = "errors says: too many"
    await stage.advance_to(3600)
    await endpoints.settle()

    assert stage.story[-1] == ("InService", "v2")
    assert stage.looks[-1] == 420


async def test_alarms_are_looked_at_in_the_name_of_the_new_models_role(stage: Stage) -> None:
    await begun(stage, CANARY)

    await stage.timers.quiet()

    assert stage.watched == [("role", ("errors",))]


async def test_requests_of_a_version_that_is_rolled_back_are_finished_first(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(1)
    stage.alarm = "errors says: too many"

    with stage.servers["v2"]["main"].in_flight.one():
        advance = asyncio.ensure_future(stage.advance_to(60))
        while stage.story[-1] != ("RollingBack", "v1"):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        during = (shares(endpoints), stage.servers["v2"]["main"].stopped, stage.story[-1])
    await advance

    assert during == ({"v1": 1.0}, False, ("RollingBack", "v1"))
    assert stage.story[-1] == ("InService", "v1")


async def test_an_update_that_takes_too_long_is_rolled_back(stage: Stage) -> None:
    config = {"BlueGreenUpdatePolicy": {**CANARY["BlueGreenUpdatePolicy"], "MaximumExecutionTimeoutInSeconds": 335}}
    endpoints = await begun(stage, config)

    await stage.advance_to(334)
    before = stage.story[-1]
    await stage.advance_to(335)
    await endpoints.settle()

    assert before == ("Updating", "v1")
    assert stage.story[-1] == ("InService", "v1")
    assert "MaximumExecutionTimeoutInSeconds allows. It had 0:05:35." in (stage.shown[-1].failure_reason or "")


async def test_a_new_fleet_that_does_not_come_into_service_gets_no_traffic(stage: Stage) -> None:
    endpoints = stage.endpoints()
    endpoints.create("digits", plan("v1", instances=2))
    await endpoints.settle()
    stage.failing["main"] = "no weights"
    new = plan("v2", instances=2)

    endpoints.update("digits", new, guardrails(CANARY, new))
    await endpoints.settle()

    assert stage.shown[-1].failure_reason == "no weights"
    assert "ActivatingTraffic" not in [name for _seconds, name, _active in stage.stages]
    assert shares(endpoints) == {"v1": 1.0}


async def test_a_fleet_whose_server_is_gone_gets_no_traffic_until_it_is_back(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(1)

    stage.servers["v2"]["main"].stopped = True
    without = {traffic_of(endpoints).pick().config_name for _ in range(50)}
    stage.servers["v2"]["main"].stopped = False
    back = {traffic_of(endpoints).pick().config_name for _ in range(50)}

    assert (without, back) == ({"v1"}, {"v1", "v2"})


async def test_closing_in_the_middle_leaves_no_server_and_no_other_state(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(1)

    await endpoints.close()

    assert [stage.servers[config]["main"].stopped for config in ("v1", "v2")] == [True, True]
    assert stage.story == [("Updating", "v1")]  # what the next cloud finds, and rolls back


async def test_an_error_nobody_expected_leaves_no_split_traffic(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(1)

    def broken() -> None:
        raise ZeroDivisionError

    stage.problem = broken  # type: ignore[assignment, method-assign]
    await stage.advance_to(60)
    await endpoints.settle()

    assert stage.story[-1] == ("InService", "v1")
    assert "The local cloud failed: ZeroDivisionError()" in (stage.shown[-1].failure_reason or "")
    assert shares(endpoints) == {"v1": 1.0}


async def test_a_way_back_that_fails_has_a_status_of_its_own(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    await stage.advance_to(1)

    async def broken() -> None:
        raise ZeroDivisionError

    stage.fleets["v2"].drain = broken  # type: ignore[method-assign]
    stage.alarm = "errors says: too many"
    await stage.advance_to(60)
    await endpoints.settle()

    assert stage.shown[-1].status is EndpointStatus.UPDATE_ROLLBACK_FAILED
    assert shares(endpoints) == {"v1": 1.0}


async def test_a_stack_does_not_wait_for_bakes_in_which_nobody_asks_anything(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    endpoints.hurry("digits")
    await stage.advance_to(1)

    stage.machine.advance(4)
    await stage.advance_to(6)
    too_early = stage.story[-1]
    stage.machine.advance(1)
    await stage.advance_to(8)
    await endpoints.settle()

    assert too_early == ("Updating", "v1")
    assert stage.story[-1] == ("InService", "v2")


async def test_a_stack_waits_for_bakes_that_have_something_to_judge(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    endpoints.hurry("digits")

    while stage.seconds < 415:
        stage.machine.advance(1)
        endpoints.invoked("digits")
        await stage.advance_to(stage.seconds + 3)
    during = stage.story[-1]
    await stage.advance_to(430)
    await endpoints.settle()

    assert during == ("Updating", "v1")
    assert stage.story[-1] == ("InService", "v2")


async def test_an_advance_of_the_clouds_time_is_no_time_without_requests(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    endpoints.hurry("digits")

    await stage.advance_to(419)

    assert stage.story[-1] == ("Updating", "v1")


async def test_the_hurry_of_one_update_is_not_that_of_the_next(stage: Stage) -> None:
    endpoints = await begun(stage, CANARY)
    endpoints.hurry("digits")
    await stage.advance_to(1)
    stage.machine.advance(60)
    await stage.advance_to(62)
    await endpoints.settle()
    new = plan("v3", instances=2)

    endpoints.hurry("digits")  # of an update that is over
    endpoints.update("digits", new, guardrails(CANARY, new))
    await stage.advance_to(63)
    stage.machine.advance(60)
    await stage.advance_to(130)

    assert stage.story[-1] == ("Updating", "v2")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([ALL_AT_ONCE, CANARY, LINEAR, ROLLING]),
    instances=st.integers(min_value=3, max_value=9),
    moments=st.lists(st.floats(min_value=0.1, max_value=900), min_size=1, max_size=8),
    alarm_at=st.none() | st.integers(min_value=0, max_value=7),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_the_traffic_is_always_whole_and_meets_no_fleet_that_is_stopped(
    kind: Mapping[str, Any], instances: int, moments: list[float], alarm_at: int | None, chance: float
) -> None:
    if kind is LINEAR:
        kind = blue_green("LINEAR", LinearStepSize=percent(40), wait=60, termination=30)

    async def story() -> None:
        stage = Stage()
        endpoints = await begun(stage, kind, instances=instances)
        for index, moment in enumerate(sorted(moments)):
            if index == alarm_at:
                stage.alarm = "errors says: too many"
            await stage.advance_to(moment)
            traffic = Traffic(traffic_of(endpoints).shares, chance=lambda: chance)
            assert sum(share for _fleet, share in traffic.shares) == pytest.approx(1.0)
            assert traffic.pick().is_able
        await stage.advance_to(8000)
        await endpoints.settle()
        assert len(shares(endpoints)) == 1
        assert traffic_of(endpoints).pick().is_able
        assert stage.shown[-1].status is EndpointStatus.IN_SERVICE

    asyncio.run(story())
