"""A stack's deletion: each resource after those that need it, what is retained left alone, what fails named."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from local.deploy import reasons
from local.deploy.disposal import Disposal
from local.deploy.errors import StackFailed
from local.deploy.ledger import Ledger, in_order_of_deletion, same_thing, without
from local.deploy.plan import HandlerFinder
from local.deploy.state import ResourceState, StackState, Status


@dataclass
class Deletion:
    """One deletion of one stack. `retain` names resources to leave behind, as DeleteStack's RetainResources."""

    ledger: Ledger
    finder: HandlerFinder
    retain: Collection[str] = ()

    def run(self) -> None:
        """Brings the stack to DELETE_COMPLETE, or to DELETE_FAILED and raises StackFailed."""
        ledger = self.ledger
        ledger.becomes(Status.DELETE_IN_PROGRESS, reasons.USER_INITIATED)
        disposal = Disposal(self.finder, ledger.report)
        left: list[ResourceState] = []
        for state in in_order_of_deletion(ledger.state):
            if self._is_retained(state):
                ledger.report(state, Status.DELETE_SKIPPED)
            elif _is_needed(state, left) or not disposal.dispose([state]):
                left.append(state)
                continue
            self._forget(state)
        if left:
            failed = [state.logical_id for state in disposal.failed]
            ledger.becomes(Status.DELETE_FAILED, reasons.failed_to("delete", failed))
            raise _failure(ledger.state, disposal.failed[0], left)
        ledger.becomes(Status.DELETE_COMPLETE, resources={}, steps=(), outputs={}, exports={}, imports=())

    def _is_retained(self, state: ResourceState) -> bool:
        return state.logical_id in self.retain or state.deletion_policy != "Delete"

    def _forget(self, gone: ResourceState) -> None:
        state = self.ledger.state
        self.ledger.keep(
            resources={key: entry for key, entry in state.resources.items() if not same_thing(entry, gone)},
            leftovers=without(state.leftovers, gone),
            steps=tuple(
                step
                for step in state.steps
                if not any(entry is not None and same_thing(entry, gone) for entry in (step.before, step.after))
            ),
        )


def _is_needed(state: ResourceState, left: list[ResourceState]) -> bool:
    return any(state.logical_id in other.depends_on for other in left)


def _failure(state: StackState, first: ResourceState, left: list[ResourceState]) -> StackFailed:
    return StackFailed(
        stack_name=state.name,
        logical_id=first.logical_id,
        resource_type=first.resource_type,
        reason="it could not be deleted; the stack's events say why",
        kept=[resource.logical_id for resource in left],
    )
