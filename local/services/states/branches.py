"""Parallel and Map states: flows that are gone through side by side, each with a position of its own.

Where one fails, the others are given up. A position that is gone on with after a restart skips the flows that ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.services.states.arguments import compact
from local.services.states.definition import Flow, Kind, State
from local.services.states.execution import Position, Stage
from local.services.states.expressions import Bindings, filled, typed
from local.services.states.failures import QUERY, StateFailed

if TYPE_CHECKING:
    from local.services.states.course import Course


class Branches:
    """The inner flows of one course."""

    def __init__(self, course: Course) -> None:
        self._course = course

    async def results(self, state: State, position: Position, outer: Mapping[str, Any]) -> list[Any]:
        """What each flow has come to, in the order of branches or items.

        Raises: StateFailed.
        """
        bindings = self._course.bindings(position, outer)
        if position.stage is Stage.ENTERED:
            await self._begin(state, position, bindings)
        try:
            await self._side_by_side(state, position, bindings)
        except StateFailed:
            self._course.tell(f"{state.kind}StateFailed", position)
            raise
        position.last_event = max([position.last_event, *(branch.last_event for branch in position.branches)])
        self._course.tell(f"{state.kind}StateSucceeded", position)
        return [branch.output for branch in position.branches]

    async def _begin(self, state: State, position: Position, bindings: Bindings) -> None:
        position.branches = _positions(state, position, bindings)
        position.stage = Stage.BRANCHING
        started = {"length": len(position.branches)} if state.kind is Kind.MAP else {}
        self._course.tell(f"{state.kind}StateStarted", position, **started)
        for branch in position.branches:
            branch.last_event = position.last_event
        await self._course.keep()

    async def _side_by_side(self, state: State, position: Position, bindings: Bindings) -> None:
        limit = _limit(state, bindings)
        waiting = [at for at, branch in enumerate(position.branches) if branch.stage is not Stage.ENDED]
        running: set[asyncio.Task[None]] = set()
        try:
            while waiting or running:
                while waiting and (limit < 1 or len(running) < limit):
                    work = self._gone_through(state, waiting.pop(0), position, bindings.variables)
                    running.add(self._begun(work))
                await self._first_ended(running)
                for task in [task for task in running if task.done()]:
                    running.discard(task)
                    task.result()
        except StateFailed:
            await _given_up(running)
            await self._course.abandon(position)
            raise
        finally:
            await _given_up(running)

    async def _gone_through(self, state: State, at: int, position: Position, outer: Mapping[str, Any]) -> None:
        flow, branch = _flow(state, at), position.branches[at]
        about = {"name": state.name, "index": at}
        is_item = state.kind is Kind.MAP
        if is_item and branch.entered_event == 0:
            self._course.tell("MapIterationStarted", branch, **about)
        try:
            await self._course.go_through(flow, branch, outer)
        except StateFailed:
            if is_item:
                self._course.tell("MapIterationFailed", branch, **about)
            raise
        if is_item:
            self._course.tell("MapIterationSucceeded", branch, **about)
        await self._course.keep()

    def _begun(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._course.surroundings.timers.track(task)
        return task

    async def _first_ended(self, running: set[asyncio.Task[None]]) -> None:
        """Comes back once one of the tasks has ended. The time waits for those that work, and not for this one."""
        wake = self._course.surroundings.timers.rest()
        for task in running:
            task.add_done_callback(lambda _task: wake())
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wake()


async def _given_up(running: set[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _flow(state: State, at: int) -> Flow:
    return state.flows[at] if state.kind is Kind.PARALLEL else state.flows[0]


def _limit(state: State, bindings: Bindings) -> int:
    """How many flows are gone through at a time; 0 for all."""
    wanted = state.fields.get("MaxConcurrency", 0)
    return int(typed(wanted, (int, float), "number", field="MaxConcurrency", bindings=bindings))


def _positions(state: State, position: Position, bindings: Bindings) -> list[Position]:
    if state.kind is Kind.PARALLEL:
        given = position.input
        if "Arguments" in state.fields:
            given = filled(state.fields["Arguments"], field="Arguments", bindings=bindings)
        return [Position(state=flow.start_at, input=given, item=position.item) for flow in state.flows]
    items = position.input
    if "Items" in state.fields:
        items = filled(state.fields["Items"], field="Items", bindings=bindings)
    if not isinstance(items, list):
        raise StateFailed(QUERY, f"The field 'Items' has to be an array, but was {compact(items)}.", is_own=True)
    return [_of_item(state, bindings, index, item) for index, item in enumerate(items)]


def _of_item(state: State, bindings: Bindings, index: int, value: Any) -> Position:
    item = {"Index": index, "Value": value}
    given = value
    if "ItemSelector" in state.fields:
        context = {**bindings.states["context"], "Map": {"Item": item}}
        given = filled(state.fields["ItemSelector"], field="ItemSelector", bindings=bindings.having(context=context))
    return Position(state=state.flows[0].start_at, input=given, item=item)
