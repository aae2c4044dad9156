"""Brings a stack to rest whose operation was cut off with the process that carried it out.

A creation or update is undone, a rollback, clean-up or deletion goes on. What may be left of a creation that had not
told its physical id yet is named in the resource's event; everything else is known from the stack's steps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from local.deploy import reasons
from local.deploy.cleanup import clean_up, is_cleaning_up
from local.deploy.deletion import Deletion
from local.deploy.errors import StackFailed, StackInWrongState
from local.deploy.ledger import Ledger
from local.deploy.plan import HandlerFinder
from local.deploy.rollback import Rollback
from local.deploy.state import StackState, Status, Step

STOPPED = "The local cloud was stopped during this operation"

_CAN_BE_ROLLED_BACK = (Status.CREATE_FAILED, Status.UPDATE_FAILED, Status.UPDATE_ROLLBACK_FAILED)


@dataclass(frozen=True)
class Recovered:
    """A stack that was brought to rest; of the resources in `unaccounted` something may be left that nobody knows."""

    state: StackState
    unaccounted: tuple[str, ...]


def recovered(ledger: Ledger, finder: HandlerFinder) -> Recovered | None:
    """Ends the operation that the stack is in; None for a stack at rest."""
    if not ledger.state.status.is_under_way:
        return None
    recovery = _Recovery(ledger, finder)
    recovery.run()
    return Recovered(ledger.state, tuple(recovery.unaccounted))


def rolled_back(ledger: Ledger, finder: HandlerFinder, *, skip: Collection[str] = ()) -> StackState:
    """Takes back what a failed operation left; raises StackInWrongState, or StackFailed where some of it stays."""
    state = ledger.state
    if state.status not in _CAN_BE_ROLLED_BACK:
        problem = f"Stack:{state.stack_id} is in {state.status} state and can not be rolled back."
        raise StackInWrongState(stack_name=state.name, problem=problem)
    rollback = Rollback(ledger, finder)
    rollback.run(reasons.USER_INITIATED, skip=skip)
    if rollback.kept:
        first = rollback.kept[0]
        raise StackFailed(
            stack_name=state.name,
            logical_id=first,
            resource_type=state.resources[first].resource_type,
            reason="it could not be rolled back; the stack's events say why",
            rolled_back=rollback.undone,
            kept=rollback.kept,
        )
    return ledger.state


@dataclass
class _Recovery:
    """What a creation made goes even where it is to be retained: AWS would have gone on, and a bucket that stays would
    be in the way of the next attempt.
    """

    ledger: Ledger
    finder: HandlerFinder
    unaccounted: list[str] = field(default_factory=list)

    def run(self) -> None:
        status = self.ledger.state.status
        if is_cleaning_up(status):
            clean_up(self.ledger, self.finder)
        elif status is Status.DELETE_IN_PROGRESS:
            self._go_on_deleting()
        elif status in (Status.ROLLBACK_IN_PROGRESS, Status.UPDATE_ROLLBACK_IN_PROGRESS):
            self._resolve_cut_step()
            Rollback(self.ledger, self.finder, retains=False).run(STOPPED)
        else:
            failed = self._report_cut_step()
            self._resolve_cut_step()
            Rollback(self.ledger, self.finder, retains=False).run(f"{failed}{STOPPED}.")

    def _go_on_deleting(self) -> None:
        try:
            Deletion(self.ledger, self.finder).run()
        except StackFailed:
            # The stack's status and its events say so already, and nobody waits for this deletion any more.
            return

    def _cut_step(self) -> Step | None:
        steps = self.ledger.state.steps
        return steps[-1] if steps and not steps[-1].is_done else None

    def _report_cut_step(self) -> str:
        step = self._cut_step()
        if step is None:
            return ""
        verb, status = ("create", Status.CREATE_FAILED) if step.before is None else ("update", Status.UPDATE_FAILED)
        self.ledger.report(step.after if step.before is None else step.before, status, STOPPED)
        return reasons.failed_to(verb, [step.after.logical_id])

    def _resolve_cut_step(self) -> None:
        """Finds out what became of a creation whose physical id nobody wrote down."""
        step = self._cut_step()
        if step is None or step.kind == "update" or step.after.physical_id:
            return
        found = self.finder.of(step.after).orphan(step.after.properties)
        if found is not None:
            self.ledger.revise(replace(step, after=replace(step.after, physical_id=found)))
            return
        self.unaccounted.append(step.after.logical_id)
        left = f"{STOPPED}; a {step.after.resource_type} may be left that no stack knows of"
        self.ledger.report(step.after, Status.CREATE_FAILED, left)
        self.ledger.withdraw()
