"""Stack states as records: one of the stack, which names its parts, and one of each part.

A state is kept at each step of an operation, some hundreds of times, and grows with it to half a megabyte. So a step
writes the parts that it made, and the stack's own record. What a part is made of never changes: another resource state
is another object.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

from local.deploy.documents import Json
from local.deploy.state import ResourceState, StackDetails, StackState, Step, fields_of
from local.documents import Documents, Record

Part: TypeAlias = ResourceState | StackDetails | Mapping[str, Json]
"""The last is a template."""

Kept: TypeAlias = dict[int, tuple[Part, str]]
"""Parts with the keys of their records, by `id()`."""

Together: TypeAlias = Callable[[], AbstractContextManager[object]]
SEPARATOR: Final = "#"


class DocumentStackStore:
    """A store as durable as its documents. It keeps every stack that ever bore a name, and reads them once."""

    def __init__(self, stacks: Documents, parts: Documents, *, together: Together = nullcontext) -> None:
        """What is put and deleted within `together()` is kept in full or not at all."""
        self._stacks, self._parts, self._together = stacks, parts, together
        found = dict(parts.items())
        self._states = {stack_id: _joined(record, found) for stack_id, record in stacks.items()}
        self._keys: dict[str, set[str]] = {stack_id: set() for stack_id in self._states}
        for key in found:
            self._keys.setdefault(key.rpartition(SEPARATOR)[0], set()).add(key)
        self._kept: dict[str, Kept] = {}
        self._numbers = itertools.count(1 + max((int(key.rpartition(SEPARATOR)[2]) for key in found), default=0))
        self._lock = threading.Lock()

    def load(self, name: str) -> StackState | None:
        with self._lock:
            bearers = [state for state in self._states.values() if state.name == name]
        return max(bearers, key=lambda state: state.incarnation, default=None)

    def find(self, stack_id: str) -> StackState | None:
        """The stack with an id, also where another bears its name by now."""
        with self._lock:
            return self._states.get(stack_id)

    def save(self, state: StackState) -> None:
        with self._lock:
            self._states[state.stack_id] = state
            self._write(state)

    def all(self) -> Iterator[StackState]:
        with self._lock:
            return iter(list(self._states.values()))

    def _write(self, state: StackState) -> None:
        stack_id = state.stack_id
        before, kept, new = self._kept.get(stack_id, {}), Kept(), dict[str, Part]()

        def key_of(part: Part) -> str:
            found = kept.get(id(part)) or before.get(id(part))
            if found is None:
                found = (part, f"{stack_id}{SEPARATOR}{next(self._numbers)}")
                new[found[1]] = part
            kept[id(part)] = found
            return found[1]

        record = _split(state, key_of)
        keys = {key for _part, key in kept.values()}
        with self._together():
            for key, part in new.items():
                self._parts.put(key, part if isinstance(part, Mapping) else fields_of(part))
            self._stacks.put(stack_id, record)
            for key in self._keys.get(stack_id, set()) - keys:
                self._parts.delete(key)
        self._kept[stack_id], self._keys[stack_id] = kept, keys


def _split(state: StackState, key_of: Callable[[Part], str]) -> Record:
    """The stack's own record."""
    return {
        **fields_of(state),
        "template": key_of(state.template),
        "details": key_of(state.details),
        "resources": {logical_id: key_of(resource) for logical_id, resource in state.resources.items()},
        "leftovers": [key_of(resource) for resource in state.leftovers],
        "steps": [_split_step(step, key_of) for step in state.steps],
    }


def _split_step(step: Step, key_of: Callable[[Part], str]) -> Record:
    before = None if step.before is None else key_of(step.before)
    return {**fields_of(step), "after": key_of(step.after), "before": before}


def _joined(record: Record, parts: Mapping[str, Record]) -> StackState:
    """The state whose record it is. An earlier version wrote the parts themselves where their keys are."""

    def part(value: Json) -> Json:
        return parts[value] if isinstance(value, str) else value

    return StackState.from_json(
        {
            **record,
            "template": part(record["template"]),
            "details": part(record["details"]),
            "resources": {logical_id: part(value) for logical_id, value in record["resources"].items()},
            "leftovers": [part(value) for value in record["leftovers"]],
            "steps": [
                {**step, "after": part(step["after"]), "before": part(step["before"])} for step in record["steps"]
            ],
        }
    )
