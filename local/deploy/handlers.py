"""What makes a resource of one type real: the protocol, and the registry that finds a handler by type.

A handler says which properties it carries out (`implemented`) and which it only stores (`simulated`, with one sentence
on how that differs from AWS). A path names a property with dots, list positions left out, and covers all below it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from local.clock import Clock
from local.deploy import shapes
from local.deploy.documents import Json, Properties, PropertyPath
from local.deploy.errors import CreationIncomplete, ResourceFailed
from local.deploy.names import Identity
from local.deploy.receiver import ResponseReceiver
from local.deploy.schemas import create_only_paths

Clients: TypeAlias = Callable[[str], Any]


@dataclass(frozen=True)
class Resource:
    """A physical resource: what Ref gives, and what Fn::GetAtt gives."""

    physical_id: str
    attributes: Mapping[str, Json] = field(default_factory=dict)


class Attempt(Protocol):
    """Hears how far a creation has come, so that it can be undone wherever it is cut off."""

    def claims(self, physical_id: str) -> None:
        """It is about to be made under this id, which is free."""
        ...

    def initiated(self, physical_id: str) -> None:
        """It has come to life under this id, and may not be complete yet."""
        ...


class Unheard:
    """An attempt that nobody follows."""

    def claims(self, physical_id: str) -> None:
        """Nobody asks."""

    def initiated(self, physical_id: str) -> None:
        """Nobody asks."""


@dataclass(frozen=True)
class Surroundings:
    """What a handler works with; `attempt` hears of the creation that is under way.

    `hurry` is told of an endpoint whose update is waited for: the local cloud need not take its time over it.
    """

    clients: Clients
    clock: Clock
    receiver: ResponseReceiver
    region: str = "us-east-1"
    account: str = "123456789012"
    attempt: Attempt = field(default_factory=Unheard)
    hurry: Callable[[str], object] = lambda _endpoint: None


class ResourceHandler(Protocol):
    """Creates, updates and deletes one resource of one stack."""

    implemented: ClassVar[frozenset[str]]
    simulated: ClassVar[Mapping[str, str]]

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None: ...

    def create(self, properties: Properties) -> Resource:
        """Makes it; raises CreationIncomplete where something stands that a rollback has to delete."""
        ...

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        """Changes it in place; also called with the two swapped, to undo."""
        ...

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Removes it; an error that says that it is not there counts as done."""
        ...

    def accepts(self, path: PropertyPath) -> bool:
        """Whether the property at `path` is implemented or simulated."""
        ...

    def has_attribute(self, name: str) -> bool:
        """Whether Fn::GetAtt may ask for `name`."""
        ...

    def create_only(self) -> frozenset[PropertyPath]:
        """The properties whose change means a replacement."""
        ...

    def is_volatile(self, attribute: str) -> bool:
        """Whether an update in place may change this attribute ('' asks for the physical id)."""
        ...

    def keeps_name(self, old: Properties, new: Properties) -> bool:
        """Whether both ask for one physical name, so that the new one cannot be made beside the old."""
        ...

    def orphan(self, properties: Properties) -> str | None:
        """The physical id of what a creation left that was cut off before it could tell, if it can be found out."""
        ...


