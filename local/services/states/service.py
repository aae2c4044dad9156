"""The whole of the local Step Functions, put together."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.api_calls import ApiCall
from local.clock import Clock
from local.cloud_port import Handler
from local.documents import Documents
from local.services.states.api import StatesApi
from local.services.states.archive import Archive
from local.services.states.calls import Calls
from local.services.states.course import Surroundings
from local.services.states.execution_operations import ExecutionOperations
from local.services.states.executions import Executions
from local.services.states.logging import LogSink, logging_to
from local.services.states.machines import Machines
from local.services.states.operations import Judge, MachineOperations
from local.services.states.tokens import Tokens
from local.timers import Timers


@dataclass(frozen=True, slots=True)
class Place:
    """Whose state machines these are."""

    account: str
    region: str


class StepFunctions:
    """Step Functions of one account and region. `documents` gives a collection of records by name."""

    def __init__(  # noqa: PLR0913  # each is a seam of its own
        self,
        *,
        documents: Callable[[str], Documents],
        timers: Timers,
        clock: Clock,
        machine_clock: Clock,
        calls: Calls,
        judge: Judge,
        place: Place,
        log: LogSink,
    ) -> None:
        self._clock = clock
        self.machines = Machines(documents("states/machines"), documents("states/revisions"))
        self.archive = Archive(documents("states/executions"), documents("states/history"))
        surroundings = Surroundings(
            timers=timers,
            clock=clock,
            machine_clock=machine_clock,
            calls=calls,
            tokens=Tokens(timers),
            keep=self.archive.keep,
            region=place.region,
        )
        self.archive.observe(logging_to(log, self.machines, may=judge.may))
        self.executions = Executions(machines=self.machines, archive=self.archive, surroundings=surroundings)
        machines = MachineOperations(
            machines=self.machines,
            archive=self.archive,
            executions=self.executions,
            judge=judge,
            clock=clock,
            account=place.account,
            region=place.region,
        )
        self._of_executions = ExecutionOperations(
            of_machines=machines, archive=self.archive, executions=self.executions
        )
        self._api = StatesApi({**machines.by_name(), **self._of_executions.by_name()})

    def handlers(self) -> Mapping[ApiCall, Handler]:
        """Each operation with its handler, for the cloud port."""
        return self._api.handlers()

    async def start_from_rule(self, machine_arn: str, text: str) -> None:
        """What a rule's target does: a new execution with this input.

        Raises: StatesRefused.
        """
        name = f"{uuid.uuid4()}_{uuid.uuid4()}"[:80]
        await self._of_executions.start({"stateMachineArn": machine_arn, "name": name, "input": text})

    async def resume(self) -> int:
        """Forgets what is old, and goes on with what a former cloud left; how many executions that are."""
        now = self._clock.now()
        await asyncio.to_thread(self.archive.forget_old, now)
        used = {execution.revision for execution in self.archive.all()}
        await asyncio.to_thread(self.machines.forget_revisions, used)
        return await self.executions.resume()

    async def close(self) -> None:
        """Cuts off what runs; it goes on when the cloud starts again."""
        await self.executions.close()
