"""The end of an update or its rollback: what the stack has no more use for goes, and a failure no longer matters."""

from __future__ import annotations

from dataclasses import replace

from local.deploy import reasons
from local.deploy.disposal import Disposal
from local.deploy.ledger import Ledger, without
from local.deploy.plan import HandlerFinder
from local.deploy.state import ResourceState, Status

_ENDS = {
    Status.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: (Status.UPDATE_COMPLETE, reasons.CLEANUP_INCOMPLETE),
    Status.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: (
        Status.UPDATE_ROLLBACK_COMPLETE,
        reasons.ROLLBACK_CLEANUP_INCOMPLETE,
    ),
}


def is_cleaning_up(status: Status) -> bool:
    """Whether a stack in this status waits for `clean_up`."""
    return status in _ENDS


def clean_up(ledger: Ledger, finder: HandlerFinder) -> None:
    """Deletes the leftovers and brings the stack to the end of its operation."""
    clear_leftovers(ledger, finder)
    status, reason = _ENDS[ledger.state.status]
    ledger.becomes(status, reason if ledger.state.leftovers else "")


def clear_leftovers(ledger: Ledger, finder: HandlerFinder) -> None:
    """Lets go of what is to be retained and deletes what can be deleted; the rest stays a leftover."""
    disposal = Disposal(finder, ledger.report)
    for state in ledger.state.leftovers:
        if state.deletion_policy != "Delete":
            ledger.report(state, Status.DELETE_SKIPPED)
        elif not disposal.dispose([state]):
            continue
        ledger.keep(leftovers=without(ledger.state.leftovers, state))


def leftover(state: ResourceState, *, is_retained: bool = False) -> ResourceState:
    """A physical resource that the stack has no more use for, and what is to become of it."""
    return replace(state, deletion_policy="Retain" if is_retained else "Delete")
