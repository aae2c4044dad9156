"""Change sets: what is kept of each, and where."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from local.deploy.documents import Json
from local.documents import Documents, Record

ChangeSetStatus: TypeAlias = Literal["CREATE_PENDING", "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "FAILED"]
ExecutionStatus: TypeAlias = Literal[
    "UNAVAILABLE", "AVAILABLE", "EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE", "EXECUTE_FAILED", "OBSOLETE"
]


@dataclass(frozen=True)
class StackRequest:
    """What a caller asks a stack to become; `parameters` are all that the template declares, as text."""

    stack_name: str
    template_text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    notification_arns: tuple[str, ...] = ()
    role_arn: str = ""
    disables_rollback: bool = False
    is_protected: bool = False
    token: str = ""


@dataclass(frozen=True)
class ChangeSet:
    """One change set. `changes` are as DescribeChangeSet gives them with property values."""

    change_set_id: str
    name: str
    stack_id: str
    request: StackRequest
    created_at: str
    kind: Literal["CREATE", "UPDATE"]
    status: ChangeSetStatus = "CREATE_PENDING"
    execution_status: ExecutionStatus = "UNAVAILABLE"
    reason: str = ""
    description: str = ""
    client_token: str = ""
    includes_nested_stacks: bool = False
    imports_existing: bool = False
    on_failure: str = ""
    resolved: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Mapping[str, Json], ...] = ()


def _change_set(record: Record) -> ChangeSet:
    request: dict[str, Any] = dict(record["request"])
    for name in ("capabilities", "notification_arns"):
        request[name] = tuple(request[name])
    return ChangeSet(**{**record, "request": StackRequest(**request), "changes": tuple(record["changes"])})


class ChangeSets:
    """Keeps change sets in `documents` and reads those once."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._by_id = {key: _change_set(record) for key, record in documents.items()}

    def find(self, name_or_id: str, *, stack_id: str | None) -> ChangeSet | None:
        """A change set by its id, or by its name within a stack."""
        with self._lock:
            if name_or_id in self._by_id:
                return self._by_id[name_or_id]
            found = (entry for entry in self._by_id.values() if (entry.name, entry.stack_id) == (name_or_id, stack_id))
            return next(found, None)

    def of(self, stack_id: str) -> list[ChangeSet]:
        """A stack's change sets, the oldest first."""
        with self._lock:
            return [change_set for change_set in self._by_id.values() if change_set.stack_id == stack_id]

    def all(self) -> list[ChangeSet]:
        """Every change set."""
        with self._lock:
            return list(self._by_id.values())

    def put(self, change_set: ChangeSet) -> ChangeSet:
        """Keeps a change set in place of its former self."""
        with self._lock:
            self._by_id[change_set.change_set_id] = change_set
            self._documents.put(change_set.change_set_id, asdict(change_set))
        return change_set

    def forget(self, change_set: ChangeSet) -> None:
        """Drops a change set."""
        with self._lock:
            self._by_id.pop(change_set.change_set_id, None)
            self._documents.delete(change_set.change_set_id)

    def outdate(self, stack_id: str, *, executed: str) -> None:
        """Drops the stack's other change sets: they were made from a state that is no more."""
        for change_set in self.of(stack_id):
            if change_set.change_set_id != executed:
                self.forget(change_set)

    def executed(self, change_set: ChangeSet, status: ExecutionStatus) -> ChangeSet:
        """The same change set, further in its execution."""
        return self.put(replace(change_set, execution_status=status))
