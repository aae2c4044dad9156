"""The deploy engine's entry: an assembly, or one stack of it, brought into being, planned or taken away.

`plan` and `execute` are apart so that CreateChangeSet and ExecuteChangeSet can stand on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from local.clock import Clock
from local.deploy.assembly import ACCOUNT, REGION, Assembly, AssemblyStack
from local.deploy.changes import Action, Change
from local.deploy.check import check_assembly, unsupported_in
from local.deploy.disposal import Disposal, Report
from local.deploy.errors import StackFailed, TemplateError, UnsupportedAssembly
from local.deploy.execution import Execution
from local.deploy.handlers import Clients, Registry, Surroundings
from local.deploy.names import stack_id
from local.deploy.plan import HandlerFinder, Plan, make_plan
from local.deploy.publishing import bootstrap, publish
from local.deploy.receiver import ResponseReceiver
from local.deploy.registry import default_registry
from local.deploy.schedule import run_in_order
from local.deploy.scope import Neighbours, StackScope, importers, parameter_values, pseudo_parameters
from local.deploy.state import ResourceState, StackEvent, StackState, StackStore, Status, with_status
from local.deploy.template import Template, parse_template

STACKS_AT_A_TIME = 4


@dataclass(frozen=True)
class StackOutcome:
    """What became of one stack; `changes` leaves out the resources that stayed as they were."""

    stack_name: str
    stack_id: str
    result: Literal["created", "updated", "unchanged"]
    changes: tuple[Change, ...]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Engine:
    """Deploys onto whatever `clients` reaches, and keeps what it knows in `store`."""

    clients: Clients
    store: StackStore
    clock: Clock
    on_event: Callable[[StackEvent], None]
    receiver: ResponseReceiver
    registry: Registry = field(default_factory=default_registry)

    def deploy_assembly(
        self, assembly: Assembly, *, parameters: Mapping[str, Mapping[str, str]] | None = None
    ) -> list[StackOutcome]:
        """Deploys every stack after those that it needs, the others at the same time; `parameters` by stack name.

        Raises UnsupportedAssembly before anything is created, StackFailed after the failed stack is rolled back;
        stacks that were under way then are finished first, and no other is begun.
        """
        check_assembly(assembly, registry=self.registry, surroundings=self._surroundings())
        bootstrap(self.clients)
        stacks = {stack.name: stack for stack in assembly.stacks}
        outcomes = run_in_order(
            {name: stack.needs for name, stack in stacks.items()},
            lambda name: self._deploy(stacks[name], (parameters or {}).get(name, {})),
            at_a_time=STACKS_AT_A_TIME,
        )
        return [outcomes[name] for name in stacks]

    def _deploy(self, stack: AssemblyStack, parameters: Mapping[str, str]) -> StackOutcome:
        publish(stack, self.clients)
        return self.execute(self.plan(stack, parameters={**stack.parameters, **parameters}))

    def plan(self, stack: AssemblyStack, *, parameters: Mapping[str, str] | None = None) -> Plan:
        """What deploying `stack` would do now; reads only."""
        problems = unsupported_in(stack, registry=self.registry, surroundings=self._surroundings())
        if problems:
            raise UnsupportedAssembly(problems)
        template = parse_template(stack.template, stack_name=stack.name)
        before, is_new = self._before(stack.name)
        given = stack.parameters if parameters is None else parameters
        values = parameter_values(template, given, self._neighbours(stack.name))
        return make_plan(
            scope=self._scope(template, values, before.stack_id),
            parameters=dict(given),
            before=before,
            is_new=is_new,
            finder=self._finder(before),
        )

    def execute(self, plan: Plan) -> StackOutcome:
        """Carries a plan out; raises StackFailed once all of it is rolled back."""
        before = plan.before
        if plan.is_empty:
            return StackOutcome(plan.stack_name, before.stack_id, "unchanged", (), before.outputs)
        after = Execution(
            plan=plan,
            scope=self._scope(plan.template, plan.parameter_values, before.stack_id),
            finder=self._finder(before),
            report=Report(plan.stack_name, self.clock, self.on_event),
            save=self.store.save,
        ).run()
        return StackOutcome(
            stack_name=plan.stack_name,
            stack_id=after.stack_id,
            result="created" if plan.is_new else "updated",
            changes=tuple(change for change in plan.changes if change.action is not Action.KEEP),
            outputs=after.outputs,
        )

    def destroy(self, stack_name: str) -> None:
        """Deletes a stack's resources, save those it retains; raises StackFailed where some could not go."""
        state = self.store.load(stack_name)
        if state is None or state.status is Status.DELETE_COMPLETE:
            return
        self._check_unused(state)
        report = Report(stack_name, self.clock, self.on_event)
        self._becomes(state, Status.DELETE_IN_PROGRESS, report)
        disposal = Disposal(self._finder(state), report)
        disposal.dispose(state.leftovers)
        left = _dispose_in_order(state, disposal, report)
        if disposal.failed:
            leftovers = tuple(failed for failed in disposal.failed if failed.logical_id not in left)
            stuck = replace(state, resources=left, leftovers=leftovers)
            self._becomes(stuck, Status.DELETE_FAILED, report)
            raise StackFailed(
                stack_name=stack_name,
                logical_id=disposal.failed[0].logical_id,
                resource_type=disposal.failed[0].resource_type,
                reason="it could not be deleted; the stack's events say why",
                kept=(*left, *(leftover.logical_id for leftover in leftovers)),
            )
        emptied = replace(state, resources={}, leftovers=(), outputs={}, exports={}, imports=())
        self._becomes(emptied, Status.DELETE_COMPLETE, report)

    def _check_unused(self, state: StackState) -> None:
        for name, users in importers(self.store, state.exports).items():
            if others := [user for user in users if user != state.name]:
                problem = f"export {name} is in use by {', '.join(others)}; destroy these first"
                raise TemplateError(stack_name=state.name, problem=problem)

    def _becomes(self, state: StackState, status: Status, report: Report) -> None:
        changed = with_status(state, status)
        self.store.save(changed)
        report.stack(changed)

    def _before(self, stack_name: str) -> tuple[StackState, bool]:
        known = self.store.load(stack_name)
        if known is not None and not known.is_gone:
            return known, False
        incarnation = known.incarnation + 1 if known else 0
        arn = stack_id(stack_name=stack_name, account=ACCOUNT, region=REGION, incarnation=incarnation)
        leftovers = known.leftovers if known else ()
        fresh = StackState(stack_name, arn, incarnation, status=Status.CREATE_IN_PROGRESS, leftovers=leftovers)
        return fresh, True

    def _neighbours(self, stack_name: str) -> Neighbours:
        return Neighbours(self.store, self.clients, stack_name)

    def _scope(self, template: Template, values: Mapping[str, object], arn: str) -> StackScope:
        name = template.stack_name
        pseudo = pseudo_parameters(stack_name=name, stack_id=arn, account=ACCOUNT, region=REGION)
        return StackScope(template, values, pseudo, self._neighbours(name))

    def _finder(self, state: StackState) -> HandlerFinder:
        return HandlerFinder(self.registry, self._surroundings(), state.name, state.stack_id)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            clients=self.clients,
            clock=self.clock,
            receiver=self.receiver,
            region=REGION,
            account=ACCOUNT,
        )


def _dispose_in_order(state: StackState, disposal: Disposal, report: Report) -> dict[str, ResourceState]:
    """Deletes each resource after those that need it; what stays, and what that needs, is returned."""
    left: dict[str, ResourceState] = {}
    for resource in reversed(state.resources.values()):
        is_needed = any(resource.logical_id in other.depends_on for other in left.values())
        if resource.deletion_policy == "Retain":
            report(resource, Status.DELETE_SKIPPED)
        elif is_needed or not disposal.dispose([resource]):
            left[resource.logical_id] = resource
    return dict(reversed(left.items()))
