"""The endpoints that run: their statuses and the fleets behind them.

An update is a `Rollout`: the new fleet gets the old one's traffic, in steps. Where that goes wrong the endpoint is
RollingBack, and then InService again on the old config, as on AWS: only the config's name and the reason tell.
Simulated time stands still while anything here is under way, but for the bakes of a rollout. Everything here belongs to
one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from local.clock import CloudClock
from local.services.sagemaker.fleet import Fleet, Traffic
from local.services.sagemaker.guardrails import Guardrails, guardrails
from local.services.sagemaker.pending import PendingDeployment, launching
from local.services.sagemaker.plan import FleetPlan
from local.services.sagemaker.rollback_alarms import WatchAlarms, watch_none
from local.services.sagemaker.rollout import ROLLED_BACK, Rollout, Surroundings
from local.timers import Timers

log = logging.getLogger(__name__)

MakeFleet = Callable[[str, FleetPlan], Fleet]
"""(endpoint's name, plan) -> a fleet that is not started."""


Flush = Callable[[], Awaitable[None]]
"""Waits until every line that a server has logged is in its log group."""


class EndpointStatus(StrEnum):
    """The statuses that an endpoint can have here."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    """AWS's word for maintenance that the customer did not ask for: here, the start of a cloud that was stopped."""
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"
    """An update failed, and so did the way back. Here only an error of the local cloud itself leads to it."""
    FAILED = "Failed"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What DescribeEndpoint shows."""

    status: EndpointStatus
    config_name: str
    failure_reason: str | None = None


class StatusBoard(Protocol):
    """Where the states of endpoints are shown, and the stages of their deployments; `remove` is the last of all."""

    def show(self, endpoint: str, state: EndpointState) -> None: ...
    def stage(self, endpoint: str, pending: PendingDeployment) -> None: ...
    def remove(self, endpoint: str) -> None: ...


class Endpoints:
    """Carries out what CreateEndpoint, UpdateEndpoint and DeleteEndpoint began. The caller has checked the names."""

    def __init__(
        self,
        *,
        make_fleet: MakeFleet,
        board: StatusBoard,
        flush: Flush,
        timers: Timers,
        clock: CloudClock,
        watch_alarms: WatchAlarms = watch_none,
    ) -> None:
        self._make_fleet, self._board, self._flush = make_fleet, board, flush
        self._timers, self._clock, self._watch_alarms = timers, clock, watch_alarms
        self._traffic: dict[str, Traffic] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._rollouts: dict[str, Rollout] = {}
        self._hurried: set[str] = set()
        self._draining: dict[asyncio.Task[None], str] = {}

    def traffic(self, endpoint: str) -> Traffic | None:
        """Who answers for an endpoint; None where nobody ever did, or does any more."""
        return self._traffic.get(endpoint)

    def fleets(self) -> dict[str, list[Fleet]]:
        """The fleets that answer, by endpoint."""
        return {name: [fleet for fleet, _share in traffic.shares] for name, traffic in self._traffic.items()}

    def create(self, endpoint: str, plan: FleetPlan) -> None:
        """Begin to bring a new endpoint into service."""
        self._show(endpoint, EndpointStatus.CREATING, plan.config_name)
        self._begin(endpoint, plan.config_name, self._create(endpoint, plan))

    def resume(self, endpoint: str, plan: FleetPlan, *, failure_reason: str | None = None) -> None:
        """Begin to bring an endpoint back that served before this process did; `failure_reason` is shown beside it."""
        self._show(endpoint, EndpointStatus.SYSTEM_UPDATING, plan.config_name)
        self._begin(endpoint, plan.config_name, self._resume(endpoint, plan, failure_reason))

    def update(self, endpoint: str, plan: FleetPlan, rails: Guardrails | None = None) -> None:
        """Begin to replace an endpoint's fleet; without `rails`, all traffic moves at once."""
        self._hurried.discard(endpoint)
        (serving, _share), *_ = self._traffic[endpoint].shares
        self._show(endpoint, EndpointStatus.UPDATING, serving.config_name)
        self._begin(endpoint, plan.config_name, self._update(endpoint, plan, rails or guardrails(None, plan), serving))

    def hurry(self, endpoint: str) -> None:
        """Somebody waits for the endpoint's update: bakes are cut short as long as nobody sends a request."""
        if endpoint in self._work:
            self._hurried.add(endpoint)

    def invoked(self, endpoint: str) -> None:
        """A request has been answered."""
        if (rollout := self._rollouts.get(endpoint)) is not None:
            rollout.asked()

    def delete(self, endpoint: str) -> None:
        """Begin to end an endpoint."""
        shares = self._traffic.get(endpoint, Traffic()).shares
        config_name = shares[0][0].config_name if shares else ""
        self._begin(endpoint, config_name, self._delete(endpoint))

    def reweigh(self, endpoint: str, weights: Mapping[str, float]) -> None:
        """Change the variants' weights at once."""
        for fleet, _share in self._traffic.get(endpoint, Traffic()).shares:
            fleet.weights.update(weights)

    async def settle(self) -> None:
        """Wait until everything that was begun has ended well or badly."""
        while pending := [*self._work.values(), *self._draining]:
            await asyncio.wait(pending)

    async def close(self) -> None:
        """Give up what was begun, and end every server."""
        pending = [*self._work.values(), *self._draining]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        fleets = [fleet for traffic in self._traffic.values() for fleet, _share in traffic.shares]
        self._traffic.clear()
        await asyncio.gather(*(fleet.stop() for fleet in fleets))

    async def _create(self, endpoint: str, plan: FleetPlan) -> None:
        self._board.stage(endpoint, launching(plan, now=self._clock.now()))
        fleet = self._make_fleet(endpoint, plan)
        failure = await started_or_stopped(fleet)
        if failure is None:
            self._traffic[endpoint] = Traffic(((fleet, 1.0),))
            self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name)
        else:
            self._show(endpoint, EndpointStatus.FAILED, plan.config_name, failure)

    async def _resume(self, endpoint: str, plan: FleetPlan, failure_reason: str | None) -> None:
        fleet = self._make_fleet(endpoint, plan)
        failure = await started_or_stopped(fleet)
        if failure is None:
            self._traffic[endpoint] = Traffic(((fleet, 1.0),))
            self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name, failure_reason)
        else:
            self._show(endpoint, EndpointStatus.FAILED, plan.config_name, failure)

    async def _update(self, endpoint: str, plan: FleetPlan, rails: Guardrails, serving: Fleet) -> None:
        rollout = self._rollout(endpoint, plan, rails, serving)
        self._rollouts[endpoint] = rollout
        try:
            problem = await _outcome(rollout)
            if problem is not None:
                await self._roll_back(endpoint, rollout, problem)
                return
        except asyncio.CancelledError:
            await rollout.new.stop()
            raise
        finally:
            del self._rollouts[endpoint]
            self._hurried.discard(endpoint)
        self._traffic[endpoint] = Traffic(((rollout.new, 1.0),))
        self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name)
        self._drain(endpoint, serving)

    async def _roll_back(self, endpoint: str, rollout: Rollout, problem: str) -> None:
        before = rollout.old.config_name
        self._show(endpoint, EndpointStatus.ROLLING_BACK, before, problem)
        try:
            await rollout.give_back()
        except Exception as error:
            log.exception("a rollout could not be rolled back")
            reason = f"{problem} The local cloud failed to roll back: {error!r}"
            self._show(endpoint, EndpointStatus.UPDATE_ROLLBACK_FAILED, before, reason)
        else:
            self._show(endpoint, EndpointStatus.IN_SERVICE, before, problem)

    def _rollout(self, endpoint: str, plan: FleetPlan, rails: Guardrails, serving: Fleet) -> Rollout:
        def shift(traffic: Traffic) -> None:
            self._traffic[endpoint] = traffic

        surroundings = Surroundings(
            board=self._board,
            timers=self._timers,
            now=self._clock.now,
            machine_now=self._clock.machine.now,
            alarms=self._watch_alarms(plan.execution_role, rails.alarms),
            shift=shift,
            is_hurried=lambda: endpoint in self._hurried,
        )
        new = self._make_fleet(endpoint, plan)
        return Rollout(endpoint, old=serving, new=new, guardrails=rails, surroundings=surroundings)

    async def _delete(self, endpoint: str) -> None:
        traffic = self._traffic.pop(endpoint, Traffic())
        replaced = [task for task, name in self._draining.items() if name == endpoint]
        await asyncio.gather(*(fleet.drain() for fleet, _share in traffic.shares), *replaced)
        # A record that came later would find its role deleted, and a line would make the log group again: whoever
        # deletes the endpoint deletes both next.
        await self._flush()
        self._board.remove(endpoint)

    def _show(self, endpoint: str, status: EndpointStatus, config_name: str, reason: str | None = None) -> None:
        self._board.show(endpoint, EndpointState(status, config_name, reason))

    def _begin(self, endpoint: str, config_name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._timers.begin(work)
        self._work[endpoint] = task
        task.add_done_callback(lambda done: self._finished(endpoint, config_name, done))

    def _finished(self, endpoint: str, config_name: str, task: asyncio.Task[None]) -> None:
        if self._work.get(endpoint) is task:
            del self._work[endpoint]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody awaits this task: without a status that says so, whoever waits for the endpoint waits for ever.
            self._show(endpoint, EndpointStatus.FAILED, config_name, f"The local cloud failed: {error!r}")

    def _drain(self, endpoint: str, fleet: Fleet) -> None:
        task = asyncio.ensure_future(fleet.drain())
        self._draining[task] = endpoint
        task.add_done_callback(self._draining.pop)


async def _outcome(rollout: Rollout) -> str | None:
    """Why a rollout failed, or None; what nobody expected is a reason too, and no reason to leave the traffic split."""
    try:
        return await rollout.run()
    except Exception as error:
        log.exception("a rollout failed")
        return f"{ROLLED_BACK} The local cloud failed: {error!r}"


async def started_or_stopped(fleet: Fleet) -> str | None:
    """Start a fleet; None, or why it failed. A fleet whose start is given up leaves no process behind."""
    try:
        failure = await fleet.start()
    except BaseException:
        await fleet.stop()
        raise
    return None if failure is None else failure.reason
