"""Which rows make a batch. No thread and no clock: a batch is what is there when it is taken."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.serve.row_queue import Job, RowQueue
from model_packages.errors import ModelThrottled, ModelUnavailable
from tests.container.serve.doubles import row


def queue(*, maximum_rows: int = 4, maximum_bytes: int = 1000, queue_rows: int = 100) -> RowQueue[str]:
    return RowQueue(maximum_rows=maximum_rows, maximum_bytes=maximum_bytes, queue_rows=queue_rows)


def jobs(
    values: Iterable[float], *, owner: str = "a", shape: tuple[int, ...] = (), size_bytes: int = 4
) -> list[Job[str]]:
    return [
        Job(owner=owner, index=index, row=row(value, shape=shape, size_bytes=size_bytes))
        for index, value in enumerate(values)
    ]


def values(batch: Iterable[Job[str]]) -> list[float]:
    return [job.row.values["x"] for job in batch]


def test_a_single_row_is_taken_at_once() -> None:
    waiting = queue()

    waiting.put(jobs([1]))

    assert values(waiting.take()) == [1]
    assert waiting.waiting_rows == 0


def test_rows_of_several_requests_share_a_batch() -> None:
    waiting = queue()

    waiting.put(jobs([1, 2], owner="a"))
    waiting.put(jobs([3], owner="b"))

    assert [(job.owner, job.index) for job in waiting.take()] == [("a", 0), ("a", 1), ("b", 0)]


def test_a_batch_is_bound_in_rows() -> None:
    waiting = queue(maximum_rows=2)

    waiting.put(jobs([1, 2, 3]))

    assert [values(waiting.take()), values(waiting.take())] == [[1, 2], [3]]


def test_a_batch_is_bound_in_bytes_and_has_at_least_one_row() -> None:
    waiting = queue(maximum_bytes=10)

    waiting.put(jobs([1, 2, 3], size_bytes=5))
    waiting.put(jobs([4], size_bytes=50))

    assert [values(waiting.take()) for _ in range(3)] == [[1, 2], [3], [4]]


def test_rows_of_different_shape_never_share_a_batch() -> None:
    waiting = queue()

    waiting.put(jobs([1], shape=(2,)) + jobs([2], shape=(3,)) + jobs([3], shape=(2,)))

    assert [values(waiting.take()), values(waiting.take())] == [[1, 3], [2]]


def test_the_shape_that_waits_longest_is_next() -> None:
    waiting = queue(maximum_rows=1)

    waiting.put(jobs([1], shape=(2,)) + jobs([2], shape=(3,)) + jobs([3], shape=(2,)))

    assert [values(waiting.take()) for _ in range(3)] == [[1], [2], [3]]


def test_a_full_queue_refuses_all_rows_of_a_request_or_none() -> None:
    waiting = queue(queue_rows=3)
    waiting.put(jobs([1, 2]))

    with pytest.raises(ModelThrottled, match="2 rows wait; allowed: 3"):
        waiting.put(jobs([3, 4]))

    waiting.put(jobs([5]))
    assert values(waiting.take()) == [1, 2, 5]


def test_a_request_larger_than_the_queue_is_let_in_when_nothing_waits() -> None:
    waiting = queue(queue_rows=1)

    waiting.put(jobs([1, 2]))

    assert values(waiting.take()) == [1, 2]


def test_discarded_rows_are_not_computed_and_make_room() -> None:
    waiting = queue(queue_rows=3)
    waiting.put(jobs([1], owner="gone") + jobs([2], owner="here") + jobs([3], owner="gone", shape=(2,)))

    waiting.discard("gone")
    waiting.put(jobs([4, 5], owner="here"))

    assert values(waiting.take()) == [2, 4, 5]
    assert waiting.waiting_rows == 0


def test_a_closed_queue_gives_what_waits_and_then_nothing() -> None:
    waiting = queue()
    waiting.put(jobs([1]))

    waiting.close()

    with pytest.raises(ModelUnavailable):
        waiting.put(jobs([2]))
    assert [values(waiting.take()), waiting.take()] == [[1], []]


def test_closing_wakes_whoever_waits_for_a_row() -> None:
    waiting = queue()
    batches: list[list[Job[str]]] = []
    taker = threading.Thread(target=lambda: batches.append(waiting.take()))
    taker.start()

    waiting.close()

    taker.join(timeout=10)
    assert batches == [[]]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 20)), max_size=40),
    st.integers(1, 5),
    st.integers(1, 40),
)
def test_every_row_comes_out_once_within_the_bounds(
    rows: list[tuple[int, int]], maximum_rows: int, maximum_bytes: int
) -> None:
    waiting = queue(maximum_rows=maximum_rows, maximum_bytes=maximum_bytes)
    for number, (shape, size_bytes) in enumerate(rows):
        waiting.put(jobs([number], shape=(shape,), size_bytes=size_bytes))
    waiting.close()

    batches = list(iter(waiting.take, []))

    assert sorted(value for batch in batches for value in values(batch)) == list(range(len(rows)))
    for batch in batches:
        assert len({job.row.signature for job in batch}) == 1
        assert len(batch) <= maximum_rows
        assert len(batch) == 1 or sum(job.row.size_bytes for job in batch) <= maximum_bytes
