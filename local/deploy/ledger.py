"""A stack's state while an operation changes it: each step is kept before the next is begun, so that it can be undone
by whoever reads the state, also after this process was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from local.deploy.disposal import Report
from local.deploy.documents import Json
from local.deploy.graph import topological_order
from local.deploy.state import ResourceState, StackState, Status, Step


@dataclass
class Ledger:
    """Keeps `state` wherever `save` puts it, and reports what the stack becomes."""

    state: StackState
    save: Callable[[StackState], None]
    report: Report

    def keep(self, **changes: Json) -> None:
        """The state with some fields changed."""
        self.state = replace(self.state, **changes)
        self.save(self.state)

    def becomes(self, status: Status, reason: str = "", **changes: Json) -> None:
        """The stack comes to `status`; the event tells it."""
        self.keep(status=status, **changes)
        self.report.stack(self.state, reason)

    def begin(self, step: Step, **changes: Json) -> None:
        """`step` is about to be made."""
        self.keep(steps=(*self.state.steps, step), **changes)

    def revise(self, step: Step) -> None:
        """More is known of the step that was begun last."""
        self.keep(steps=(*self.state.steps[:-1], step))

    def settle(self, step: Step) -> None:
        """The step that was begun last is done."""
        done = replace(step, is_done=True)
        self.keep(steps=(*self.state.steps[:-1], done), resources=with_resource(self.state.resources, step.after))

    def withdraw(self) -> None:
        """The step that was begun last has changed nothing."""
        self.keep(steps=self.state.steps[:-1])


def with_resource(resources: Mapping[str, ResourceState], state: ResourceState) -> dict[str, ResourceState]:
    """`resources` with one put in; a former one of the same logical id goes."""
    return {**resources, state.logical_id: state}


def without(states: tuple[ResourceState, ...], gone: ResourceState) -> tuple[ResourceState, ...]:
    """`states` without one physical resource."""
    return tuple(state for state in states if not same_thing(state, gone))


def same_thing(one: ResourceState, other: ResourceState) -> bool:
    """Whether both are one physical resource."""
    return (one.logical_id, one.resource_type, one.physical_id) == (
        other.logical_id,
        other.resource_type,
        other.physical_id,
    )


def things(state: StackState) -> list[ResourceState]:
    """Every physical resource that the stack answers for, those last made first, each once."""
    made = [entry for step in reversed(state.steps) for entry in (step.after, step.before) if entry is not None]
    found: list[ResourceState] = []
    for entry in (*reversed(state.resources.values()), *made, *state.leftovers):
        if entry.physical_id and not any(same_thing(entry, known) for known in found):
            found.append(entry)
    return found


def in_order_of_deletion(state: StackState) -> list[ResourceState]:
    """Every physical resource of a stack: leftovers first, then each before those that it needs."""
    present = {name: set(resource.depends_on) & state.resources.keys() for name, resource in state.resources.items()}
    order = topological_order(present, stack_name=state.name)
    resources = [state.resources[name] for name in reversed(order)]
    others = [thing for thing in things(state) if not any(same_thing(thing, resource) for resource in resources)]
    return [*others, *resources]


@dataclass
class Attempt:
    """Hears how far one creation has come, and writes it down."""

    ledger: Ledger
    step: Step
    is_announced: bool = field(default=False)

    def claims(self, physical_id: str) -> None:
        """It is about to be made under this id, which was free."""
        self._knows(physical_id)

    def initiated(self, physical_id: str) -> None:
        """It has come to life under this id."""
        if not self.is_announced:
            self._knows(physical_id)
            self.is_announced = True
            self.ledger.report.initiated(self.step)

    def _knows(self, physical_id: str) -> None:
        if physical_id != self.step.after.physical_id:
            self.step = replace(self.step, after=replace(self.step.after, physical_id=physical_id))
            self.ledger.revise(self.step)
