"""Deletes physical resources, and reports what happens to resources and stacks as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from local.clock import Clock
from local.deploy import reasons
from local.deploy.handlers import says_gone
from local.deploy.plan import HandlerFinder
from local.deploy.state import ResourceState, StackEvent, StackState, Status, Step
from local.deploy.template import STACK_TYPE


@dataclass(frozen=True)
class Report:
    """Tells a callback each step, stamped with the clock's time."""

    stack_name: str
    clock: Clock
    on_event: Callable[[StackEvent], None]

    def __call__(self, state: ResourceState, status: Status, reason: str = "") -> None:
        """One resource has come to `status`."""
        self._tell(state.logical_id, state.resource_type, status, reason, state.physical_id)

    def initiated(self, step: Step) -> None:
        """A creation has a physical id by now."""
        status = Status.CREATE_IN_PROGRESS if step.before is None else Status.UPDATE_IN_PROGRESS
        self(step.after, status, reasons.CREATION_INITIATED)

    def stack(self, state: StackState, reason: str = "") -> None:
        """The stack has come to its state's status."""
        self._tell(self.stack_name, STACK_TYPE, state.status, reason, state.stack_id)

    def _tell(self, logical_id: str, resource_type: str, status: Status, reason: str, physical_id: str) -> None:
        self.on_event(
            StackEvent(
                time=self.clock.now(),
                stack_name=self.stack_name,
                logical_id=logical_id,
                resource_type=resource_type,
                status=status,
                reason=reason,
                physical_id=physical_id,
            )
        )


@dataclass
class Disposal:
    """Deletes what it is given; `failed` collects what is still there."""

    finder: HandlerFinder
    report: Report
    failed: list[ResourceState] = field(default_factory=list)

    def dispose(self, states: Iterable[ResourceState]) -> bool:
        """Deletes each in turn; whether all are gone."""
        failures_before = len(self.failed)
        for state in states:
            self._delete(state)
        return len(self.failed) == failures_before

    def _delete(self, state: ResourceState) -> None:
        self.report(state, Status.DELETE_IN_PROGRESS)
        try:
            self.finder.of(state).delete(state.physical_id, state.properties)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must go, and this one is reported
            if not says_gone(error):
                self.failed.append(state)
                self.report(state, Status.DELETE_FAILED, reasons.of_resource(error))
                return
        self.report(state, Status.DELETE_COMPLETE)
