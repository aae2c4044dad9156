"""The deploy engine's entry: a stack planned, brought into being, rolled back or taken away.

`plan` and `execute` are apart so that CreateChangeSet and ExecuteChangeSet can stand on them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from local.clock import Clock
from local.deploy.assembly import ACCOUNT, REGION, AssemblyStack
from local.deploy.changes import Action, Change
from local.deploy.check import unsupported_in
from local.deploy.deletion import Deletion
from local.deploy.disposal import Report
from local.deploy.documents import Properties
from local.deploy.errors import StackInWrongState, TemplateError, UnsupportedAssembly
from local.deploy.execution import Execution
from local.deploy.handlers import Clients, Registry, Surroundings
from local.deploy.ledger import Ledger
from local.deploy.names import stack_id
from local.deploy.parameters import parameter_values
from local.deploy.plan import HandlerFinder, Plan, make_plan, resolved_properties
from local.deploy.reasons import USER_INITIATED
from local.deploy.receiver import ResponseReceiver
from local.deploy.recovery import Recovered, recovered, rolled_back
from local.deploy.registry import default_registry
from local.deploy.scope import Neighbours, StackScope, importers, pseudo_parameters
from local.deploy.state import (
    StackDetails,
    StackEvent,
    StackState,
    StackStore,
    Status,
    with_status,
)
from local.deploy.template import Template, parse_template


@dataclass(frozen=True)
class StackOutcome:
    """What became of one stack; `changes` leaves out the resources that stayed as they were."""

    stack_name: str
    stack_id: str
    result: Literal["created", "updated", "unchanged"]
    changes: tuple[Change, ...]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Foresight:
    """A plan, the properties that each resource would have (`Unknown` where nobody can know), and their handlers."""

    plan: Plan
    properties: Mapping[str, Properties]
    finder: HandlerFinder


@dataclass(frozen=True)
class Engine:
    """Deploys onto whatever `clients` reaches, and keeps what it knows in `store`."""

    clients: Clients
    store: StackStore
    clock: Clock
    on_event: Callable[[StackEvent], None]
    receiver: ResponseReceiver
    registry: Registry = field(default_factory=default_registry)
    hurry: Callable[[str], object] = lambda _endpoint: None

    def plan(self, stack: AssemblyStack, *, parameters: Mapping[str, str] | None = None) -> Plan:
        """What deploying `stack` would do now; reads only."""
        return self.foresee(stack, parameters=parameters).plan

    def foresee(self, stack: AssemblyStack, *, parameters: Mapping[str, str] | None = None) -> Foresight:
        """The plan, and the properties that each resource would have."""
        problems = unsupported_in(stack, registry=self.registry, surroundings=self._surroundings())
        if problems:
            raise UnsupportedAssembly(problems)
        template = parse_template(stack.template, stack_name=stack.name)
        before, is_new = self._before(stack.name)
        given = stack.parameters if parameters is None else parameters
        values = parameter_values(template, given, self._neighbours(stack.name))
        scope = self._scope(template, values, before.stack_id, stack.tags)
        finder = self._finder(before)
        plan = make_plan(scope=scope, parameters=dict(given), before=before, is_new=is_new, finder=finder)
        return Foresight(
            plan=plan,
            properties={name: resolved_properties(template.resources[name], scope) for name in plan.order},
            finder=finder,
        )

    def execute(
        self, plan: Plan, *, details: StackDetails | None = None, is_cancelled: Callable[[], bool] = lambda: False
    ) -> StackOutcome:
        """Carries a plan out; raises StackFailed once all of it is rolled back.

        `details` are what is kept of the stack if the plan succeeds, those of before if it does not. Without them an
        empty plan leaves the stack alone. `is_cancelled` is asked before each resource: true rolls an update back.
        """
        before = plan.before
        if plan.is_empty and details is None:
            return StackOutcome(plan.stack_name, before.stack_id, "unchanged", (), before.outputs)
        self._bury(plan.stack_name)
        after = Execution(
            plan=plan,
            scope=self._scope(plan.template, plan.parameter_values, before.stack_id, plan.tags),
            finder=self._finder(before),
            report=Report(plan.stack_name, self.clock, self.on_event),
            save=partial(self._save, plan, details or before.details),
            disables_rollback=details is not None and details.disables_rollback,
            is_cancelled=is_cancelled,
        ).run()
        return StackOutcome(
            stack_name=plan.stack_name,
            stack_id=after.stack_id,
            result="created" if plan.is_new else "updated",
            changes=tuple(change for change in plan.changes if change.action is not Action.KEEP),
            outputs=after.outputs,
        )

    def _save(self, plan: Plan, details: StackDetails, state: StackState) -> None:
        """Details change with what they describe: an update that is rolled back keeps the old ones."""
        is_updated = state.status in (Status.UPDATE_COMPLETE, Status.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
        is_kept = plan.is_new or is_updated
        now = self.clock.now().isoformat()
        kept = details if is_kept else plan.before.details
        created_at, updated_at = plan.before.details.created_at or now, "" if plan.is_new else now
        self.store.save(replace(state, details=replace(kept, created_at=created_at, updated_at=updated_at)))

    def _bury(self, stack_name: str) -> None:
        """A new stack takes the name of one whose creation was rolled back."""
        known = self.store.load(stack_name)
        if known is not None and known.status is Status.ROLLBACK_COMPLETE:
            self.store.save(_deleted(known, self.clock))

    def reserve(self, stack_name: str) -> StackState:
        """A stack of that name that has nothing yet and waits for what it shall be."""
        self._bury(stack_name)
        fresh, _ = self._before(stack_name)
        details = StackDetails(created_at=self.clock.now().isoformat())
        state = replace(fresh, status=Status.REVIEW_IN_PROGRESS, details=details)
        self.store.save(state)
        return state

    def destroy(self, stack_name: str, *, retain: Collection[str] = ()) -> None:
        """Deletes a stack's resources, save those it retains and those in `retain`.

        Raises TemplateError where another stack imports from it, StackFailed where some could not go.
        """
        state = self.store.load(stack_name)
        if state is None or state.status is Status.DELETE_COMPLETE:
            return
        ledger = self._ledger(state)
        self._check_unused(ledger)
        Deletion(ledger, self._finder(state), retain).run()

    def _check_unused(self, ledger: Ledger) -> None:
        """A deletion that others forbid is told as on AWS: begun, and given up with the reason."""
        state = ledger.state
        for name, users in importers(self.store, state.exports).items():
            if others := [user for user in users if user != state.name]:
                problem = f"Export {name} cannot be deleted as it is in use by {' and '.join(others)}"
                ledger.report.stack(with_status(state, Status.DELETE_IN_PROGRESS), USER_INITIATED)
                ledger.report.stack(state, problem)
                raise TemplateError(stack_name=state.name, problem=problem)

    def recover(self, stack_name: str) -> Recovered | None:
        """Brings a stack to rest whose operation ended with an earlier process; None where there is nothing to do.

        To be called before anything else works with the stack: an operation of this process would be taken for cut off.
        """
        state = self.store.load(stack_name)
        return recovered(self._ledger(state), self._finder(state)) if state is not None else None

    def recover_all(self) -> list[Recovered]:
        """`recover` for every stack."""
        found = [self.recover(state.name) for state in list(self.store.all()) if state.status.is_under_way]
        return [outcome for outcome in found if outcome is not None]

    def roll_back(self, stack_name: str, *, skip: Collection[str] = ()) -> StackState:
        """Takes back what a failed operation left: RollbackStack, and ContinueUpdateRollback with what it may skip.

        Raises StackInWrongState where there is nothing to roll back, StackFailed where something stays as it is.
        """
        state = self.store.load(stack_name)
        if state is None:
            raise StackInWrongState(stack_name=stack_name, problem=f"Stack [{stack_name}] does not exist")
        return rolled_back(self._ledger(state), self._finder(state), skip=skip)

    def _ledger(self, state: StackState) -> Ledger:
        return Ledger(state, self._keep, Report(state.name, self.clock, self.on_event))

    def _keep(self, state: StackState) -> None:
        is_deleted = state.status is Status.DELETE_COMPLETE
        deleted_at = self.clock.now().isoformat() if is_deleted else state.details.deleted_at
        self.store.save(replace(state, details=replace(state.details, deleted_at=deleted_at)))

    def _before(self, stack_name: str) -> tuple[StackState, bool]:
        known = self.store.load(stack_name)
        if known is not None and not known.is_gone:
            return known, known.status is Status.REVIEW_IN_PROGRESS
        incarnation = known.incarnation + 1 if known else 0
        arn = stack_id(stack_name=stack_name, account=ACCOUNT, region=REGION, incarnation=incarnation)
        leftovers = known.leftovers if known else ()
        fresh = StackState(stack_name, arn, incarnation, status=Status.CREATE_IN_PROGRESS, leftovers=leftovers)
        return fresh, True

    def _neighbours(self, stack_name: str) -> Neighbours:
        return Neighbours(self.store, self.clients, stack_name)

    def _scope(self, template: Template, values: Mapping[str, object], arn: str, tags: Mapping[str, str]) -> StackScope:
        name = template.stack_name
        pseudo = pseudo_parameters(stack_name=name, stack_id=arn, account=ACCOUNT, region=REGION)
        return StackScope(template, values, pseudo, self._neighbours(name), tags=tags)

    def _finder(self, state: StackState) -> HandlerFinder:
        return HandlerFinder(self.registry, self._surroundings(), state.name, state.stack_id)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            clients=self.clients,
            clock=self.clock,
            receiver=self.receiver,
            region=REGION,
            account=ACCOUNT,
            hurry=self.hurry,
        )


def _deleted(state: StackState, clock: Clock) -> StackState:
    """A stack that is no more."""
    return replace(
        state,
        status=Status.DELETE_COMPLETE,
        resources={},
        leftovers=(),
        outputs={},
        exports={},
        imports=(),
        details=replace(state.details, deleted_at=clock.now().isoformat()),
    )