class AwsResource(ABC):
    """What the handlers over one AWS service share: its client, its shapes, and the registry's schema.

    `operation` names the call whose input shape judges what lies below an implemented property; without one,
    an implemented property covers all that lies below it. `name_properties` are those that together name the thing.
    """

    resource_type: ClassVar[str]
    service: ClassVar[str]
    operation: ClassVar[str | None] = None
    implemented: ClassVar[frozenset[str]] = frozenset()
    simulated: ClassVar[Mapping[str, str]] = {}
    attributes: ClassVar[frozenset[str]] = frozenset()
    volatile: ClassVar[frozenset[str]] = frozenset()
    name_properties: ClassVar[tuple[str, ...]] = ()

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None:
        self.identity, self.surroundings = identity, surroundings

    @property
    def client(self) -> Any:
        """The boto3 client of the handler's service."""
        return self.surroundings.clients(self.service)

    @abstractmethod
    def create(self, properties: Properties) -> Resource:
        """As ResourceHandler has it."""

    @abstractmethod
    def delete(self, physical_id: str, properties: Properties) -> None:
        """As ResourceHandler has it."""

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:  # noqa: ARG002
        """Refuses: the types whose every change is a replacement inherit this."""
        raise ResourceFailed(f"{self.identity.resource_type} cannot be changed in place")

    def accepts(self, path: PropertyPath) -> bool:
        dotted = ".".join(path)
        if any(_covers(simulated, dotted) for simulated in self.simulated):
            return True
        if any(implemented.startswith(f"{dotted}.") for implemented in (*self.implemented, *self.simulated)):
            return True
        if not any(_covers(implemented, dotted) for implemented in self.implemented):
            return False
        return self.operation is None or len(path) == 1 or shapes.accepts(self._shape(self.operation), path)

    def has_attribute(self, name: str) -> bool:
        return name in self.attributes

    def create_only(self) -> frozenset[PropertyPath]:
        return create_only_paths(self.identity.resource_type, self.surroundings.region)

    def is_volatile(self, attribute: str) -> bool:
        return attribute in self.volatile

    def keeps_name(self, old: Properties, new: Properties) -> bool:
        return bool(self.name_properties) and all(
            name in new and old.get(name) == new[name] for name in self.name_properties
        )

    def orphan(self, properties: Properties) -> str | None:  # noqa: ARG002
        return None

    @contextmanager
    def created(self, physical_id: str) -> Iterator[None]:
        """Marks the steps that follow a resource's birth: where one fails, a rollback knows what to delete."""
        self.surroundings.attempt.initiated(physical_id)
        try:
            yield
        except (ClientError, BotoCoreError, ResourceFailed) as error:
            raise CreationIncomplete(physical_id, str(error)) from error

    def call(self, operation: str, arguments: Mapping[str, Json]) -> Any:
        """Calls the service with `arguments` fitted to the operation's shape; a None is left out."""
        return getattr(self.client, operation)(**shapes.coerce(arguments, self._shape(operation)))

    def claim(self, physical_id: str) -> None:
        """Says that it is about to be made under this id, which nothing has."""
        self.surroundings.attempt.claims(physical_id)

    def claim_if_free(self, physical_id: str, operation: str, **arguments: Json) -> None:
        """Claims an id unless `operation` finds that something has it; the creation will then say so itself."""
        try:
            self.call(operation, arguments)
        except ClientError as error:
            if not says_gone(error):
                raise
            self.claim(physical_id)

    def refuse_existing(
        self, operation: str, arguments: Mapping[str, Json], *, listed: str = "", words: str = ""
    ) -> None:
        """Raises ResourceFailed where the thing is there already, before a call that would take it over.

        `listed` names the member of the answer that is an empty list where there is nothing, `words` is what the
        service would say.
        """
        with unless_gone():
            answer = self.call(operation, arguments)
            if not listed or answer[listed]:
                what = ", ".join(str(value) for value in arguments.values())
                raise ResourceFailed(words or f"{what} already exists", code="AlreadyExists")

    def _shape(self, operation: str) -> Any:
        meta = self.client.meta
        return meta.service_model.operation_model(meta.method_to_api_mapping[operation]).input_shape


def _covers(declared: str, dotted: str) -> bool:
    return dotted == declared or dotted.startswith(f"{declared}.")


# What SageMaker and Application Auto Scaling say in a ValidationException, and moto's API Gateway in a bad request.
_NOTHING_THERE = ("Could not find", "does not exist", "found for service namespace", "Invalid Request Validator")
_GONE = ("NoSuch", "NotFound", "NonExistent", "DoesNotExist", "404")


def says_gone(error: Exception) -> bool:
    """Whether a deletion's error means that there was nothing to delete."""
    if not isinstance(error, ClientError):
        return False
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return any(word in code for word in _GONE) or any(word in message for word in _NOTHING_THERE)


@contextmanager
def unless_gone() -> Iterator[None]:
    """Lets a deletion's error pass that means that there was nothing to delete."""
    try:
        yield
    except ClientError as error:
        if not says_gone(error):
            raise


HandlerType: TypeAlias = type[ResourceHandler]


@dataclass(frozen=True)
class Registry:
    """Handlers by resource type; `custom` serves every Custom::* type that has no handler of its own."""

    handlers: Mapping[str, HandlerType]
    custom: HandlerType | None = None

    def find(self, resource_type: str) -> HandlerType | None:
        """The handler for a type, if there is one."""
        found = self.handlers.get(resource_type)
        return self.custom if found is None and resource_type.startswith("Custom::") else found


@dataclass(frozen=True)
class SupportedType:
    """A row of the table of what is real and what is simulated."""

    resource_type: str
    implemented: tuple[str, ...]
    simulated: Mapping[str, str]


def supported_types(registry: Registry) -> list[SupportedType]:
    """Every resource type that can be deployed, by name."""
    handlers = dict(registry.handlers)
    if registry.custom is not None:
        handlers["Custom::*"] = registry.custom
    return [
        SupportedType(resource_type, tuple(sorted(handler.implemented)), dict(handler.simulated))
        for resource_type, handler in sorted(handlers.items())
    ]
