"""The thread between the event loop and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import torch

from container.serve.model_thread import ModelNotLoaded, ModelThread, Outcome, Servable, Ticket, compute
from container.serve.row_queue import RowQueue
from model_packages.errors import ModelUnavailable
from tests.container.serve.doubles import DoublingModel, row

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(model: Servable) -> AsyncIterator[tuple[ModelThread, RowQueue[Ticket]]]:
    queue: RowQueue[Ticket] = RowQueue(maximum_rows=8, maximum_bytes=1000, queue_rows=100)
    thread = ModelThread(lambda: model, queue, on_batch=lambda _rows, _seconds: None)
    thread.start()
    await thread.loaded
    try:
        yield thread, queue
    finally:
        queue.close()


def ask(thread: ModelThread, values: Sequence[float]) -> asyncio.Task[list[Outcome]]:
    return asyncio.ensure_future(thread.predict(Ticket(len(values)), [row(value) for value in values]))


async def test_a_lone_row_is_computed_without_waiting_for_others() -> None:
    model = DoublingModel()

    async with running(model) as (thread, _):
        outcomes = await ask(thread, [1.0])

    assert outcomes == [{"y": 2.0}]
    assert model.batches == [[1.0]]


async def test_what_arrives_while_the_model_is_busy_makes_the_next_batch() -> None:
    model = DoublingModel(is_open=False)

    async with running(model) as (thread, queue):
        first = ask(thread, [1.0])
        await asyncio.to_thread(model.entered.acquire)
        others = [ask(thread, [2.0]), ask(thread, [3.0, 4.0])]
        await asyncio.sleep(0)
        assert queue.waiting_rows == 3
        model.let_pass()
        answers = await asyncio.gather(first, *others)

    assert answers == [[{"y": 2.0}], [{"y": 4.0}], [{"y": 6.0}, {"y": 8.0}]]
    assert model.batches == [[1.0], [2.0, 3.0, 4.0]]


async def test_a_bad_row_fails_alone() -> None:
    model = DoublingModel(is_open=False)

    async with running(model) as (thread, _):
        first = ask(thread, [1.0])
        await asyncio.to_thread(model.entered.acquire)
        bad, good = ask(thread, [-1.0]), ask(thread, [3.0])
        await asyncio.sleep(0)
        model.let_pass()
        await first
        [failure] = await bad

        assert await good == [{"y": 6.0}]
    assert isinstance(failure, ValueError)


async def test_abandoned_rows_are_not_computed() -> None:
    model = DoublingModel(is_open=False)

    async with running(model) as (thread, _):
        first = ask(thread, [1.0])
        await asyncio.to_thread(model.entered.acquire)
        ticket = Ticket(1)
        gone = asyncio.ensure_future(thread.predict(ticket, [row(2.0)]))
        await asyncio.sleep(0)
        thread.abandon(ticket)
        model.let_pass()
        await first
        await ask(thread, [3.0])

    assert gone.cancelled()
    assert model.batches == [[1.0], [3.0]]


async def test_a_failed_load_says_why() -> None:
    def load() -> Servable:
        raise FileNotFoundError("no weights")

    thread = ModelThread(
        load, RowQueue(maximum_rows=1, maximum_bytes=1, queue_rows=1), on_batch=lambda _rows, _seconds: None
    )
    thread.start()

    with pytest.raises(ModelNotLoaded, match="the model did not load: FileNotFoundError: no weights"):
        await thread.loaded


async def test_a_lost_device_answers_what_waits_and_ends_the_thread() -> None:
    model = DoublingModel(is_open=False, error=torch.AcceleratorError)

    async with running(model) as (thread, _):
        lost = ask(thread, [-1.0])
        await asyncio.to_thread(model.entered.acquire)
        waiting = ask(thread, [1.0])
        await asyncio.sleep(0)
        model.let_pass()
        [[first], [second]] = await asyncio.gather(lost, waiting)

        assert isinstance(first, torch.AcceleratorError)
        assert isinstance(second, ModelUnavailable)
        with pytest.raises(ModelUnavailable):
            await ask(thread, [1.0])
    assert model.batches == [[-1.0]]


async def test_the_loop_is_free_while_the_model_computes() -> None:
    model = DoublingModel(is_open=False)

    async with running(model) as (thread, _):
        answer = ask(thread, [1.0])
        await asyncio.to_thread(model.entered.acquire)

        assert not answer.done()
        model.let_pass()
        assert await answer == [{"y": 2.0}]


def test_a_failing_batch_is_computed_again_row_by_row() -> None:
    model = DoublingModel()

    outcomes = compute(model.forward, [row(1.0), row(-1.0), row(3.0)])

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert model.batches == [[1.0, -1.0, 3.0], [1.0], [-1.0], [3.0]]
