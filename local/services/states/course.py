"""An execution's way through its states: what each does, when it is tried again, what catches its failure.

Where it stands is kept before whatever cannot be undone, and everything here can be entered at any stage: a course that
is cut off goes on from its last position. Tasks have a module of their own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from local.clock import Clock
from local.services.states.arguments import compact, iso
from local.services.states.branches import Branches
from local.services.states.calls import Actor, Calls
from local.services.states.definition import Definition, Flow, Kind, State
from local.services.states.execution import Execution, Position, Stage
from local.services.states.expressions import Bindings, filled, typed
from local.services.states.failures import (
    DATA_LIMIT,
    DATA_LIMIT_BYTES,
    NO_CHOICE,
    QUERY,
    StateFailed,
    runtime_failure,
)
from local.services.states.fields import is_moment
from local.services.states.history import WHOLE, tell
from local.services.states.tasks import Tasks
from local.services.states.tokens import Tokens
from local.timers import Timers

NOTHING: Final = object()
"""Stands for a result that there is none of."""

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every course works with. `keep` has an execution on disk when it returns; `drawn` is from 0 up to 1."""

    timers: Timers
    clock: Clock
    machine_clock: Clock
    calls: Calls
    tokens: Tokens
    keep: Callable[[Execution], Awaitable[None]]
    region: str
    drawn: Callable[[], float] = field(default=random.random)


@dataclass(frozen=True, slots=True)
class Step:
    """What a state has come to: its output, the variables that it assigns, and what follows; None at the end."""

    next: str | None
    output: Any
    assigned: Variables


