"""The endpoints that run: their statuses and the fleets behind them.

An update starts the new fleet beside the old one and moves the traffic when the new one is in service. Where it does
not come into service the old one goes on: the endpoint is InService again, on the old config, as on AWS.
Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from local.services.sagemaker.fleet import Fleet, Traffic
from local.services.sagemaker.plan import FleetPlan

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
    IN_SERVICE = "InService"
    FAILED = "Failed"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What DescribeEndpoint shows."""

    status: EndpointStatus
    config_name: str
    failure_reason: str | None = None


class StatusBoard(Protocol):
    """Where the states of endpoints are shown; `remove` follows the last state of an endpoint."""

    def show(self, endpoint: str, state: EndpointState) -> None: ...
    def remove(self, endpoint: str) -> None: ...


class Endpoints:
    """Carries out what CreateEndpoint, UpdateEndpoint and DeleteEndpoint began. The caller has checked the names."""

    def __init__(self, *, make_fleet: MakeFleet, board: StatusBoard, flush: Flush) -> None:
        self._make_fleet, self._board, self._flush = make_fleet, board, flush
        self._traffic: dict[str, Traffic] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
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

    def resume(
        self, endpoint: str, plan: FleetPlan, *, weights: Mapping[str, float], failure_reason: str | None = None
    ) -> None:
        """Begin to bring an endpoint back that served before this process did; `failure_reason` is shown beside it."""
        self._show(endpoint, EndpointStatus.SYSTEM_UPDATING, plan.config_name)
        self._begin(endpoint, plan.config_name, self._resume(endpoint, plan, weights, failure_reason))

    def update(self, endpoint: str, plan: FleetPlan) -> None:
        """Begin to replace an endpoint's fleet."""
        (serving, _share), *_ = self._traffic[endpoint].shares
        self._show(endpoint, EndpointStatus.UPDATING, serving.config_name)
        self._begin(endpoint, plan.config_name, self._update(endpoint, plan, serving))

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
        fleet = self._make_fleet(endpoint, plan)
        failure = await started_or_stopped(fleet)
        if failure is None:
            self._traffic[endpoint] = Traffic(((fleet, 1.0),))
            self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name)
        else:
            self._show(endpoint, EndpointStatus.FAILED, plan.config_name, failure)

    async def _resume(
        self, endpoint: str, plan: FleetPlan, weights: Mapping[str, float], failure_reason: str | None
    ) -> None:
        fleet = self._make_fleet(endpoint, plan)
        fleet.weights.update(weights)
        failure = await started_or_stopped(fleet)
        if failure is None:
            self._traffic[endpoint] = Traffic(((fleet, 1.0),))
            self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name, failure_reason)
        else:
            self._show(endpoint, EndpointStatus.FAILED, plan.config_name, failure)

    async def _update(self, endpoint: str, plan: FleetPlan, serving: Fleet) -> None:
        fleet = self._make_fleet(endpoint, plan)
        failure = await started_or_stopped(fleet)
        if failure is not None:
            self._show(endpoint, EndpointStatus.IN_SERVICE, serving.config_name, failure)
            return
        self._traffic[endpoint] = Traffic(((fleet, 1.0),))
        self._show(endpoint, EndpointStatus.IN_SERVICE, plan.config_name)
        self._drain(endpoint, serving)

    async def _delete(self, endpoint: str) -> None:
        traffic = self._traffic.pop(endpoint, Traffic())
        replaced = [task for task, name in self._draining.items() if name == endpoint]
        await asyncio.gather(*(fleet.drain() for fleet, _share in traffic.shares), *replaced)
        # A line that came later would make the log group again, which whoever deletes the endpoint deletes next.
        await self._flush()
        self._board.remove(endpoint)

    def _show(self, endpoint: str, status: EndpointStatus, config_name: str, reason: str | None = None) -> None:
        self._board.show(endpoint, EndpointState(status, config_name, reason))

    def _begin(self, endpoint: str, config_name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
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


async def started_or_stopped(fleet: Fleet) -> str | None:
    """Start a fleet; None, or why it failed. A fleet whose start is given up leaves no process behind."""
    try:
        failure = await fleet.start()
    except BaseException:
        await fleet.stop()
        raise
    return None if failure is None else failure.reason
