"""What is known of a deployed stack, and where it is kept.

A `StackState` is plain data and goes to JSON and back, so that a store can be as durable as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from local.deploy.documents import Json, Properties
from local.deploy.template import Retention


class Status(StrEnum):
    """CloudFormation's words for the state of a stack or a resource."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    DELETE_FAILED = "DELETE_FAILED"
    DELETE_SKIPPED = "DELETE_SKIPPED"
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    UPDATE_ROLLBACK_IN_PROGRESS = "UPDATE_ROLLBACK_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE = "UPDATE_ROLLBACK_COMPLETE"
    UPDATE_ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"


@dataclass(frozen=True)
class StackEvent:
    """One step of a deployment; the stack itself is reported under its own name as logical id."""

    time: datetime
    stack_name: str
    logical_id: str
    resource_type: str
    status: Status
    reason: str = ""
    physical_id: str = ""


@dataclass(frozen=True)
class ResourceState:
    """One physical resource: `properties` are the resolved ones it was last given.

    `tainted` marks one whose failed update could not be undone: the next deployment updates it in any case.
    """

    logical_id: str
    resource_type: str
    physical_id: str
    properties: Properties
    attributes: Mapping[str, Json]
    depends_on: tuple[str, ...] = ()
    deletion_policy: Retention = "Delete"
    generation: int = 0
    tainted: bool = False


@dataclass(frozen=True)
class StackState:
    """A stack after its last operation. `resources` stand in the order they were made in.

    `leftovers` are physical resources that should be gone and could not be deleted; the next operation tries again.
    `generations` counts, for each logical id, the physical names given so far.
    """

    name: str
    stack_id: str
    incarnation: int
    status: Status
    template: Mapping[str, Json] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    resources: dict[str, ResourceState] = field(default_factory=dict)
    leftovers: tuple[ResourceState, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    generations: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_gone(self) -> bool:
        """Whether the next deployment of this name makes a new stack."""
        return self.status in (Status.DELETE_COMPLETE, Status.ROLLBACK_COMPLETE)

    def to_json(self) -> dict[str, Json]:
        """The state as JSON types only."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> StackState:
        """The state that `to_json` wrote."""
        return cls(
            **{
                **document,
                "status": Status(document["status"]),
                "resources": {key: _resource(entry) for key, entry in document["resources"].items()},
                "leftovers": tuple(_resource(entry) for entry in document["leftovers"]),
                "imports": tuple(document["imports"]),
            }
        )


def _resource(document: Mapping[str, Json]) -> ResourceState:
    return ResourceState(**{**document, "depends_on": tuple(document["depends_on"])})


class StackStore(Protocol):
    """Where stack states live; a deleted stack's last state is kept, as CloudFormation keeps it."""

    def load(self, name: str) -> StackState | None:
        """The last state of a stack, if there ever was one."""
        ...

    def save(self, state: StackState) -> None:
        """Keeps a state in place of the stack's former one."""
        ...

    def all(self) -> Iterator[StackState]:
        """Every stack's state."""
        ...


@dataclass
class InMemoryStore:
    """A store that lasts as long as its process."""

    states: dict[str, StackState] = field(default_factory=dict)

    def load(self, name: str) -> StackState | None:
        return self.states.get(name)

    def save(self, state: StackState) -> None:
        self.states[state.name] = state

    def all(self) -> Iterator[StackState]:
        return iter(list(self.states.values()))


def with_status(state: StackState, status: Status) -> StackState:
    """The same stack in another status."""
    return replace(state, status=status)