class Course:
    """One execution's way. `role_arn` is the machine's."""

    def __init__(
        self, execution: Execution, definition: Definition, *, role_arn: str, surroundings: Surroundings
    ) -> None:
        self.execution, self._definition, self._role_arn = execution, definition, role_arn
        self.surroundings = surroundings
        self.actor = Actor(role_arn, execution.name)
        self._tasks, self._branches = Tasks(self), Branches(self)

    async def run(self) -> Any:
        """Goes on from the execution's position to the end; the output.

        Raises: StateFailed.
        """
        assert self.execution.position is not None  # noqa: S101 - whoever runs, has begun
        return await self.go_through(self._definition.flow, self.execution.position, {})

    async def keep(self) -> None:
        """Writes down where the execution stands."""
        await self.surroundings.keep(self.execution)

    def tell(self, kind: str, position: Position, **details: Any) -> int:
        """Adds to the history."""
        now = self.surroundings.clock.now()
        return tell(self.execution, kind, now=now, position=position, details=details or None)

    def bindings(self, position: Position, outer: Variables) -> Bindings:
        """What the expressions of the state at a position may read."""
        states = {"input": position.input, "context": self._context(position)}
        variables = {**outer, **position.variables}
        return Bindings(states=states, variables=variables, now=self.surroundings.clock.now())

    async def abandon(self, position: Position) -> None:
        """Stops the jobs that are followed at a position or inside it; nobody wants them any more."""
        by_name = {state.name: state for state in self._definition.flow.all_states()}
        for each in position.all():
            integration = by_name[each.state].integration
            if each.stage is Stage.FOLLOWING and integration is not None and integration.job and each.job:
                arguments = {integration.job.name: each.job}
                with suppress(StateFailed):  # it may have ended by itself
                    await self.surroundings.calls.call(
                        self.actor, integration, arguments, operation=integration.job.stop
                    )

    def _context(self, position: Position) -> dict[str, Any]:
        execution = self.execution
        return {
            "Execution": {
                "Id": execution.arn,
                "Input": self.input,
                "Name": execution.name,
                "RoleArn": self._role_arn,
                "StartTime": iso(datetime.fromisoformat(execution.started)),
                "RedriveCount": 0,
            },
            "State": {"EnteredTime": position.entered, "Name": position.state, "RetryCount": position.retry_count},
            "StateMachine": {"Id": execution.machine_arn, "Name": execution.machine_name},
            **({"Task": {"Token": position.token}} if position.token else {}),
            **({"Map": {"Item": position.item}} if position.item is not None else {}),
        }

    @property
    def input(self) -> Any:
        """The execution's input."""
        return json.loads(self.execution.input)

    async def go_through(self, flow: Flow, position: Position, outer: Variables) -> Any:
        """Goes on in a flow to its end; the output. `outer` are the variables of the scopes around it.

        Raises: StateFailed.
        """
        while position.stage is not Stage.ENDED:
            state = flow.states[position.state]
            if position.stage is Stage.ENTERING:
                await self._enter(state, position)
            self._leave(state, position, await self._carried_out(state, position, outer))
        return position.output

    async def _enter(self, state: State, position: Position) -> None:
        position.entered = iso(self.surroundings.clock.now())
        position.entered_event = self.tell(
            f"{state.kind}StateEntered",
            position,
            name=state.name,
            input=compact(position.input),
            inputDetails=WHOLE,
        )
        position.stage = Stage.ENTERED
        await self.keep()

    def _leave(self, state: State, position: Position, step: Step) -> None:
        assigned = {name: compact(value) for name, value in step.assigned.items()}
        self.tell(
            f"{state.kind}StateExited",
            position,
            name=state.name,
            output=compact(step.output),
            outputDetails=WHOLE,
            **({"assignedVariables": assigned, "assignedVariablesDetails": WHOLE} if assigned else {}),
        )
        position.variables = {**position.variables, **step.assigned}
        if step.next is None:
            position.stage, position.output = Stage.ENDED, step.output
        else:
            position.go_on(step.next, step.output)

    async def _carried_out(self, state: State, position: Position, outer: Variables) -> Step:
        """The state's step, after as many attempts as its retriers give it."""
        while True:
            try:
                return await self._attempted(state, position, outer)
            except StateFailed as failure:
                self._place(failure, state, position)
                pause_seconds = self._pause(state, position, failure)
                if pause_seconds is None:
                    return self._caught(state, position, outer, failure)
                due = self.surroundings.clock.now() + timedelta(seconds=pause_seconds)
            position.begin_attempt()
            position.stage, position.due = Stage.PAUSING, due.isoformat()
            position.retry_count += 1
            await self.keep()

    async def _attempted(self, state: State, position: Position, outer: Variables) -> Step:
        if position.stage is Stage.PAUSING and position.due is not None:
            await self.surroundings.timers.sleep_until(datetime.fromisoformat(position.due))
            position.begin_attempt()
        match state.kind:
            case Kind.TASK:
                return self._step(state, position, outer, await self._tasks.result(state, position, outer))
            case Kind.PARALLEL | Kind.MAP:
                return self._step(state, position, outer, await self._branches.results(state, position, outer))
            case Kind.CHOICE:
                return self._chosen(state, position, outer)
            case Kind.WAIT:
                await self._wait(state, position, outer)
            case Kind.FAIL:
                raise self._failure(state, position, outer)
        return self._step(state, position, outer)

    def _step(self, state: State, position: Position, outer: Variables, result: Any = NOTHING) -> Step:
        bindings = self.bindings(position, outer)
        default = position.input
        if result is not NOTHING:
            bindings, default = bindings.having(result=result), result
        return self._onward(state.next, state.fields, "", default=default, bindings=bindings)

    def _onward(
        self, following: str | None, fields: Mapping[str, Any], path: str, *, default: Any, bindings: Bindings
    ) -> Step:
        """The step to `following`. Output and Assign see the same variables: those from before."""
        prefix = f"{path}/" if path else ""
        output = default
        if "Output" in fields:
            output = filled(fields["Output"], field=f"{prefix}Output", bindings=bindings)
        assigned = filled(fields.get("Assign", {}), field=f"{prefix}Assign", bindings=bindings)
        for name, value in (("state", output), *((f"variable '{name}'", each) for name, each in assigned.items())):
            if len(compact(value).encode()) > DATA_LIMIT_BYTES:
                cause = f"The {name} has a size exceeding the maximum number of bytes service limit."
                raise StateFailed(DATA_LIMIT, cause, is_own=True)
        return Step(following, output, assigned)

    def _chosen(self, state: State, position: Position, outer: Variables) -> Step:
        bindings = self.bindings(position, outer)
        for rule in state.choices:
            if typed(rule.condition, bool, "boolean", field=f"{rule.path}/Condition", bindings=bindings):
                return self._onward(rule.next, rule.fields, rule.path, default=position.input, bindings=bindings)
        if state.next is None:
            raise StateFailed(NO_CHOICE, "No choice rule was matched, and there is no Default.", is_own=True)
        return self._step(state, position, outer)

    async def _wait(self, state: State, position: Position, outer: Variables) -> None:
        if position.stage is Stage.ENTERED:
            position.due = self._due(state, position, outer).isoformat()
            position.stage = Stage.WAITING
            await self.keep()
        assert position.due is not None  # noqa: S101 - it waits
        await self.surroundings.timers.sleep_until(datetime.fromisoformat(position.due))

    def _due(self, state: State, position: Position, outer: Variables) -> datetime:
        bindings = self.bindings(position, outer)
        if "Timestamp" in state.fields:
            text = typed(state.fields["Timestamp"], str, "string", field="Timestamp", bindings=bindings)
            if not is_moment(text):
                raise runtime_failure(f"The value '{text}' of the field 'Timestamp' is no valid timestamp.")
            return datetime.fromisoformat(text)
        seconds = typed(state.fields["Seconds"], (int, float), "number", field="Seconds", bindings=bindings)
        if not 0 <= seconds <= 99_999_999:
            raise runtime_failure(f"The value {seconds} of the field 'Seconds' is not between 0 and 99999999.")
        return self.surroundings.clock.now() + timedelta(seconds=seconds)

    def _failure(self, state: State, position: Position, outer: Variables) -> StateFailed:
        bindings = self.bindings(position, outer)
        error, cause = (
            typed(state.fields[name], str, "string", field=name, bindings=bindings) if name in state.fields else None
            for name in ("Error", "Cause")
        )
        return StateFailed(error, cause)

    def _pause(self, state: State, position: Position, failure: StateFailed) -> float | None:
        """Seconds until the next attempt; None where there is none."""
        for at, retrier in enumerate(state.retriers):
            if not failure.is_named(retrier.names):
                continue
            attempts = position.attempts.get(str(at), 0)
            if attempts >= retrier.most_attempts:
                return None
            position.attempts[str(at)] = attempts + 1
            pause = retrier.pause_seconds(attempts)
            return pause * self.surroundings.drawn() if retrier.has_jitter else pause
        return None

    def _caught(self, state: State, position: Position, outer: Variables, failure: StateFailed) -> Step:
        """The step to the state that a catcher names.

        Raises: StateFailed where none is for it.
        """
        catcher = next((each for each in state.catchers if failure.is_named(each.names)), None)
        if catcher is None:
            raise failure
        error = {"Error": failure.error, **({} if failure.cause is None else {"Cause": failure.cause})}
        bindings = self.bindings(position, outer).having(errorOutput=error)
        try:
            return self._onward(catcher.next, catcher.fields, catcher.path, default=error, bindings=bindings)
        except StateFailed as another:
            self._place(another, state, position)
            raise

    def _place(self, failure: StateFailed, state: State, position: Position) -> None:
        """Says where a failure of the interpreter's own has come up, as AWS does, once."""
        if not failure.is_own:
            return
        failure.is_own = False
        event = position.entered_event
        prefix = f"An error occurred while executing the state '{state.name}' (entered at the event id #{event})."
        failure.cause = f"{prefix} {failure.cause}"
        if failure.error == QUERY:
            self.tell(
                "EvaluationFailed",
                position,
                error=failure.error,
                cause=failure.cause,
                location=failure.location or None,
                state=state.name,
            )
