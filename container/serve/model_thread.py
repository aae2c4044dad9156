"""The one thread that touches the model: it loads it, then computes batch after batch until the queue is closed.

The event loop stays free to answer /ping, and what a device ties to a thread (CUDA graphs) stays on one. The thread
takes its next batch itself, without a round through the loop, so the device is never idle while rows wait.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from container.serve.row_queue import Job, RowQueue
from container.tensors import Row
from model_packages.errors import ModelUnavailable, OperatorError

Outcome = dict[str, Any] | Exception
"""A row's response, or why it has none."""


class Servable(Protocol):
    """What the server needs of a model. `row` runs on the event loop, `forward` on the model's thread."""

    def row(self, request: Mapping[str, Any]) -> Row: ...

    def forward(self, rows: Sequence[Row]) -> list[dict[str, Any]]: ...


class ModelNotLoaded(OperatorError):
    """The model did not load, or its warm-up prediction failed; the cause says why."""


class Ticket:
    """A request's rows on their way; `answered` resolves to one outcome a row, in their order."""

    def __init__(self, count: int) -> None:
        self.answered: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._outcomes: dict[int, Outcome] = {}
        self._count = count

    def answer(self, index: int, outcome: Outcome) -> None:
        """Notes the outcome of one row. Belongs to the event loop."""
        self._outcomes[index] = outcome
        if len(self._outcomes) == self._count and not self.answered.done():
            self.answered.set_result([self._outcomes[position] for position in range(self._count)])


class ModelThread:
    """Belongs to the event loop that makes it. `loaded` resolves to the model, or fails with ModelNotLoaded."""

    def __init__(
        self, load: Callable[[], Servable], queue: RowQueue[Ticket], *, on_batch: Callable[[int, float], None]
    ) -> None:
        self._load, self._queue, self._on_batch = load, queue, on_batch
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._is_device_lost = False
        self.loaded: asyncio.Future[Servable] = self._loop.create_future()

    @property
    def is_ready(self) -> bool:
        """Whether it computes: the model is loaded, and neither the device nor the thread has been lost."""
        is_loaded = self.loaded.done() and self.loaded.exception() is None
        return is_loaded and not self._is_device_lost and self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    async def predict(self, ticket: Ticket, rows: Sequence[Row]) -> list[Outcome]:
        """One outcome a row. Raises: ModelThrottled if too many rows wait, ModelUnavailable after the end."""
        self._queue.put([Job(owner=ticket, index=index, row=row) for index, row in enumerate(rows)])
        return await ticket.answered

    def abandon(self, ticket: Ticket) -> None:
        """Nobody waits for `ticket` any more: its rows are not computed unless they already are."""
        self._queue.discard(ticket)
        ticket.answered.cancel()

    def _run(self) -> None:
        try:
            model = self._load()
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever ends the load is the reason
            self._loop.call_soon_threadsafe(self._fail, error)
            return
        self._loop.call_soon_threadsafe(_resolve, self.loaded, model)
        self._compute_batches(model)

    def _compute_batches(self, model: Servable) -> None:
        while batch := self._queue.take():
            started = time.perf_counter()
            outcomes = compute(model.forward, [job.row for job in batch])
            self._loop.call_soon_threadsafe(self._deliver, batch, outcomes, time.perf_counter() - started)
            if any(map(is_fatal, outcomes)):
                self._give_up()
                return

    def _give_up(self) -> None:
        """The device is lost: what waits is answered, nothing more is taken in, and the thread ends."""
        self._is_device_lost = True
        self._queue.close()
        while batch := self._queue.take():
            lost: list[Outcome] = [ModelUnavailable("the device was lost")] * len(batch)
            self._loop.call_soon_threadsafe(self._deliver, batch, lost, 0.0)

    def _deliver(self, batch: Sequence[Job[Ticket]], outcomes: Sequence[Outcome], seconds: float) -> None:
        self._on_batch(len(batch), seconds)
        for job, outcome in zip(batch, outcomes, strict=True):
            job.owner.answer(job.index, outcome)

    def _fail(self, error: BaseException) -> None:
        failure = ModelNotLoaded(f"the model did not load: {type(error).__name__}: {error}")
        failure.__cause__ = error
        if not self.loaded.done():
            self.loaded.set_exception(failure)


def compute(forward: Callable[[Sequence[Row]], list[dict[str, Any]]], rows: Sequence[Row]) -> list[Outcome]:
    """One outcome a row. A batch that fails is computed again row by row, so that a bad row fails alone."""
    try:
        return list(forward(rows))
    except Exception as error:  # noqa: BLE001 - whatever a package raises is its row's outcome
        if len(rows) == 1 or is_fatal(error):
            return [error] * len(rows)
    return [outcome for row in rows for outcome in compute(forward, [row])]


def is_fatal(outcome: Outcome) -> bool:
    """Whether the device is lost: after such an error every later call on it fails as well."""
    return isinstance(outcome, torch.AcceleratorError)


def _resolve(loaded: asyncio.Future[Servable], model: Servable) -> None:
    if not loaded.done():
        loaded.set_result(model)
