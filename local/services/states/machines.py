"""State machines and their revisions: what is made, changed and deleted, each with a record.

A revision is what an execution runs; it stays as long as anything runs it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from local.documents import Documents
from local.services.states.definition import Definition, read_definition

OFF: Final[Mapping[str, Any]] = {"level": "OFF", "includeExecutionData": False}
NO_TRACING: Final[Mapping[str, Any]] = {"enabled": False}
AWS_KEY: Final[Mapping[str, Any]] = {"type": "AWS_OWNED_KEY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a machine was at a time; `id` is its own, and shown once the machine has been changed."""

    id: str
    definition: str
    role_arn: str
    updated: str
    logging: Mapping[str, Any] = field(default_factory=lambda: OFF)
    tracing: Mapping[str, Any] = field(default_factory=lambda: NO_TRACING)
    encryption: Mapping[str, Any] = field(default_factory=lambda: AWS_KEY)
    is_first: bool = True

    @property
    def read(self) -> Definition:
        """The definition, to be run."""
        return _read(self.definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A state machine."""

    arn: str
    name: str
    created: str
    revision: str
    tags: Mapping[str, str] = field(default_factory=dict)


def new_id() -> str:
    """For a revision."""
    return str(uuid.uuid4())


@lru_cache(maxsize=64)
def _read(text: str) -> Definition:
    return read_definition(text)


class Machines:
    """The machines of one account and region. Belongs to one event loop."""

    def __init__(self, machines: Documents, revisions: Documents) -> None:
        self._machine_documents, self._revision_documents = machines, revisions
        self._machines = {arn: Machine(**record) for arn, record in machines.items()}
        self._revisions = {key: Revision(**record) for key, record in revisions.items()}

    def find(self, arn: str) -> Machine | None:
        return self._machines.get(arn)

    def all(self) -> Iterator[Machine]:
        """Every machine, in the order in which they were made."""
        return iter(list(self._machines.values()))

    def revision(self, revision_id: str) -> Revision:
        """One that a machine or an execution names."""
        return self._revisions[revision_id]

    async def put(self, machine: Machine, revision: Revision | None = None) -> None:
        """Keeps a machine, and the revision that it has now."""
        if revision is not None:
            await asyncio.to_thread(self._revision_documents.put, revision.id, asdict(revision))
            self._revisions[revision.id] = revision
        await asyncio.to_thread(self._machine_documents.put, machine.arn, asdict(machine))
        self._machines[machine.arn] = machine

    async def retag(self, machine: Machine, tags: Mapping[str, str]) -> None:
        """Gives a machine these tags."""
        await self.put(replace(machine, tags=dict(tags)))

    async def remove(self, machine: Machine) -> None:
        """Forgets a machine; its revisions stay for its executions."""
        self._machines.pop(machine.arn, None)
        await asyncio.to_thread(self._machine_documents.delete, machine.arn)

    def forget_revisions(self, used: Collection[str]) -> None:
        """Forgets the revisions that neither a machine nor anything in `used` names. Blocks."""
        named = {*used, *(machine.revision for machine in self._machines.values())}
        for key in [key for key in self._revisions if key not in named]:
            del self._revisions[key]
            self._revision_documents.delete(key)
