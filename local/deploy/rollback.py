"""Leads a stack back along the steps of a failed operation, as CloudFormation does.

A stack that was never whole loses all that was made for it. Any other gets its changed resources back first; once that
has worked for all of them, what was newly made is deleted. A rollback that fails can be continued: its steps are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from local.deploy import reasons
from local.deploy.cleanup import clean_up, leftover
from local.deploy.disposal import Disposal
from local.deploy.handlers import Resource
from local.deploy.ledger import Ledger, in_order_of_deletion, same_thing, with_resource, without
from local.deploy.plan import HandlerFinder
from local.deploy.state import ResourceState, Status, Step

_SKIPPED = "Skipped by ContinueUpdateRollback"


@dataclass
class Rollback:
    """One way back. `undone` and `kept` name the resources for which it worked and did not.

    `retains` says whether what a failed creation made stays where its DeletionPolicy is Retain, as on AWS.
    """

    ledger: Ledger
    finder: HandlerFinder
    retains: bool = True
    undone: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def run(self, reason: str = "", *, skip: Collection[str] = ()) -> None:
        """Undoes all steps, save the changes of the resources in `skip`, which count as undone."""
        if self.ledger.state.template:
            self._return(reason, skip)
        else:
            self._take_away(reason)

    def _take_away(self, reason: str) -> None:
        """Deletes whatever was made, what needs it first; what cannot go stays the stack's."""
        ledger = self.ledger
        made = [state for state in in_order_of_deletion(ledger.state) if state not in ledger.state.leftovers]
        ledger.becomes(Status.ROLLBACK_IN_PROGRESS, reason)
        disposal = Disposal(self.finder, ledger.report)
        left: dict[str, ResourceState] = {}
        for state in made:
            is_needed = any(state.logical_id in other.depends_on for other in left.values())
            if state.deletion_policy == "Retain" and self.retains:
                ledger.report(state, Status.DELETE_SKIPPED)
            elif is_needed or not disposal.dispose([state]):
                left[state.logical_id] = state
                continue
            self._forget(state)
            self.undone.append(state.logical_id)
        self.kept.extend(left)
        if left:
            failed = reasons.failed_to("delete", [state.logical_id for state in disposal.failed])
            ledger.becomes(Status.ROLLBACK_FAILED, failed, resources=dict(reversed(left.items())), steps=())
        else:
            ledger.becomes(Status.ROLLBACK_COMPLETE, resources={}, steps=(), imports=())

    def _forget(self, gone: ResourceState) -> None:
        state = self.ledger.state
        self.ledger.keep(
            steps=tuple(step for step in state.steps if not same_thing(step.after, gone)),
            resources={key: entry for key, entry in state.resources.items() if not same_thing(entry, gone)},
        )

    def _return(self, reason: str, skip: Collection[str]) -> None:
        ledger = self.ledger
        ledger.becomes(Status.UPDATE_ROLLBACK_IN_PROGRESS, reason)
        for target in self._changed():
            if target.logical_id in skip:
                self._skip(target)
            else:
                self._restore(target)
        if self.kept:
            ledger.becomes(Status.UPDATE_ROLLBACK_FAILED, reasons.failed_to("update", self.kept))
            return
        self._enter_cleanup()
        clean_up(ledger, self.finder)

    def _changed(self) -> list[ResourceState]:
        """What was there before the first step and is to come back, each after those that it needs."""
        firsts: dict[str, ResourceState | None] = {}
        for step in self.ledger.state.steps:
            firsts.setdefault(step.after.logical_id, step.before)
        return [target for name in self.ledger.state.resources if (target := firsts.get(name)) is not None]

    def _restore(self, target: ResourceState) -> None:
        report = self.ledger.report
        report(target, Status.UPDATE_IN_PROGRESS)
        try:
            restored = self._updated_back(target)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps must be undone
            report(target, Status.UPDATE_FAILED, reasons.of_resource(error))
            self.kept.append(target.logical_id)
            return
        self._is_back(restored)
        report(restored, Status.UPDATE_COMPLETE)
        self.undone.append(target.logical_id)

    def _updated_back(self, target: ResourceState) -> ResourceState:
        made = Resource(target.physical_id, target.attributes)
        for step in self._still_felt(target):
            handler = self.finder.of(target)
            made = handler.update(step.after.physical_id, step.after.properties, target.properties)
        return replace(target, physical_id=made.physical_id, attributes=made.attributes)

    def _still_felt(self, target: ResourceState) -> list[Step]:
        """The updates whose properties the physical resource may have now, the last first.

        One that was finished left nothing of those before it; one that failed or was cut off may have done anything.
        """
        felt: list[Step] = []
        for step in reversed(self._steps(target.logical_id)):
            if step.kind == "update" and step.before is not None and same_thing(step.before, target):
                felt.append(step)
                if step.is_done:
                    break
        return felt

    def _skip(self, target: ResourceState) -> None:
        """Counts one resource as it was before, whatever it is."""
        self._is_back(target)
        self.ledger.report(target, Status.UPDATE_COMPLETE, _SKIPPED)
        self.undone.append(target.logical_id)

    def _is_back(self, restored: ResourceState) -> None:
        """Writes down that a resource is as before; the physical resources that stood in for it are to be deleted."""
        state = self.ledger.state
        steps = self._steps(restored.logical_id)
        doomed: tuple[ResourceState, ...] = ()
        for entry in (entry for step in steps for entry in (step.before, step.after)):
            if entry is not None and entry.physical_id and not same_thing(entry, restored):
                doomed = (*without(doomed, entry), leftover(entry))
        self.ledger.keep(
            resources=with_resource(state.resources, restored),
            steps=tuple(step for step in state.steps if step not in steps),
            leftovers=(*doomed, *state.leftovers),  # what is restored later needs what was restored before
        )

    def _steps(self, logical_id: str) -> list[Step]:
        return [step for step in self.ledger.state.steps if step.after.logical_id == logical_id]

    def _enter_cleanup(self) -> None:
        """The steps that are left made what had not been there before: it is to go, unless it is retained."""
        ledger = self.ledger
        state = ledger.state
        new: tuple[ResourceState, ...] = ()
        for step in state.steps:
            new = (step.after, *without(new, step.after)) if step.after.physical_id else new
        over = [leftover(entry, is_retained=entry.deletion_policy == "Retain" and self.retains) for entry in new]
        stays = {key: entry for key, entry in state.resources.items() if not any(same_thing(entry, x) for x in new)}
        ledger.becomes(
            Status.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS,
            resources=stays,
            steps=(),
            leftovers=(*over, *state.leftovers),
        )
        self.undone.extend(entry.logical_id for entry in new)
