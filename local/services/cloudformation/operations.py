"""What CloudFormation does with stacks: stacks are changed, each in a thread of its own.

One operation at a time changes a stack. What is known of stacks, change sets and events is in documents, so that a
cloud that is started again knows them; an operation that its end cut short counts as rolled back, and what it had made
is deleted by the next one.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from local.clock import Interrupted, InterruptibleClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import text
from local.deploy.engine import Engine, Foresight, StackOutcome
from local.deploy.errors import StackFailed, TemplateError
from local.deploy.handlers import Clients, Registry
from local.deploy.receiver import ResponseReceiver
from local.deploy.registry import default_registry
from local.deploy.stack_records import DocumentStackStore
from local.deploy.state import StackDetails, StackEvent, StackState, Status
from local.deploy.template import STACK_TYPE
from local.services.cloudformation.change_sets import ChangeSet, ChangeSets, StackRequest
from local.services.cloudformation.changes import described_changes
from local.services.cloudformation.events import EventLog
from local.services.cloudformation.refusals import invalid
from local.services.cloudformation.templates import SSM_TYPE, parameter_texts, parse
from model_packages.errors import UnsupportedResource

log = logging.getLogger(__name__)

ClientsAs = Callable[[str | None], Clients]
"""The AWS clients of a role, or of the account's administrator where there is none."""

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
NO_UPDATES = "No updates are to be performed."
THREADS = 8
CLOSE_SECONDS = 5.0
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")

T = TypeVar("T")
_UNCHANGEABLE = (
    Status.ROLLBACK_COMPLETE,
    Status.ROLLBACK_FAILED,
    Status.DELETE_FAILED,
    Status.UPDATE_ROLLBACK_FAILED,
)


@dataclass
class StackRecords:
    """What is known of stacks, change sets and events."""

    stacks: DocumentStackStore
    change_sets: ChangeSets
    events: EventLog


