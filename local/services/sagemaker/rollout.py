"""One update of an endpoint: the new fleet starts beside the old one, traffic moves step by step, alarms are watched.

What goes wrong on the way brings all traffic back to the old fleet. Bakes pass on the cloud's time, which stands still
while a fleet starts or is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from local.services.sagemaker.fleet import Fleet, Traffic
from local.services.sagemaker.guardrails import Guardrails, Step
from local.services.sagemaker.pending import PendingDeployment, Stage, launching
from local.services.sagemaker.rollback_alarms import RollbackAlarms
from local.timers import Phase, Timers, next_multiple

LOOK: Final = timedelta(seconds=10)
"""How often the alarms are looked at, at whole multiples: no alarm is evaluated more often."""
HURRIED_LOOK: Final = timedelta(seconds=1)
IDLE: Final = timedelta(seconds=5)
"""So long without a request, and a rollout that a stack waits for bakes no longer: there is nothing to judge.

It counts on the machine's clock, by which requests come: an advance of the cloud's time leaves them no time to.
"""
ROLLED_BACK: Final = "The deployment was rolled back."
TIMED_OUT: Final = "It took longer than MaximumExecutionTimeoutInSeconds allows."


class Shown(Protocol):
    """Where the stages of a rollout are shown."""

    def stage(self, endpoint: str, pending: PendingDeployment) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a rollout works with. `shift` gives the endpoint its traffic.

    `is_hurried` says whether somebody waits, so that a bake in which nobody asks anything is none.
    """

    board: Shown
    timers: Timers
    now: Callable[[], datetime]
    machine_now: Callable[[], datetime]
    alarms: RollbackAlarms
    shift: Callable[[Traffic], None]
    is_hurried: Callable[[], bool]


class Rollout:
    """From one fleet, `old`, to another, `new`, which is not started."""

    def __init__(
        self, endpoint: str, *, old: Fleet, new: Fleet, guardrails: Guardrails, surroundings: Surroundings
    ) -> None:
        self._endpoint, self.old, self.new = endpoint, old, new
        self._guardrails, self._in = guardrails, surroundings
        self._pending = launching(new.plan, now=surroundings.now())
        self._asked_at = surroundings.machine_now()

    def asked(self) -> None:
        """A request has come."""
        self._asked_at = self._in.machine_now()

    async def run(self) -> str | None:
        """None once the new fleet has all the traffic for good; else why it may not have it.

        Then the caller brings the traffic back, with `give_back` or by its own means.
        """
        self._in.board.stage(self._endpoint, self._pending)
        if (problem := await self._problem()) is not None:
            return problem
        failure = await self.new.start()
        if failure is not None:
            return failure.reason
        for step in self._guardrails.steps:
            problem = await self._problem() or await self._take(step)
            if problem is not None:
                return problem
        return None

    async def give_back(self) -> None:
        """All traffic is the old fleet's at once; comes back when the new one has finished its requests and is gone."""
        self._in.shift(Traffic(((self.old, 1.0),)))
        self._show(Stage.DELETING, "Terminating {instances} instance(s).", active={})
        await self.new.drain()

    async def _take(self, step: Step) -> str | None:
        on = f"{step.capacity} capacity of {{instances}} instance(s)."
        self._show(Stage.ACTIVATING_TRAFFIC, f"Activating traffic on {on}", active=step.active)
        self._in.shift(Traffic(((self.new, step.share), (self.old, 1.0 - step.share))))
        if step.bake_seconds <= 0:
            return None
        baking = f"Baking for {step.bake_seconds:g} seconds ({step.wait}) with traffic enabled on {on}"
        self._show(Stage.BAKING, baking, active=step.active)
        return await self._bake(step.bake_seconds)

    async def _bake(self, seconds: float) -> str | None:
        until = self._in.now() + timedelta(seconds=seconds)
        while self._in.now() < until and not self._is_pointless():
            await self._in.timers.sleep_until(self._next_look(until), phase=Phase.REACTION)
            if (problem := await self._problem()) is not None:
                return problem
        return None

    def _is_pointless(self) -> bool:
        return self._in.is_hurried() and self._in.machine_now() - self._asked_at >= IDLE

    def _next_look(self, until: datetime) -> datetime:
        step = HURRIED_LOOK if self._in.is_hurried() else LOOK
        moments = [until, next_multiple(self._in.now(), step)]
        return min([*moments, *([self._deadline] if self._deadline else [])])

    async def _problem(self) -> str | None:
        """Why the rollout may not go on: the new fleet had its time, or an alarm does not let it."""
        if self._deadline is not None and self._in.now() >= self._deadline:
            return f"{ROLLED_BACK} {TIMED_OUT} It had {self._deadline - self._pending.started_at}."
        problem = await self._in.alarms.problem()
        return None if problem is None else f"{ROLLED_BACK} {problem}"

    @property
    def _deadline(self) -> datetime | None:
        limit = self._guardrails.timeout_seconds
        return None if limit is None else self._pending.started_at + timedelta(seconds=limit)

    def _show(self, stage: Stage, message: str, *, active: Mapping[str, int]) -> None:
        self._pending = PendingDeployment(
            plan=self.new.plan,
            started_at=self._pending.started_at,
            stage=stage,
            since=self._in.now(),
            message=message,
            active=active,
        )
        self._in.board.stage(self._endpoint, self._pending)
