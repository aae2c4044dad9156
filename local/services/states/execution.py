"""Executions, and where each of them stands: what is kept of it before each step, and from which it goes on.

An execution that runs has a position: the state that it is in, what has come in, its variables, and how far the state
has got. A state with inner flows has a position for each of them. All of it is JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

LONGEST_HISTORY: Final = 25_000
CHUNK: Final = 100
"""Events that are kept with the execution itself; what is more lies in records of their own."""


class Stage(StrEnum):
    """How far a state has got."""

    ENTERING = "entering"
    ENTERED = "entered"
    PAUSING = "pausing"
    """It waits for its next attempt, until `due`."""
    WAITING = "waiting"
    """A Wait, until `due`."""
    CALLING = "calling"
    """A task's call is under way; whether it took effect is not known after a restart."""
    FOLLOWING = "following"
    """A task's job is under way."""
    HANDED_OUT = "handed out"
    """A task's token is with somebody, until `due`."""
    BRANCHING = "branching"
    ENDED = "ended"


class Status(StrEnum):
    """How an execution fares."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(slots=True, kw_only=True)
class Position:
    """Where one flow stands. `due` is a moment of the cloud's time, or of the machine's while a job is followed."""

    state: str
    input: Any
    stage: Stage = Stage.ENTERING
    entered: str = ""
    entered_event: int = 0
    last_event: int = 0
    variables: dict[str, Any] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    retry_count: int = 0
    due: str | None = None
    token: str | None = None
    heartbeat_seconds: float | None = None
    heartbeat_due: str | None = None
    answer: dict[str, Any] | None = None
    """What somebody has sent for the token: an output, or an error and its cause."""
    arguments: Any = None
    job: str | None = None
    item: dict[str, Any] | None = None
    """Which item of a Map the flow is for."""
    branches: list[Position] = field(default_factory=list)
    output: Any = None

    def go_on(self, state: str, output: Any) -> None:
        """Moves to the next state."""
        self.begin_attempt()
        self.state, self.input, self.stage = state, output, Stage.ENTERING
        self.attempts, self.retry_count = {}, 0

    def begin_attempt(self) -> None:
        """Forgets what belongs to an attempt that is over."""
        self.stage = Stage.ENTERED
        self.due = self.token = self.heartbeat_seconds = self.heartbeat_due = self.answer = None
        self.arguments = self.job = None
        self.branches = []

    def all(self) -> Iterator[Position]:
        """This one and those inside it."""
        yield self
        for branch in self.branches:
            yield from branch.all()


@dataclass(slots=True, kw_only=True)
class Execution:
    """An execution as it is kept; `events` are the last of its history, and so many lie elsewhere before them."""

    arn: str
    machine_arn: str
    machine_name: str
    name: str
    revision: str
    """Which definition it runs: a machine that is changed meanwhile changes nothing for it."""
    input: str
    started: str
    status: Status = Status.RUNNING
    position: Position | None = None
    stopped: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    trace_header: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    events_before: int = 0
    logged: int = 0
    """How many events the machine's log group has."""
    is_told: bool = False
    """Whether its present status has been announced."""

    @property
    def is_running(self) -> bool:
        return self.status is Status.RUNNING

    @property
    def event_count(self) -> int:
        return self.events_before + len(self.events)

    def positions(self) -> Iterator[Position]:
        """Everywhere where it stands."""
        if self.position is not None:
            yield from self.position.all()

    def record(self) -> dict[str, Any]:
        """As it is kept. Events never change, so that they need no copies."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        position = None if self.position is None else asdict(self.position)
        return {**found, "position": position, "events": list(self.events)}


def execution_of(record: Mapping[str, Any]) -> Execution:
    """The execution of a record."""
    position = record["position"]
    return Execution(
        **{
            **record,
            "status": Status(record["status"]),
            "position": None if position is None else _position(position),
            "events": list(record["events"]),
        }
    )


def _position(record: Mapping[str, Any]) -> Position:
    branches = [_position(branch) for branch in record["branches"]]
    return Position(**{**record, "stage": Stage(record["stage"]), "branches": branches})
