"""Carries out a plan, writes down each step, and undoes the steps where one fails.

Every resource is decided again from its now resolved properties, so that a plan can only have foreseen too much.
Replaced and removed resources go last, once everything else stands: until then a rollback finds them untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from local.deploy.changes import Action, Change
from local.deploy.disposal import Disposal, Report
from local.deploy.documents import Json, Properties, text
from local.deploy.errors import CreationIncomplete, StackFailed
from local.deploy.handlers import Resource
from local.deploy.intrinsics import resolve
from local.deploy.plan import (
    HandlerFinder,
    Plan,
    adopted,
    change_for,
    check_exports,
    outputs_and_exports,
    retained,
)
from local.deploy.scope import StackScope
from local.deploy.state import ResourceState, StackState, Status
from local.deploy.template import STACK_TYPE, TemplateResource

_REPLACEMENT = "Requested update requires the creation of a new physical resource; hence creating one."


@dataclass(frozen=True)
class Made:
    """A step: this physical resource was created."""

    state: ResourceState


@dataclass(frozen=True)
class Changed:
    """A step: this resource was changed in place, or the attempt was made."""

    before: ResourceState
    after: ResourceState


Step: TypeAlias = Made | Changed


@dataclass
class Execution:
    """One run of one plan."""

    plan: Plan
    scope: StackScope
    finder: HandlerFinder
    report: Report
    save: Callable[[StackState], None]
    done: dict[str, ResourceState] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    generations: dict[str, int] = field(default_factory=dict)
    current: tuple[str, str] = ("", STACK_TYPE)

    def run(self) -> StackState:
        """The state after success; raises StackFailed once everything is rolled back."""
        self.generations = dict(self.plan.before.generations)
        self.current = (self.plan.stack_name, STACK_TYPE)
        self._stack_is(Status.CREATE_IN_PROGRESS if self.plan.is_new else Status.UPDATE_IN_PROGRESS)
        try:
            outputs, exports = self._bring_about()
        except Exception as error:
            raise self._rolled_back(error) from error
        return self._finish(outputs, exports)

    def _bring_about(self) -> tuple[dict[str, str], dict[str, str]]:
        for logical_id in self.plan.order:
            resource = self.plan.template.resources[logical_id]
            self.current = (logical_id, resource.resource_type)
            state = self._apply(resource)
            self.done[logical_id] = state
            self.scope.resources[logical_id] = Resource(state.physical_id, state.attributes)
        self.current = (self.plan.stack_name, STACK_TYPE)
        outputs, exports = outputs_and_exports(self.scope)
        check_exports(self.scope.neighbours, before=self.plan.before, exports=exports)
        return _texts(outputs), _texts(exports)

    def _apply(self, resource: TemplateResource) -> ResourceState:
        properties = resolve(dict(resource.properties), self.scope)
        old = self.plan.before.resources.get(resource.logical_id)
        change = change_for(resource, properties, old, self.finder)
        if old is None or change.action in (Action.CREATE, Action.REPLACE):
            return self._create(resource, properties, change)
        if change.action is Action.UPDATE:
            return self._update(old, resource, properties)
        return adopted(old, resource, self.plan.needs[resource.logical_id])

    def _create(self, resource: TemplateResource, properties: Properties, change: Change) -> ResourceState:
        logical_id = resource.logical_id
        is_replacement = change.action is Action.REPLACE
        generation = self.generations.get(logical_id, -1) + 1
        self.generations[logical_id] = generation
        state = ResourceState(
            logical_id=logical_id,
            resource_type=resource.resource_type,
            physical_id="",
            properties=properties,
            attributes={},
            depends_on=self.plan.needs[logical_id],
            deletion_policy=resource.deletion_policy,
            generation=generation,
        )
        started = Status.UPDATE_IN_PROGRESS if is_replacement else Status.CREATE_IN_PROGRESS
        self.report(state, started, _REPLACEMENT if is_replacement else "")
        try:
            made = self.finder.of(state).create(properties)
        except CreationIncomplete as incomplete:
            self.steps.append(Made(replace(state, physical_id=incomplete.physical_id)))
            raise
        state = replace(state, physical_id=made.physical_id, attributes=made.attributes)
        self.steps.append(Made(state))
        if is_replacement:
            self.replaced.add(logical_id)
        self.report(state, Status.UPDATE_COMPLETE if is_replacement else Status.CREATE_COMPLETE)
        return state

    def _update(self, old: ResourceState, resource: TemplateResource, properties: Properties) -> ResourceState:
        after = replace(adopted(old, resource, self.plan.needs[old.logical_id]), properties=properties, tainted=False)
        self.report(after, Status.UPDATE_IN_PROGRESS)
        # Written down first: an update that fails half way has to be undone, too.
        self.steps.append(Changed(old, after))
        made = self.finder.of(old).update(old.physical_id, old.properties, properties)
        after = replace(after, physical_id=made.physical_id, attributes=made.attributes)
        self.steps[-1] = Changed(old, after)
        if made.physical_id != old.physical_id:
            self.replaced.add(old.logical_id)
        self.report(after, Status.UPDATE_COMPLETE)
        return after

    def _finish(self, outputs: Mapping[str, str], exports: Mapping[str, str]) -> StackState:
        before = self.plan.before
        if not self.plan.is_new:
            self._stack_is(Status.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
        disposal = Disposal(self.finder, self.report)
        disposal.dispose(before.leftovers)
        disposal.dispose(state for state in reversed(before.resources.values()) if self._is_over(state))
        after = replace(
            before,
            status=Status.CREATE_COMPLETE if self.plan.is_new else Status.UPDATE_COMPLETE,
            template=self.plan.template.body,
            parameters=self.plan.parameters,
            resources=self.done,
            leftovers=tuple(disposal.failed),
            outputs=outputs,
            exports=exports,
            imports=tuple(sorted(self.scope.imports)),
            generations=self.generations,
        )
        self.save(after)
        self.report.stack(after)
        return after

    def _is_over(self, state: ResourceState) -> bool:
        is_replaced = state.logical_id in self.replaced
        if not is_replaced and state.logical_id in self.done:
            return False
        successor = self.plan.template.resources[state.logical_id] if is_replaced else None
        if retained(state, successor):
            self.report(state, Status.DELETE_SKIPPED)
            return False
        return True

    def _rolled_back(self, error: Exception) -> StackFailed:
        logical_id, resource_type = self.current
        reason = str(error) or repr(error)
        self._report_failure(reason)
        self._stack_is(Status.ROLLBACK_IN_PROGRESS if self.plan.is_new else Status.UPDATE_ROLLBACK_IN_PROGRESS, reason)
        rollback = Rollback(self.finder, self.report, dict(self.plan.before.resources))
        rollback.undo(self.steps)
        after = replace(
            self.plan.before,
            status=_status_after_rollback(is_new=self.plan.is_new, is_clean=not rollback.kept),
            resources=rollback.resources,
            leftovers=(*self.plan.before.leftovers, *rollback.disposal.failed),
            generations=self.generations,
        )
        self.save(after)
        self.report.stack(after)
        return StackFailed(
            stack_name=self.plan.stack_name,
            logical_id=logical_id,
            resource_type=resource_type,
            reason=reason,
            rolled_back=rollback.undone,
            kept=rollback.kept,
        )

    def _report_failure(self, reason: str) -> None:
        logical_id, resource_type = self.current
        if resource_type != STACK_TYPE:
            old = self.plan.before.resources.get(logical_id)
            failed = ResourceState(logical_id, resource_type, old.physical_id if old else "", {}, {})
            self.report(failed, Status.UPDATE_FAILED if old else Status.CREATE_FAILED, reason)

    def _stack_is(self, status: Status, reason: str = "") -> None:
        state = replace(self.plan.before, status=status)
        self.save(state)
        self.report.stack(state, reason)


@dataclass
class Rollback:
    """Undoes steps, last first, and goes on where one cannot be undone. `resources` becomes the state they leave."""

    finder: HandlerFinder
    report: Report
    resources: dict[str, ResourceState]
    undone: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.disposal = Disposal(self.finder, self.report)

    def undo(self, steps: list[Step]) -> None:
        """Undoes all of `steps`."""
        for step in reversed(steps):
            is_undone = self._unmake(step.state) if isinstance(step, Made) else self._restore(step)
            logical_id = step.state.logical_id if isinstance(step, Made) else step.before.logical_id
            (self.undone if is_undone else self.kept).append(logical_id)

    def _unmake(self, state: ResourceState) -> bool:
        return self.disposal.dispose([state])

    def _restore(self, step: Changed) -> bool:
        before, after = step.before, step.after
        self.report(before, Status.UPDATE_IN_PROGRESS)
        try:
            made = self.finder.of(before).update(after.physical_id, after.properties, before.properties)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps must be undone
            self.report(before, Status.UPDATE_FAILED, str(error))
            self.resources[before.logical_id] = replace(after, tainted=True)
            return False
        self.report(before, Status.UPDATE_COMPLETE)
        restored = replace(before, physical_id=made.physical_id, attributes=made.attributes)
        self.resources[before.logical_id] = restored
        stale = [state for state in (before, after) if state.physical_id != made.physical_id]
        return self.disposal.dispose(stale)


def _status_after_rollback(*, is_new: bool, is_clean: bool) -> Status:
    if is_new:
        return Status.ROLLBACK_COMPLETE if is_clean else Status.ROLLBACK_FAILED
    return Status.UPDATE_ROLLBACK_COMPLETE if is_clean else Status.UPDATE_ROLLBACK_FAILED


def _texts(values: Mapping[str, Json]) -> dict[str, str]:
    return {name: text(value) for name, value in values.items()}
