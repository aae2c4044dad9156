"""Carries out a plan one resource after the other, and has it undone where one fails.

Every resource is decided again from its now resolved properties, so that a plan can only have foreseen too much.
Replaced and removed resources go last, once everything else stands: until then a rollback finds them untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from botocore.exceptions import ClientError, ParamValidationError

from local.deploy import reasons
from local.deploy.changes import Action
from local.deploy.cleanup import clean_up, clear_leftovers, leftover
from local.deploy.disposal import Report
from local.deploy.documents import Json, Properties, text
from local.deploy.errors import (
    CloudFormationRefused,
    CreationIncomplete,
    ResourceFailed,
    StackFailed,
    StackInWrongState,
)
from local.deploy.handlers import Resource
from local.deploy.ledger import Attempt, Ledger, in_order_of_deletion, same_thing
from local.deploy.plan import (
    HandlerFinder,
    Plan,
    adopted,
    change_for,
    check_exports,
    outputs_and_exports,
    resolved_properties,
    retained,
)
from local.deploy.rollback import Rollback
from local.deploy.scope import StackScope
from local.deploy.state import ResourceState, StackState, Status, Step
from local.deploy.template import STACK_TYPE, TemplateResource


class Cancelled(CloudFormationRefused):
    """Somebody called the update off."""


@dataclass
class Execution:
    """One run of one plan. With `disables_rollback` a failure leaves what was made, for the next update to go on from.

    `is_cancelled` is asked before each resource.
    """

    plan: Plan
    scope: StackScope
    finder: HandlerFinder
    report: Report
    save: Callable[[StackState], None]
    disables_rollback: bool = False
    is_cancelled: Callable[[], bool] = lambda: False
    done: dict[str, ResourceState] = field(default_factory=dict)
    current: tuple[str, str] = ("", STACK_TYPE)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.plan.before, self.save, self.report)

    def run(self) -> StackState:
        """The state after success; raises StackFailed once everything is rolled back."""
        _refuse_where_stuck(self.plan)
        self.current = (self.plan.stack_name, STACK_TYPE)
        started = Status.CREATE_IN_PROGRESS if self.plan.is_new else Status.UPDATE_IN_PROGRESS
        self.ledger.becomes(started, reasons.USER_INITIATED)
        # First of all, because a leftover may bear the name of what is to be made.
        clear_leftovers(self.ledger, self.finder)
        try:
            outputs, exports = self._bring_about()
        except Exception as error:
            raise self._failed(error) from error
        return self._finish(outputs, exports)

    def _bring_about(self) -> tuple[dict[str, str], dict[str, str]]:
        for logical_id in self.plan.order:
            self._check_cancelled()
            resource = self.plan.template.resources[logical_id]
            self.current = (logical_id, resource.resource_type)
            state = self._apply(resource)
            self.done[logical_id] = state
            self.scope.resources[logical_id] = Resource(state.physical_id, state.attributes)
        self.current = (self.plan.stack_name, STACK_TYPE)
        self._check_cancelled()
        outputs, exports = (_texts(values) for values in outputs_and_exports(self.scope))
        check_exports(self.scope.neighbours, before=self.plan.before, exports=exports)
        return outputs, exports

    def _check_cancelled(self) -> None:
        if self.is_cancelled():
            self.current = (self.plan.stack_name, STACK_TYPE)
            raise Cancelled(reasons.USER_INITIATED)

    def _apply(self, resource: TemplateResource) -> ResourceState:
        properties = resolved_properties(resource, self.scope)
        old = self.plan.before.resources.get(resource.logical_id)
        change = change_for(resource, properties, old, self.finder)
        if change.action is Action.REPLACE and self.disables_rollback:
            raise CloudFormationRefused(reasons.REPLACEMENT_WITHOUT_ROLLBACK)
        if old is None or change.action in (Action.CREATE, Action.REPLACE):
            return self._create(resource, properties, old)
        if change.action is Action.UPDATE:
            return self._update(old, resource, properties)
        return adopted(old, resource, self.plan.needs[resource.logical_id])

    def _create(self, resource: TemplateResource, properties: Properties, old: ResourceState | None) -> ResourceState:
        generations = self.ledger.state.generations
        generation = generations.get(resource.logical_id, -1) + 1
        state = ResourceState(
            logical_id=resource.logical_id,
            resource_type=resource.resource_type,
            physical_id="",
            properties=properties,
            attributes={},
            depends_on=self.plan.needs[resource.logical_id],
            deletion_policy=resource.deletion_policy,
            generation=generation,
        )
        step = Step("create", state, old)
        self.ledger.begin(
            step,
            generations={**generations, resource.logical_id: generation},
            imports=tuple(sorted({*self.plan.before.imports, *self.scope.imports})),
        )
        if old is None:
            self.report(state, Status.CREATE_IN_PROGRESS)
        else:
            self.report(old, Status.UPDATE_IN_PROGRESS, reasons.REPLACEMENT)
        made = self._made(step)
        self.report(made, Status.CREATE_COMPLETE if old is None else Status.UPDATE_COMPLETE)
        return made

    def _made(self, step: Step) -> ResourceState:
        attempt = Attempt(self.ledger, step)
        try:
            self._refuse_second_of_a_name(step)
            made = self.finder.of(step.after, attempt).create(step.after.properties)
        except CreationIncomplete as incomplete:
            attempt.initiated(incomplete.physical_id)
            raise
        except (ClientError, ParamValidationError, ResourceFailed):
            # The service, or whoever asked on its behalf, has said no: nothing was made.
            self.ledger.withdraw()
            raise
        attempt.initiated(made.physical_id)
        after = replace(step.after, physical_id=made.physical_id, attributes=made.attributes)
        self.ledger.settle(replace(step, after=after))
        return after

    def _refuse_second_of_a_name(self, step: Step) -> None:
        old, new = step.before, step.after
        if old is not None and self.finder.of(old).keeps_name(old.properties, new.properties):
            name = old.physical_id.rpartition("/")[2]
            raise CloudFormationRefused(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {name} and update the stack again."
            )

    def _update(self, old: ResourceState, resource: TemplateResource, properties: Properties) -> ResourceState:
        needs = self.plan.needs[old.logical_id]
        after = replace(adopted(old, resource, needs), properties=properties, status=Status.UPDATE_COMPLETE)
        formers = self._formers(old)
        self.report(old, Status.UPDATE_IN_PROGRESS)
        # Written down first: an update that fails half way has to be undone, too.
        self.ledger.begin(Step("update", after, old))
        handler = self.finder.of(old)
        for former in formers:
            made = handler.update(after.physical_id, former, properties)
            after = replace(after, physical_id=made.physical_id, attributes=made.attributes)
        self.ledger.settle(Step("update", after, old))
        if after.physical_id != old.physical_id:
            self.report(after, Status.UPDATE_IN_PROGRESS, reasons.NEW_PHYSICAL_ID)
        self.report(after, Status.UPDATE_COMPLETE)
        return after

    def _formers(self, old: ResourceState) -> list[Properties]:
        """The properties that the physical resource may have now: after a failed update nobody knows which."""
        if old.status is not Status.UPDATE_FAILED:
            return [old.properties]
        steps = [step for step in self.ledger.state.steps if step.kind == "update" and same_thing(step.after, old)]
        formers = [old.properties, *(step.before.properties for step in steps if step.before is not None)]
        return [former for position, former in enumerate(formers) if former not in formers[:position]]

    def _finish(self, outputs: Mapping[str, str], exports: Mapping[str, str]) -> StackState:
        ledger = self.ledger
        whole: dict[str, Json] = {
            "template": self.plan.template.body,
            "parameters": self.plan.parameters,
            "resources": self.done,
            "steps": (),
            "leftovers": (*ledger.state.leftovers, *self._over()),
            "outputs": outputs,
            "exports": exports,
            "imports": tuple(sorted(self.scope.imports)),
        }
        if self.plan.is_new:
            ledger.becomes(Status.CREATE_COMPLETE, **whole)
            return ledger.state
        ledger.becomes(Status.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, **whole)
        clean_up(ledger, self.finder)
        return ledger.state

    def _over(self) -> list[ResourceState]:
        """The physical resources that the stack has no more use for, in the order in which they can go."""
        leftovers = self.plan.before.leftovers
        formers = [state for state in in_order_of_deletion(self.plan.before) if state not in leftovers]
        over = [state for state in formers if not self._is_in_use(state)]
        return [leftover(state, is_retained=self._is_retained(state)) for state in over]

    def _is_in_use(self, state: ResourceState) -> bool:
        return any(same_thing(state, present) for present in self.done.values())

    def _is_retained(self, state: ResourceState) -> bool:
        is_replaced = state.logical_id in self.done
        return retained(state, self.plan.template.resources[state.logical_id] if is_replaced else None)

    def _failed(self, error: Exception) -> StackFailed:
        logical_id, resource_type = self.current
        is_stacks_own = resource_type == STACK_TYPE
        reason = reasons.of_stack(error) if is_stacks_own else self._report_failure(error)
        if self.disables_rollback and not isinstance(error, Cancelled):
            kept, undone = self._left_as_it_is(reason), []
        else:
            rollback = Rollback(self.ledger, self.finder)
            rollback.run(reasons.with_rollback(reason) if self._is_first else reason)
            kept, undone = rollback.kept, rollback.undone
        return StackFailed(
            stack_name=self.plan.stack_name,
            logical_id=logical_id,
            resource_type=resource_type,
            reason=str(error) or repr(error),
            rolled_back=undone,
            kept=kept,
        )

    @property
    def _is_first(self) -> bool:
        return not self.plan.before.template

    def _report_failure(self, error: Exception) -> str:
        """Tells of the resource that failed; what to say of the stack then."""
        logical_id, resource_type = self.current
        old = self.plan.before.resources.get(logical_id)
        begun = self.ledger.state.steps[-1].after if self.ledger.state.steps else None
        physical_id = begun.physical_id if begun is not None and begun.logical_id == logical_id else ""
        failed = ResourceState(logical_id, resource_type, old.physical_id if old else physical_id, {}, {})
        self.report(failed, Status.UPDATE_FAILED if old else Status.CREATE_FAILED, reasons.of_resource(error))
        return reasons.failed_to("update" if old else "create", [logical_id])

    def _left_as_it_is(self, reason: str) -> list[str]:
        """Ends without a rollback; the steps stay known, so that one can follow."""
        state = self.ledger.state
        changes: dict[str, Json] = {}
        last = state.steps[-1] if state.steps else None
        if last is not None and not last.is_done:
            if last.kind == "update":
                failed = replace(last.after, status=Status.UPDATE_FAILED)
                changes["resources"] = {**state.resources, failed.logical_id: failed}
            else:
                changes["steps"] = state.steps[:-1]
                half_made = [leftover(last.after)] if last.after.physical_id else []
                changes["leftovers"] = (*state.leftovers, *half_made)
        self.ledger.becomes(Status.CREATE_FAILED if self._is_first else Status.UPDATE_FAILED, reason, **changes)
        return [step.after.logical_id for step in state.steps]


_STUCK = (Status.UPDATE_ROLLBACK_FAILED, Status.ROLLBACK_FAILED, Status.DELETE_FAILED)


def _refuse_where_stuck(plan: Plan) -> None:
    """Raises StackInWrongState for a stack that CloudFormation would not update."""
    state = plan.before
    if not plan.is_new and (state.status in _STUCK or state.status.is_under_way):
        problem = f"Stack:{state.stack_id} is in {state.status} state and can not be updated."
        raise StackInWrongState(stack_name=state.name, problem=problem)


def _texts(values: Mapping[str, Json]) -> dict[str, str]:
    return {name: text(value) for name, value in values.items()}
