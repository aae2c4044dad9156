"""The servers of one endpoint config, and how an endpoint shares its traffic between fleets.

While an endpoint is updated two fleets share its traffic. A fleet that is restarting its server gets none meanwhile, as
SageMaker's router leaves out an instance that does not pass its pings.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from local.services.sagemaker.instance import InFlight, Instance
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import FleetPlan, StartFailure

DRAIN_SECONDS: Final = 65.0
"""No invocation takes longer than 60 seconds."""

Chance = Callable[[], float]
"""Gives a number from 0 to below 1."""

Key = TypeVar("Key")


class Server(Protocol):
    """What a fleet knows of an instance."""

    in_flight: InFlight

    @property
    def url(self) -> str | None: ...
    async def start(self) -> StartFailure | None: ...
    async def stop(self) -> None: ...


class Fleet:
    """One server a variant, in service or not."""

    def __init__(self, plan: FleetPlan, servers: Mapping[str, Server], *, chance: Chance = random.random) -> None:
        self.plan, self.servers, self._chance = plan, dict(servers), chance
        self.weights = {variant.name: variant.weight for variant in plan.variants}

    @property
    def config_name(self) -> str:
        return self.plan.config_name

    @property
    def is_able(self) -> bool:
        """Whether a server of each variant can be asked now."""
        return all(server.url is not None for server in self.servers.values())

    async def start(self) -> StartFailure | None:
        """Bring every variant into service; when one fails, end the others and return its failure."""
        started = await asyncio.gather(*(server.start() for server in self.servers.values()))
        failure = next((outcome for outcome in started if outcome is not None), None)
        if failure is not None:
            await self.stop()
        return failure

    async def drain(self) -> None:
        """Wait until no request is under way, for as long as one may take, then end every server."""
        waiting = [asyncio.ensure_future(server.in_flight.none.wait()) for server in self.servers.values()]
        try:
            await asyncio.wait(waiting, timeout=DRAIN_SECONDS)
        finally:
            for task in waiting:
                task.cancel()
            await self.stop()

    async def stop(self) -> None:
        """End every server at once."""
        await asyncio.gather(*(server.stop() for server in self.servers.values()))

    def pick(self) -> str:
        """A variant, by weight."""
        return weighted(self.weights, self._chance)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which fleets answer, and with what share each: one has nothing, or some, or all of it."""

    shares: tuple[tuple[Fleet, float], ...] = ()
    chance: Chance = random.random

    def pick(self) -> Fleet:
        """A fleet, by share, among those that can be asked; any that has a share where none can."""
        active = [(fleet, share) for fleet, share in self.shares if share > 0]
        able = [(fleet, share) for fleet, share in active if fleet.is_able] or active
        return able[weighted({index: share for index, (_fleet, share) in enumerate(able)}, self.chance)][0]


def weighted(weights: Mapping[Key, float], chance: Chance) -> Key:
    """One of the keys, with a probability in proportion to its weight; evenly where every weight is zero."""
    total = sum(weights.values())
    shares = dict(weights) if total > 0 else dict.fromkeys(weights, 1.0)
    point = chance() * sum(shares.values())
    for key, share in shares.items():
        point -= share
        if point < 0:
            return key
    return next(reversed([key for key, share in shares.items() if share > 0]))


def build_fleet(endpoint: str, plan: FleetPlan, machine: Machine) -> Fleet:
    """The fleet of a plan, not started yet."""
    servers = {variant.name: Instance(endpoint=endpoint, plan=variant, machine=machine) for variant in plan.variants}
    return Fleet(plan, servers)
