"""Doubles for the deploy engine's tests: a cloud of two types that fails, or ends the process, when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json, Properties, PropertyPath, words
from local.deploy.engine import Engine
from local.deploy.errors import CreationIncomplete, ResourceFailed
from local.deploy.handlers import Registry, Resource, Surroundings
from local.deploy.ledger import things
from local.deploy.names import Identity
from local.deploy.receiver import Answer
from local.deploy.state import StackDetails, StackEvent, StackState, Status

THING, NUMBERED = "Fake::Thing", "Fake::Numbered"


class Cut(BaseException):
    """The process is killed: nothing catches it, and nothing runs after it."""


@dataclass
class Saw:
    """Counts moments; the process ends before or after the one whose number is `at`."""

    at: int | None = None
    is_after: bool = False
    count: int = 0

    def before(self) -> None:
        self.count += 1
        if self.count - 1 == self.at and not self.is_after:
            raise Cut

    def after(self) -> None:
        if self.count - 1 == self.at and self.is_after:
            raise Cut


@dataclass
class FakeCloud:
    """Things by physical id, and the properties last asked for.

    The calls whose numbers are in `fail_at` fail; `half_way` lets them take some effect first. `saw` ends the process.
    """

    things: dict[str, dict[str, Json]] = field(default_factory=dict)
    asked: dict[str, Properties] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail_at: set[int] = field(default_factory=set)
    half_way: bool = False
    undeletable: set[str] = field(default_factory=set)
    saw: Saw = field(default_factory=Saw)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))
    lock: threading.RLock = field(default_factory=threading.RLock)
    was_disturbed: bool = False

    def clients(self, service: str) -> Any:
        assert service == "fake"
        return self

    def fail_after(self, *calls: int) -> None:
        """Lets the calls fail that come after so many others from now on."""
        self.fail_at = {len(self.calls) + call for call in calls}

    def failing(self, call: str) -> bool:
        """Counts a call; whether it is one to fail."""
        self.saw.before()
        self.calls.append(call)
        fails = len(self.calls) - 1 in self.fail_at
        self.was_disturbed |= fails
        return fails


class ThingHandler:
    """Fixed, Name and Deep.Fixed are create-only, Name gives the physical id, Echo is an attribute that changes."""

    implemented: ClassVar[frozenset[str]] = words("Value Fixed Name Deep Uses Tags")
    simulated: ClassVar[Mapping[str, str]] = {"Mood": "a thing here has no mood"}

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None:
        self.identity, self.attempt = identity, surroundings.attempt
        self.cloud: FakeCloud = surroundings.clients("fake")

    def create(self, properties: Properties) -> Resource:
        with self.cloud.lock:
            name = self._new_name(properties)
            fails = self.cloud.failing(f"create {self.identity.logical_id}")
            if fails and not self.cloud.half_way:
                raise ResourceFailed("told to fail")
            self.cloud.things[name] = dict(properties)
            self.cloud.asked[name] = properties
            self.cloud.saw.after()
            self.attempt.initiated(name)
            if fails:
                raise CreationIncomplete(name, "told to fail half way")
            return self._resource(name, properties)

    def _new_name(self, properties: Properties) -> str:
        name = str(properties.get("Name", self.identity.name()))
        if name in self.cloud.things:
            assert "Name" in properties, "a physical name was given twice"
            raise ResourceFailed(f"{name} already exists", code="AlreadyExists")
        self.attempt.claims(name)
        return name

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        """Touches what differs between `old` and `new` alone, as services are told alone what changes."""
        with self.cloud.lock:
            fails = self.cloud.failing(f"update {self.identity.logical_id}")
            is_consistent = old == self.cloud.asked[physical_id] or self.cloud.was_disturbed
            assert is_consistent, "an update does not start from what was asked for last"
            changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            if fails:
                changed = changed[: len(changed) // 2 + 1] if self.cloud.half_way else []
            for key in changed:
                self.cloud.things[physical_id].pop(key, None)
                if key in new:
                    self.cloud.things[physical_id][key] = new[key]
            self.cloud.asked[physical_id] = new
            self.cloud.saw.after()
            if fails:
                raise ResourceFailed("told to fail")
            return self._resource(physical_id, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        with self.cloud.lock:
            fails = self.cloud.failing(f"delete {self.identity.logical_id}")
            if fails or physical_id in self.cloud.undeletable:
                raise ResourceFailed("told to stay")
            if physical_id not in self.cloud.things:
                raise ClientError({"Error": {"Code": "ThingNotFound", "Message": "no such thing"}}, "DeleteThing")
            del self.cloud.things[physical_id]
            self.cloud.saw.after()

    def accepts(self, path: PropertyPath) -> bool:
        return path[0] in self.implemented or path[0] in self.simulated

    def has_attribute(self, name: str) -> bool:
        return name == "Echo"

    def create_only(self) -> frozenset[PropertyPath]:
        return frozenset({("Fixed",), ("Name",), ("Deep", "Fixed")})

    def is_volatile(self, attribute: str) -> bool:
        return attribute == "Echo"

    def keeps_name(self, old: Properties, new: Properties) -> bool:
        return "Name" in new and old.get("Name") == new["Name"]

    def orphan(self, properties: Properties) -> str | None:
        return None

    def _resource(self, name: str, properties: Properties) -> Resource:
        return Resource(name, {"Echo": f"echo {properties.get('Value')}"})


class NumberedHandler(ThingHandler):
    """A thing whose id only the service knows: nobody can tell what a creation left that was cut off in time."""

    def _new_name(self, properties: Properties) -> str:
        return f"{self.identity.logical_id}#{next(self.cloud.numbers)}"

    def keeps_name(self, old: Properties, new: Properties) -> bool:
        return False


class DeafReceiver:
    """A receiver for tests in which no custom resource answers; it knows how long it was asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def url_for(self, request_id: str) -> str:
        return f"http://nowhere.invalid/{request_id}"

    def wait(self, request_id: str, timeout_seconds: float) -> Answer | None:
        self.waits.append(timeout_seconds)
        return None


