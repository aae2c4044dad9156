"""What becomes of an endpoint when it is created, updated and deleted, with servers played by the test."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.sagemaker.endpoints import Endpoints, EndpointState, EndpointStatus
from local.services.sagemaker.fleet import Fleet, weighted
from local.services.sagemaker.plan import FleetPlan
from tests.local.services.sagemaker.acted_servers import Stage, plan

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def endpoints(stage: Stage) -> Endpoints:
    return stage.endpoints()


async def in_service(endpoints: Endpoints, config: str = "v1") -> None:
    endpoints.create("digits", plan(config))
    await endpoints.settle()


async def test_a_new_endpoint_comes_into_service(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)

    assert stage.story == [("Creating", "v1"), ("InService", "v1")]
    traffic = endpoints.traffic("digits")
    assert traffic is not None
    assert traffic.pick().config_name == "v1"


async def test_a_variant_that_fails_fails_the_endpoint_and_ends_the_others(endpoints: Endpoints, stage: Stage) -> None:
    stage.failing["b"] = "no weights"

    endpoints.create("digits", plan("v1", "a", "b"))
    await endpoints.settle()

    assert stage.story == [("Creating", "v1"), ("Failed", "v1")]
    assert stage.shown[-1].failure_reason == "no weights"
    assert [server.stopped for server in stage.servers["v1"].values()] == [True, True]
    assert endpoints.traffic("digits") is None


async def test_an_update_moves_the_traffic_and_ends_the_old_fleet(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)

    endpoints.update("digits", plan("v2"))
    await endpoints.settle()

    assert stage.story[2:] == [("Updating", "v1"), ("InService", "v2")]
    assert stage.servers["v1"]["main"].stopped
    assert not stage.servers["v2"]["main"].stopped


async def test_a_failed_update_looks_like_success_on_the_old_config(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)
    stage.failing["main"] = "no weights"

    endpoints.update("digits", plan("v2"))
    await endpoints.settle()

    assert stage.story[2:] == [("Updating", "v1"), ("RollingBack", "v1"), ("InService", "v1")]
    assert stage.shown[-1].failure_reason == "no weights"
    assert not stage.servers["v1"]["main"].stopped
    assert stage.servers["v2"]["main"].stopped


async def test_the_old_fleet_finishes_what_it_has_begun(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)
    old = stage.servers["v1"]["main"]

    with old.in_flight.one():
        endpoints.update("digits", plan("v2"))
        while stage.story[-1] != ("InService", "v2"):
            await asyncio.sleep(0)
        stopped_too_early = old.stopped
    await endpoints.settle()

    assert not stopped_too_early
    assert old.stopped


async def test_a_deleted_endpoint_is_gone_once_it_is_drained(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)

    endpoints.delete("digits")
    await endpoints.settle()

    assert stage.removed == ["digits"]
    assert stage.servers["v1"]["main"].stopped
    assert endpoints.traffic("digits") is None
    assert stage.flushed == [()]


async def test_a_deleted_endpoint_is_gone_after_the_fleet_that_was_replaced_before(
    endpoints: Endpoints, stage: Stage
) -> None:
    await in_service(endpoints)
    old = stage.servers["v1"]["main"]

    with old.in_flight.one():
        endpoints.update("digits", plan("v2"))
        while stage.story[-1] != ("InService", "v2"):
            await asyncio.sleep(0)
        endpoints.delete("digits")
        while not stage.servers["v2"]["main"].stopped:
            await asyncio.sleep(0)
        removed_too_early = list(stage.removed)
    await endpoints.settle()

    assert removed_too_early == []
    assert (old.stopped, stage.removed) == (True, ["digits"])


async def test_an_endpoint_that_failed_can_be_deleted(endpoints: Endpoints, stage: Stage) -> None:
    stage.failing["main"] = "no weights"
    await in_service(endpoints)

    endpoints.delete("digits")
    await endpoints.settle()

    assert stage.removed == ["digits"]


async def test_closing_leaves_no_server_behind(endpoints: Endpoints, stage: Stage) -> None:
    await in_service(endpoints)

    await endpoints.close()

    assert stage.servers["v1"]["main"].stopped


async def test_closing_gives_up_what_was_begun(endpoints: Endpoints, stage: Stage) -> None:
    stage.waiting = True
    endpoints.create("digits", plan("v1"))
    await asyncio.sleep(0)

    await endpoints.close()

    assert stage.servers["v1"]["main"].stopped


async def test_an_error_nobody_expected_is_a_failed_endpoint(stage: Stage) -> None:
    def broken(_endpoint: str, _plan: FleetPlan) -> Fleet:
        raise ZeroDivisionError

    endpoints = Endpoints(make_fleet=broken, board=stage, flush=stage.flush, timers=stage.timers, clock=stage.clock)

    endpoints.create("digits", plan("v1"))
    await endpoints.settle()
    await asyncio.sleep(0)

    assert stage.shown[-1].failure_reason == "The local cloud failed: ZeroDivisionError()"


async def test_new_weights_count_at_once(endpoints: Endpoints) -> None:
    endpoints.create("digits", plan("v1", "a", "b"))
    await endpoints.settle()

    endpoints.reweigh("digits", {"a": 0.0})

    traffic = endpoints.traffic("digits")
    assert traffic is not None
    assert {traffic.pick().pick() for _ in range(20)} == {"b"}


@given(
    weights=st.dictionaries(st.text(), st.floats(min_value=0, max_value=10), min_size=1),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_a_choice_is_always_made_and_never_of_weight_zero(weights: dict[str, float], chance: float) -> None:
    chosen = weighted(weights, lambda: chance)

    assert weights[chosen] > 0 or not any(weights.values())


def test_choices_follow_the_weights() -> None:
    chances = iter([0.0, 0.24, 0.26, 0.99])

    chosen = [weighted({"a": 1.0, "b": 3.0}, lambda: next(chances)) for _ in range(4)]

    assert chosen == ["a", "a", "b", "b"]


async def test_an_endpoint_of_a_former_cloud_is_under_maintenance_until_it_serves(
    endpoints: Endpoints, stage: Stage
) -> None:
    endpoints.resume("digits", plan("v1", "a", "b"), failure_reason="cut off")
    during, serving = stage.shown[-1].status, endpoints.traffic("digits")
    await endpoints.settle()

    assert (during, serving) == (EndpointStatus.SYSTEM_UPDATING, None)
    assert stage.shown[-1] == EndpointState(EndpointStatus.IN_SERVICE, "v1", "cut off")
    traffic = endpoints.traffic("digits")
    assert traffic is not None
    assert traffic.pick().weights == {"a": 1.0, "b": 1.0}
