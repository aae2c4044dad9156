"""What is known of a deployed stack, and where it is kept.

A `StackState` is plain data and goes to JSON and back, so that a store can be as durable as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from local.deploy.documents import Json, Properties
from local.deploy.template import Retention


class Status(StrEnum):
    """CloudFormation's words for the state of a stack or a resource."""

    REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"
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
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"

    @property
    def is_under_way(self) -> bool:
        """Whether an operation is changing the stack; one in review waits for its first."""
        return self.value.endswith("_IN_PROGRESS") and self is not Status.REVIEW_IN_PROGRESS


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

    `status` is UPDATE_FAILED where an update failed that nobody undid: the next deployment updates it in any case.
    """

    logical_id: str
    resource_type: str
    physical_id: str
    properties: Properties
    attributes: Mapping[str, Json]
    depends_on: tuple[str, ...] = ()
    deletion_policy: Retention = "Delete"
    generation: int = 0
    status: Status = Status.CREATE_COMPLETE


@dataclass(frozen=True)
class Step:
    """What an operation did to one resource, or was about to do when it was cut off: what undoing it needs to know.

    `before` is None where there was none; a creation's `after` has no physical id before the service has given one.
    """

    kind: Literal["create", "update"]
    after: ResourceState
    before: ResourceState | None = None
    is_done: bool = False


@dataclass(frozen=True)
class StackDetails:
    """What CloudFormation keeps of a stack beside its resources: what was asked for, and when. Times are ISO 8601.

    `parameters` are all that the template declares; `resolved` those of them whose value is an SSM parameter's name.
    """

    template_text: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    notification_arns: tuple[str, ...] = ()
    role_arn: str = ""
    change_set_id: str = ""
    is_protected: bool = False
    disables_rollback: bool = False
    created_at: str = ""
    updated_at: str = ""
    deleted_at: str = ""

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> StackDetails:
        """The details that `StackState.to_json` wrote."""
        lists = ("capabilities", "notification_arns")
        return cls(**{**document, **{name: tuple(document[name]) for name in lists}})


@dataclass(frozen=True)
class StackState:
    """A stack at this moment. `resources` stand in the order they were made in.

    `steps` lead from the last state that was whole to this one; all else but `resources` is then still of that state.
    `leftovers` are physical resources that should be gone; one that could not be deleted is tried again later.
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
    steps: tuple[Step, ...] = ()
    details: StackDetails = field(default_factory=StackDetails)

    @property
    def is_gone(self) -> bool:
        """Whether the next deployment of this name makes a new stack."""
        return self.status in (Status.DELETE_COMPLETE, Status.ROLLBACK_COMPLETE)

    def to_json(self) -> dict[str, Json]:
        """The state as JSON types only."""
        return {
            **fields_of(self),
            "resources": {key: fields_of(resource) for key, resource in self.resources.items()},
            "leftovers": [fields_of(resource) for resource in self.leftovers],
            "steps": [_step_json(step) for step in self.steps],
            "details": fields_of(self.details),
        }

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
                "steps": tuple(_step(entry) for entry in document["steps"]),
                "details": StackDetails.from_json(document["details"]),
            }
        )


def fields_of(record: StackState | StackDetails | ResourceState | Step) -> dict[str, Json]:
    """Its members as they are; nothing is copied."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _step_json(step: Step) -> dict[str, Json]:
    before = None if step.before is None else fields_of(step.before)
    return {**fields_of(step), "after": fields_of(step.after), "before": before}


def _resource(document: Mapping[str, Json]) -> ResourceState:
    lists = {"depends_on": tuple(document["depends_on"])}
    return ResourceState(**{**document, **lists, "status": Status(document["status"])})


def _step(document: Mapping[str, Json]) -> Step:
    before = document["before"]
    states = {"after": _resource(document["after"]), "before": None if before is None else _resource(before)}
    return Step(**{**document, **states})


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
