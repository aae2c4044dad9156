"""Endpoints whose servers are played by the test, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local.clock import CloudClock, ManualClock
from local.services.sagemaker.endpoints import Endpoints, EndpointState
from local.services.sagemaker.fleet import Fleet
from local.services.sagemaker.instance import InFlight
from local.services.sagemaker.pending import PendingDeployment
from local.services.sagemaker.plan import FleetPlan, ModelContainer, StartFailure, VariantPlan
from local.services.sagemaker.rollback_alarms import RollbackAlarms
from local.timers import Timers

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class ActedServer:
    """A server that starts or fails as it is told, once it may."""

    failure: StartFailure | None = None
    may_start: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: InFlight = field(default_factory=InFlight)
    stopped: bool = False

    @property
    def url(self) -> str | None:
        return None if self.stopped else "http://127.0.0.1:1/invocations"

    async def start(self) -> StartFailure | None:
        await self.may_start.wait()
        return self.failure

    async def stop(self) -> None:
        self.stopped = True


@dataclass
class Stage:
    """The endpoints under test and everything that happened to them."""

    shown: list[EndpointState] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    servers: dict[str, dict[str, ActedServer]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    waiting: bool = False
    fleets: dict[str, Fleet] = field(default_factory=dict)
    flushed: list[tuple[str, ...]] = field(default_factory=list)
    """Which endpoints were gone already, each time that the log was flushed."""
    machine: ManualClock = field(default_factory=lambda: ManualClock(START))
    stages: list[tuple[float, str, dict[str, int]]] = field(default_factory=list)
    """Seconds after the start, the stage, and how many instances are active."""
    alarm: str | None = None
    """What the alarms say now."""
    watched: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    """Seconds after the start at which the alarms were looked at."""

    def __post_init__(self) -> None:
        self.clock = CloudClock(machine=self.machine)
        self.timers = Timers(self.clock)

    def endpoints(self) -> Endpoints:
        return Endpoints(
            make_fleet=self.make_fleet,
            board=self,
            flush=self.flush,
            timers=self.timers,
            clock=self.clock,
            watch_alarms=self.watch,
        )

    @property
    def seconds(self) -> float:
        return (self.clock.now() - START).total_seconds()

    async def advance_to(self, seconds: float) -> None:
        await self.timers.quiet()
        await self.timers.advance_to(START + timedelta(seconds=seconds))

    def watch(self, role_arn: str | None, names: Sequence[str]) -> RollbackAlarms:
        self.watched.append((role_arn, tuple(names)))
        return self

    async def problem(self) -> str | None:
        self.looks.append(self.seconds)
        return self.alarm

    def stage(self, endpoint: str, pending: PendingDeployment) -> None:
        self.stages.append((self.seconds, pending.stage.value, dict(pending.active)))

    def show(self, endpoint: str, state: EndpointState) -> None:
        self.shown.append(state)

    def remove(self, endpoint: str) -> None:
        self.removed.append(endpoint)

    async def flush(self) -> None:
        self.flushed.append(tuple(self.removed))

    def make_fleet(self, endpoint: str, plan: FleetPlan) -> Fleet:
        servers = {variant.name: self.server(variant.name) for variant in plan.variants}
        self.servers[plan.config_name] = servers
        fleet = Fleet(plan, servers)
        self.fleets[plan.config_name] = fleet
        return fleet

    def server(self, variant: str) -> ActedServer:
        reason = self.failing.get(variant)
        server = ActedServer(None if reason is None else StartFailure(reason))
        if not self.waiting:
            server.may_start.set()
        return server

    @property
    def story(self) -> list[tuple[str, str]]:
        return [(state.status.value, state.config_name) for state in self.shown]


def plan(config: str, *variants: str, instances: int = 1) -> FleetPlan:
    container = ModelContainer("image", role_arn="role")
    names = variants or ("main",)
    made = tuple(VariantPlan(name=variant, container=container, instances=instances) for variant in names)
    return FleetPlan(config, made)
