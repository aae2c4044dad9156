"""A state machine's definition, read from its text: flows of states, each with what it does and what follows.

What is read has been checked (`checks`), so that nothing here can be missing or of a wrong type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from local.services.states.integrations import Integration, integration_of

JSONATA: Final = "JSONata"


class Kind(StrEnum):
    """The types of states."""

    TASK = "Task"
    PASS = "Pass"  # noqa: S105 - a type of states
    WAIT = "Wait"
    CHOICE = "Choice"
    SUCCEED = "Succeed"
    FAIL = "Fail"
    PARALLEL = "Parallel"
    MAP = "Map"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrier:
    """When a state is tried again, and after which pause."""

    names: tuple[str, ...]
    interval_seconds: float = 1.0
    most_attempts: int = 3
    backoff_rate: float = 2.0
    longest_seconds: float | None = None
    has_jitter: bool = False

    def pause_seconds(self, attempts: int) -> float:
        """Before the next attempt, after so many that were retried."""
        growth = self.backoff_rate ** min(attempts, 1000) if self.backoff_rate > 1 else 1.0
        pause = self.interval_seconds * growth
        return pause if self.longest_seconds is None else min(pause, self.longest_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branching:
    """Where to go on for an error (`names`) or a condition, with an output and variables of its own.

    `path` is the field's name in errors; `fields` has Output and Assign, where they are given.
    """

    next: str
    path: str
    fields: Mapping[str, Any]
    names: tuple[str, ...] = ()
    condition: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state. `fields` are those of the definition, as they stand there."""

    name: str
    kind: Kind
    fields: Mapping[str, Any]
    next: str | None = None
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Branching, ...] = ()
    choices: tuple[Branching, ...] = ()
    flows: tuple[Flow, ...] = ()
    """A Parallel's branches, or the one that a Map goes through for each item."""
    integration: Integration | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """States of one scope, and where it begins."""

    start_at: str
    states: Mapping[str, State]

    def all_states(self) -> Iterator[State]:
        """With those of inner flows."""
        for state in self.states.values():
            yield state
            for flow in state.flows:
                yield from flow.all_states()


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole definition."""

    flow: Flow
    timeout_seconds: float | None = None
    integrations: tuple[Integration, ...] = field(default=())


def read_definition(text: str) -> Definition:
    """The definition of a text that `checks` found nothing wrong with."""
    document = json.loads(text)
    flow = _flow(document)
    found = [state.integration for state in flow.all_states() if state.integration is not None]
    return Definition(flow, document.get("TimeoutSeconds"), tuple(dict.fromkeys(found)))


def _flow(document: Mapping[str, Any]) -> Flow:
    return Flow(document["StartAt"], {name: _state(name, fields) for name, fields in document["States"].items()})


def _state(name: str, fields: Mapping[str, Any]) -> State:
    kind = Kind(fields["Type"])
    inner = fields.get("Branches", [fields["ItemProcessor"]] if kind is Kind.MAP else [])
    return State(
        name=name,
        kind=kind,
        fields=fields,
        next=fields.get("Default") if kind is Kind.CHOICE else fields.get("Next"),
        retriers=tuple(_retrier(each) for each in fields.get("Retry", ())),
        catchers=tuple(_branching(each, f"Catch[{at}]") for at, each in enumerate(fields.get("Catch", ()))),
        choices=tuple(_branching(each, f"Choices[{at}]") for at, each in enumerate(fields.get("Choices", ()))),
        flows=tuple(_flow(each) for each in inner),
        integration=integration_of(fields["Resource"]) if kind is Kind.TASK else None,
    )


def _retrier(fields: Mapping[str, Any]) -> Retrier:
    return Retrier(
        names=tuple(fields["ErrorEquals"]),
        interval_seconds=fields.get("IntervalSeconds", 1),
        most_attempts=fields.get("MaxAttempts", 3),
        backoff_rate=fields.get("BackoffRate", 2.0),
        longest_seconds=fields.get("MaxDelaySeconds"),
        has_jitter=fields.get("JitterStrategy") == "FULL",
    )


def _branching(fields: Mapping[str, Any], path: str) -> Branching:
    return Branching(
        next=fields["Next"],
        path=path,
        fields={name: fields[name] for name in ("Output", "Assign") if name in fields},
        names=tuple(fields.get("ErrorEquals", ())),
        condition=fields.get("Condition"),
    )