@dataclass
class StackOperations:
    """Carries out what callers ask for, in the name of the role that they pass. `on_event` hears each event.

    `hurry` is told of an endpoint whose update a stack waits for.
    """

    records: StackRecords
    clients_as: ClientsAs
    clock: InterruptibleClock
    receiver: ResponseReceiver
    registry: Registry = field(default_factory=default_registry)
    on_event: Callable[[StackEvent], None] = lambda _event: None
    hurry: Callable[[str], object] = lambda _endpoint: None

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="cloudformation")
        self._idle = threading.Condition()
        self._busy: set[str] = set()
        self._closed = threading.Event()
        self._running: set[Future[Any]] = set()

    def close(self) -> None:
        """Cuts off what is under way, as a kill would: whoever starts again recovers it. Blocks for a moment."""
        self._closed.set()
        self.clock.interrupt()
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(self._running, timeout=CLOSE_SECONDS)

    def _client(self, clients: Clients, service: str) -> Any:
        if self._closed.is_set():
            raise Interrupted
        return clients(service)

    def recover(self) -> None:
        """Ends the operations that a former cloud's end cut off; to be called once AWS APIs answer."""
        for state in self.records.stacks.all():
            if state.status.is_under_way:
                self.engine(role_arn=state.details.role_arn, stack_id=state.stack_id).recover(state.name)
        for change_set in self.records.change_sets.all():
            if change_set.execution_status == "EXECUTE_IN_PROGRESS":
                self.records.change_sets.forget(change_set)

    def state(self, name_or_id: str) -> StackState | None:
        """A stack by its id, or the living bearer of a name."""
        if name_or_id.startswith("arn:"):
            return self.records.stacks.find(name_or_id)
        state = self.records.stacks.load(name_or_id)
        return None if state is None or state.status is Status.DELETE_COMPLETE else state

    def is_busy(self, stack_name: str) -> bool:
        """Whether an operation has begun that has not ended."""
        with self._idle:
            return stack_name in self._busy

    def engine(self, *, role_arn: str, stack_id: str = "", token: str = "") -> Engine:
        """An engine that acts as a role and writes its events to a stack's log."""
        tell = partial(self._tell, stack_id=stack_id, token=token, operation_id=str(uuid.uuid4()))
        return Engine(
            clients=partial(self._client, self.clients_as(role_arn or None)),
            store=self.records.stacks,
            clock=self.clock,
            on_event=tell,
            receiver=self.receiver,
            registry=self.registry,
            hurry=self.hurry,
        )

    def foresee(self, request: StackRequest) -> Foresight:
        """What a request would do now.

        Raises: Refused for a template that CloudFormation, or this one, would not take.
        """
        try:
            return self.engine(role_arn=request.role_arn).foresee(_as_stack(request))
        except TemplateError as error:
            raise invalid(error.problem) from error
        except UnsupportedResource as error:
            raise invalid(f"the local cloud does not implement all of this template:\n{error}") from error

    def prepare(self, change_set: ChangeSet, foresight: Foresight) -> ChangeSet:
        """Settles a change set; one that would do nothing has failed."""
        if problem := self.nothing_to_do(foresight, change_set.request):
            return self.records.change_sets.put(replace(change_set, status="FAILED", reason=problem))
        return self.records.change_sets.put(
            replace(
                change_set,
                status="CREATE_COMPLETE",
                execution_status="AVAILABLE",
                resolved=_resolved(foresight),
                changes=described_changes(foresight),
            )
        )

    def nothing_to_do(self, foresight: Foresight, request: StackRequest) -> str:
        """Why CloudFormation would refuse to do nothing; empty where there is something to do."""
        plan, before = foresight.plan, foresight.plan.before
        if not plan.is_empty or dict(before.details.tags) != dict(request.tags):
            return ""
        is_same = before.template == plan.template.body and before.parameters == request.parameters
        return NO_CHANGES if is_same else NO_UPDATES

    def execute(self, request: StackRequest, *, change_set: ChangeSet | None = None) -> Future[StackOutcome]:
        """Creates or updates a stack; the future ends with the operation, in StackFailed where that is rolled back.

        Raises: Refused where the stack is in no state to be changed.
        """
        state = self.state(request.stack_name)
        if state is not None:
            self.check_changeable(state)
        self._occupy(request.stack_name)
        state = state or self.engine(role_arn="").reserve(request.stack_name)
        engine = self.engine(role_arn=request.role_arn, stack_id=state.stack_id, token=request.token)
        return self._begin(self._executed, engine, request, change_set)

    def _executed(self, engine: Engine, request: StackRequest, change_set: ChangeSet | None) -> StackOutcome:
        with self._occupied(request.stack_name), self._followed(change_set):
            foresight = self._foreseen_again(engine, request)
            return engine.execute(foresight.plan, details=_details(request, foresight, change_set))

    def _foreseen_again(self, engine: Engine, request: StackRequest) -> Foresight:
        """What the world has come to since the change set was made may forbid it: the stack's events say so."""
        try:
            return engine.foresee(_as_stack(request))
        except (TemplateError, UnsupportedResource) as error:
            name, state = request.stack_name, self.state(request.stack_name)
            status = state.status if state else Status.REVIEW_IN_PROGRESS
            engine.on_event(StackEvent(self.clock.now(), name, name, STACK_TYPE, status, str(error)))
            raise

    def delete(self, state: StackState, *, role_arn: str, token: str, retain: Sequence[str] = ()) -> Future[None]:
        """Deletes a stack; the future ends with the operation."""
        self._occupy(state.name)
        engine = self.engine(role_arn=role_arn or state.details.role_arn, stack_id=state.stack_id, token=token)
        return self._begin(self._deleted, engine, state, retain)

    def _deleted(self, engine: Engine, state: StackState, retain: Sequence[str]) -> None:
        with self._occupied(state.name):
            engine.destroy(state.name, retain=retain)
        for change_set in self.records.change_sets.of(state.stack_id):
            self.records.change_sets.forget(change_set)

    def roll_back(self, state: StackState, *, role_arn: str, token: str, skip: Sequence[str] = ()) -> Future[None]:
        """Undoes a failed operation; the future ends with that."""
        self._occupy(state.name)
        engine = self.engine(role_arn=role_arn or state.details.role_arn, stack_id=state.stack_id, token=token)
        return self._begin(self._rolled_back, engine, state, skip)

    def _rolled_back(self, engine: Engine, state: StackState, skip: Sequence[str]) -> None:
        with self._occupied(state.name):
            engine.roll_back(state.name, skip=skip)

    def _begin(self, work: Callable[..., T], engine: Engine, *arguments: Any) -> Future[T]:
        """Comes back once the operation shows in the stack's status, as it does on AWS before a call is answered."""
        started = threading.Event()

        def tell(event: StackEvent) -> None:
            engine.on_event(event)
            started.set()

        future = self._threads.submit(work, replace(engine, on_event=tell), *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        future.add_done_callback(lambda _future: started.set())
        started.wait()
        return future

    def check_changeable(self, state: StackState) -> None:
        """Raises Refused where a stack may not be updated as it is."""
        if state.status in _UNCHANGEABLE or state.status.is_under_way:
            raise invalid(f"Stack:{state.stack_id} is in {state.status} state and can not be updated.")

    def deploy(self, stack: AssemblyStack, *, role_arn: str) -> StackOutcome:
        """Creates or updates a stack as `cdk deploy` does, and waits for it; one that a failure left is made ready.

        Raises: StackFailed after everything is rolled back.
        """
        self._make_ready(stack.name)
        template = parse(stack.template_text)
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()]
        state = self.state(stack.name)
        request = StackRequest(
            stack_name=stack.name,
            template_text=stack.template_text,
            parameters=parameter_texts(template, given, {}),
            capabilities=CAPABILITIES,
            tags=stack.tags,
            role_arn=role_arn,
        )
        if state is not None and self.nothing_to_do(self.foresee(request), request):
            return StackOutcome(stack.name, state.stack_id, "unchanged", (), state.outputs)
        return self.execute(request).result()

    def _make_ready(self, stack_name: str) -> None:
        state = self.state(stack_name)
        if state is not None and state.status is Status.UPDATE_ROLLBACK_FAILED:
            self.roll_back(state, role_arn="", token="").result()
        elif state is not None and state.status in _UNCHANGEABLE:
            self.delete(state, role_arn="", token="").result()

    def reserve(self, stack_name: str, *, token: str) -> StackState:
        """A stack that waits for its first change set."""
        state = self.engine(role_arn="").reserve(stack_name)
        report = self.engine(role_arn="", stack_id=state.stack_id, token=token).on_event
        report(StackEvent(self.clock.now(), stack_name, stack_name, STACK_TYPE, state.status, "User Initiated"))
        return state

    def _tell(self, event: StackEvent, *, stack_id: str, token: str, operation_id: str) -> None:
        self.records.events.add(event, stack_id=stack_id, token=token, operation_id=operation_id)
        self.on_event(event)

    def _occupy(self, stack_name: str) -> None:
        """Claims a stack for one operation; one whose status says that it has ended is waited for.

        Raises: Refused while another operation is under way.
        """
        with self._idle:
            while stack_name in self._busy:
                state = self.state(stack_name)
                if state is not None and state.status.is_under_way:
                    raise invalid(f"Stack:{state.stack_id} is in {state.status} state and can not be updated.")
                self._idle.wait(timeout=CLOSE_SECONDS)
            self._busy.add(stack_name)

    @contextmanager
    def _occupied(self, stack_name: str) -> Iterator[None]:
        """The end of an operation, however it ends; its own failure is in the stack's events."""
        try:
            yield
        except StackFailed as error:
            log.info("%s", error)
            raise
        except Exception:
            log.exception("the operation on stack %s failed", stack_name)
            raise
        finally:
            with self._idle:
                self._busy.discard(stack_name)
                self._idle.notify_all()

    @contextmanager
    def _followed(self, change_set: ChangeSet | None) -> Iterator[None]:
        """Tells in a change set how far its execution is; the stack's others are of no use from then on."""
        if change_set is None:
            yield
            return
        change_sets = self.records.change_sets
        change_sets.outdate(change_set.stack_id, executed=change_set.change_set_id)
        change_sets.executed(change_set, "EXECUTE_IN_PROGRESS")
        try:
            yield
        except Exception:
            change_sets.executed(change_set, "EXECUTE_FAILED")
            raise
        change_sets.executed(change_set, "EXECUTE_COMPLETE")


def _as_stack(request: StackRequest) -> AssemblyStack:
    return AssemblyStack(
        name=request.stack_name,
        template=parse(request.template_text),
        parameters=request.parameters,
        tags=request.tags,
        text=request.template_text,
    )


def _resolved(foresight: Foresight) -> dict[str, str]:
    """The values of the parameters that name an SSM parameter."""
    declared = foresight.plan.template.section("Parameters")
    values = foresight.plan.parameter_values
    return {
        name: ",".join(values[name]) if isinstance(values[name], list) else text(values[name])
        for name, declaration in declared.items()
        if declaration["Type"].startswith(SSM_TYPE)
    }


def _details(request: StackRequest, foresight: Foresight, change_set: ChangeSet | None) -> StackDetails:
    return replace(
        foresight.plan.before.details,
        template_text=request.template_text,
        parameters=request.parameters,
        resolved=_resolved(foresight),
        capabilities=request.capabilities,
        tags=request.tags,
        notification_arns=request.notification_arns,
        role_arn=request.role_arn or foresight.plan.before.details.role_arn,
        change_set_id=change_set.change_set_id if change_set else "",
        disables_rollback=request.disables_rollback,
        is_protected=request.is_protected or foresight.plan.before.details.is_protected,
    )
