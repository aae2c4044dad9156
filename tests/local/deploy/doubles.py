"""Doubles for the deploy engine's tests: a cloud of one resource type, which can be told to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json, Properties, PropertyPath, words
from local.deploy.engine import Engine
from local.deploy.errors import CreationIncomplete, ResourceFailed
from local.deploy.handlers import Registry, Resource, Surroundings
from local.deploy.names import Identity
from local.deploy.receiver import Answer
from local.deploy.state import InMemoryStore, StackEvent

THING = "Fake::Thing"


@dataclass
class FakeCloud:
    """Things by physical id, and the properties last asked for.

    The call whose number is `fail_at` fails; `half_way` lets it take effect first.
    """

    things: dict[str, Properties] = field(default_factory=dict)
    asked: dict[str, Properties] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail_at: int | None = None
    fail_also: set[int] = field(default_factory=set)
    half_way: bool = False
    undeletable: set[str] = field(default_factory=set)

    def clients(self, service: str) -> Any:
        assert service == "fake"
        return self

    def failing(self, call: str) -> bool:
        """Counts a call; whether it is the one to fail."""
        self.calls.append(call)
        number = len(self.calls) - 1
        return number == self.fail_at or number in self.fail_also


class ThingHandler:
    """Fixed is create-only, Echo is an attribute that an update changes."""

    implemented: ClassVar[frozenset[str]] = words("Value Fixed Uses")
    simulated: ClassVar[Mapping[str, str]] = {"Mood": "a thing here has no mood"}

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None:
        self.identity = identity
        self.cloud: FakeCloud = surroundings.clients("fake")

    def create(self, properties: Properties) -> Resource:
        name = self.identity.name()
        assert name not in self.cloud.things, "a physical name was given twice"
        fails = self.cloud.failing(f"create {self.identity.logical_id}")
        if fails and not self.cloud.half_way:
            raise ResourceFailed("told to fail")
        self.cloud.things[name] = properties
        if fails:
            raise CreationIncomplete(name, "told to fail half way")
        self.cloud.asked[name] = properties
        return self._resource(name, properties)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        fails = self.cloud.failing(f"update {self.identity.logical_id}")
        is_consistent = old == self.cloud.asked[physical_id] or self.cloud.fail_also
        assert is_consistent, "an update does not start from what was asked for last"
        self.cloud.asked[physical_id] = new
        if not fails or self.cloud.half_way:
            self.cloud.things[physical_id] = new
        if fails:
            raise ResourceFailed("told to fail")
        return self._resource(physical_id, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.cloud.calls.append(f"delete {self.identity.logical_id}")
        if physical_id in self.cloud.undeletable:
            raise ResourceFailed("told to stay")
        del self.cloud.things[physical_id]

    def accepts(self, path: PropertyPath) -> bool:
        return path[0] in self.implemented or path[0] in self.simulated

    def has_attribute(self, name: str) -> bool:
        return name == "Echo"

    def create_only(self) -> frozenset[PropertyPath]:
        return frozenset({("Fixed",)})

    def is_volatile(self, attribute: str) -> bool:
        return attribute == "Echo"

    def _resource(self, name: str, properties: Properties) -> Resource:
        return Resource(name, {"Echo": f"echo {properties.get('Value')}"})


class DeafReceiver:
    """A receiver for tests in which no custom resource answers."""

    def url_for(self, request_id: str) -> str:
        return f"http://nowhere.invalid/{request_id}"

    def wait(self, request_id: str, timeout_seconds: float) -> Answer | None:
        return None


@dataclass
class Bench:
    """An engine over a fake cloud, with its store and the events it has told."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    store: InMemoryStore = field(default_factory=InMemoryStore)
    events: list[StackEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(
            clients=self.cloud.clients,
            store=self.store,
            clock=ManualClock(),
            on_event=self.events.append,
            receiver=DeafReceiver(),
            registry=Registry({THING: ThingHandler}),
        )

    def deploy(self, template: Mapping[str, Json], *, name: str = "stack") -> str:
        """Deploys one stack; the outcome's result."""
        stack = AssemblyStack(name=name, template=template, parameters={})
        return self.engine.execute(self.engine.plan(stack)).result

    def contents(self, *, name: str = "stack") -> dict[str, Json]:
        """What the cloud holds, with logical ids for physical ones; a thing of no stack keeps its own."""
        state = self.store.load(name)
        resources = state.resources.values() if state else []
        logical = {resource.physical_id: resource.logical_id for resource in resources}
        return {
            logical.get(physical_id, physical_id): _renamed(dict(properties), logical)
            for physical_id, properties in self.cloud.things.items()
        }


def _renamed(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def thing(**properties: Json) -> dict[str, Json]:
    """A template entry for one thing."""
    return {"Type": THING, "Properties": properties}