@dataclass
class JsonStore:
    """A store that keeps text alone, so that nothing outlives a process but what was written; `saw` ends it."""

    documents: dict[str, str] = field(default_factory=dict)
    saw: Saw = field(default_factory=Saw)

    def load(self, name: str) -> StackState | None:
        text = self.documents.get(name)
        return None if text is None else StackState.from_json(json.loads(text))

    def save(self, state: StackState) -> None:
        self.saw.before()
        self.documents[state.name] = json.dumps(state.to_json())
        self.saw.after()

    def all(self) -> Iterator[StackState]:
        return iter([StackState.from_json(json.loads(text)) for text in list(self.documents.values())])


@dataclass
class Bench:
    """An engine over a fake cloud, with its store and the events it has told."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    store: JsonStore = field(default_factory=JsonStore)
    events: list[StackEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: an engine that knows nothing but what the store holds."""
        self.engine = Engine(
            clients=self.cloud.clients,
            store=self.store,
            clock=ManualClock(),
            on_event=self.events.append,
            receiver=DeafReceiver(),
            registry=Registry({THING: ThingHandler, NUMBERED: NumberedHandler}),
        )

    def stack(self, template: Mapping[str, Json], *, name: str = "stack", **tags: str) -> AssemblyStack:
        """A template as one stack of an assembly."""
        return AssemblyStack(name=name, template=template, parameters={}, tags=tags)

    def deploy(self, template: Mapping[str, Json], *, name: str = "stack", **tags: str) -> str:
        """Deploys one stack; the outcome's result."""
        return self.engine.execute(self.engine.plan(self.stack(template, name=name, **tags))).result

    def deploy_without_rollback(self, template: Mapping[str, Json], *, name: str = "stack") -> str:
        """Deploys one stack as with --no-rollback."""
        plan = self.engine.plan(self.stack(template, name=name))
        return self.engine.execute(plan, details=StackDetails(disables_rollback=True)).result

    def state(self, name: str = "stack") -> StackState:
        """What is known of a stack."""
        state = self.store.load(name)
        assert state is not None
        return state

    def contents(self) -> dict[str, Json]:
        """What the cloud holds of the stacks' resources, with stack and logical id for each physical id."""
        names = {
            resource.physical_id: f"{state.name}.{resource.logical_id}"
            for state in self.store.all()
            for resource in state.resources.values()
        }
        return {
            names[physical_id]: _renamed(dict(properties), names)
            for physical_id, properties in self.cloud.things.items()
            if physical_id in names
        }

    def strays(self) -> set[str]:
        """The physical ids that no stack answers for."""
        known = {thing.physical_id for state in self.store.all() for thing in things(state)}
        return self.cloud.things.keys() - known

    def ghosts(self) -> set[str]:
        """The physical ids that a stack takes for its resources and that do not exist."""
        resources = {entry.physical_id for state in self.store.all() for entry in state.resources.values()}
        return resources - self.cloud.things.keys()

    def retained(self) -> set[str]:
        """The physical ids that were told to be left alone."""
        return {event.physical_id for event in self.events if event.status is Status.DELETE_SKIPPED}

    def told(self, *, without_stack: bool = False) -> list[tuple[str, str, str]]:
        """Events as logical id, status and reason, without what differs from run to run."""
        return [
            (event.logical_id, event.status.value, event.reason.partition(" (RequestToken")[0])
            for event in self.events
            if not (without_stack and event.resource_type == "AWS::CloudFormation::Stack")
        ]


def _renamed(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {key: item if key == "Name" else _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def thing(**properties: Json) -> dict[str, Json]:
    """A template entry for one thing."""
    return {"Type": THING, "Properties": properties}


def template(**resources: Json) -> dict[str, Json]:
    """A template of these resources."""
    return {"Resources": resources}
