"""Where executions are kept: one record each, written whole before each step; long histories have records beside it.

All executions lie in memory too. What the memory says is true; the disk follows before anybody is told.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from local.documents import Documents
from local.services.states.execution import CHUNK, Execution, execution_of

KEPT_FOR: Final = timedelta(days=90)


class Archive:
    """The executions of one account and region. Belongs to one event loop."""

    def __init__(self, executions: Documents, history: Documents) -> None:
        self._documents, self._history = executions, history
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._observers: list[Callable[[Execution], None]] = []
        self._executions = {arn: execution_of(record) for arn, record in executions.items()}

    def observe(self, observer: Callable[[Execution], None]) -> None:
        """Tell `observer` of each execution that is about to be kept."""
        self._observers.append(observer)

    def find(self, arn: str) -> Execution | None:
        """An execution that has not been forgotten."""
        return self._executions.get(arn)

    def all(self) -> Iterator[Execution]:
        """Every execution, in the order of their starts."""
        return iter(list(self._executions.values()))

    def of_machine(self, arn: str) -> list[Execution]:
        """Those of one machine."""
        return [execution for execution in self._executions.values() if execution.machine_arn == arn]

    def add(self, execution: Execution) -> None:
        """Makes a new one known; it is kept with the first `keep`."""
        self._executions[execution.arn] = execution

    async def keep(self, execution: Execution) -> None:
        """What the execution is now is on disk when this returns, or something newer.

        Raises: StateNotWritten.
        """
        await asyncio.shield(self._kept(execution))  # an older record must not be written after a newer one

    async def _kept(self, execution: Execution) -> None:
        async with self._locks[execution.arn]:
            if len(execution.events) >= 2 * CHUNK:
                await self._put_away(execution)
            for observe in self._observers:
                observe(execution)
            await asyncio.to_thread(self._documents.put, execution.arn, execution.record())

    async def events(self, execution: Execution) -> list[dict[str, Any]]:
        """The whole history."""
        keys, last = [_key(execution, at) for at in range(0, execution.events_before, CHUNK)], list(execution.events)
        chunks = await asyncio.to_thread(lambda: [self._history.get(key) or {"events": []} for key in keys])
        return [event for chunk in chunks for event in chunk["events"]] + last

    def forget_old(self, now: datetime) -> None:
        """Forgets what ended 90 days ago, as AWS does. Blocks."""
        for execution in list(self._executions.values()):
            if execution.stopped is not None and datetime.fromisoformat(execution.stopped) < now - KEPT_FOR:
                del self._executions[execution.arn]
                self._locks.pop(execution.arn, None)
                self._documents.delete(execution.arn)
                for at in range(0, execution.events_before, CHUNK):
                    self._history.delete(_key(execution, at))

    async def _put_away(self, execution: Execution) -> None:
        """Moves the older events into a record of their own. That one is written first: if the cloud ends between the
        two, it is written again.
        """
        chunk = execution.events[:CHUNK]
        await asyncio.to_thread(self._history.put, _key(execution, execution.events_before), {"events": chunk})
        execution.events = execution.events[CHUNK:]
        execution.events_before += CHUNK


def _key(execution: Execution, at: int) -> str:
    return f"{execution.arn}#{at}"
