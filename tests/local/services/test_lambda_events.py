"""What becomes of asynchronous events: by the rules alone, and in the queue with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.services.lambda_events import AcceptedEvent, EventQueue, Finished, Response, next_step
from local.services.lambda_function import EventHandling, Function, FunctionNotFound, Invocation, TooManyRequests
from model_packages.errors import FlyballError, OperatorError

T = TypeVar("T")
GOOD = Invocation(b'"done"', 200)
BAD = Invocation(b'{"errorMessage": "no"}', 200, "Unhandled")


def function(*, reserved: int | None = None, **events: Any) -> Function:
    return Function(
        name="fn",
        arn="arn:aws:lambda:us-east-1:123456789012:function:fn",
        handler="app.handler",
        code_revision="1",
        open_code=Path,
        reserved_concurrency=reserved,
        events=EventHandling(**events),
    )


def event(**settings: Any) -> AcceptedEvent:
    plain = {"request_id": "id", "function_name": "fn", "qualifier": None, "payload": b"1"}
    return AcceptedEvent(**{**plain, "accepted_at": 0.0, "due_at": 0.0, **settings})


def conditions(answer: Invocation | FlyballError, called: Function, *, at: float = 0.0) -> list[str | float]:
    """Each next time in turn, and how it ended; the same answer comes every time and takes no time."""
    history: list[str | float] = []
    step: AcceptedEvent | Finished = event(due_at=at)
    while isinstance(step, AcceptedEvent):
        step = next_step(step, answer, function=called, now=step.due_at)
        history.append(step.due_at if isinstance(step, AcceptedEvent) else step.condition)
    return history


def test_a_failing_event_is_run_again_after_one_minute_and_after_two_more() -> None:
    assert conditions(BAD, function()) == [60.0, 180.0, "RetriesExhausted"]


@pytest.mark.parametrize(("attempts", "expected"), [(0, ["RetriesExhausted"]), (1, [60.0, "RetriesExhausted"])])
def test_the_function_says_how_often(attempts: int, expected: list[Any]) -> None:
    assert conditions(BAD, function(maximum_retry_attempts=attempts)) == expected


def test_an_event_that_would_get_too_old_is_not_retried() -> None:
    assert conditions(BAD, function(maximum_age_seconds=100.0)) == [60.0, "EventAgeExceeded"]


def test_a_throttled_event_is_tried_again_after_ever_longer_and_at_most_five_minutes() -> None:
    history = conditions(TooManyRequests(), function(maximum_age_seconds=2000.0))

    *moments, condition = history
    assert moments == [1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0, 511.0, 811.0, 1111.0, 1411.0, 1711.0]
    assert condition == "EventAgeExceeded"


def test_a_function_that_cannot_be_run_is_tried_like_a_throttled_one(caplog: pytest.LogCaptureFixture) -> None:
    history = conditions(OperatorError("no code"), function(maximum_age_seconds=5.0))

    assert history == [1.0, 3.0, "EventAgeExceeded"]
    assert caplog.text.count("fn cannot be run and is tried again: no code") == 1


def test_being_throttled_does_not_count_as_an_attempt() -> None:
    once_failed = next_step(event(), BAD, function=function(), now=0.0)
    assert isinstance(once_failed, AcceptedEvent)

    throttled = next_step(once_failed, TooManyRequests(), function=function(), now=60.0)

    assert isinstance(throttled, AcceptedEvent)
    assert (throttled.attempts, throttled.due_at) == (1, 61.0)
    assert throttled.response == Response(429, "Rate Exceeded.")


def test_a_function_that_may_not_run_at_all_gives_its_events_up_at_once() -> None:
    assert conditions(TooManyRequests(), function(reserved=0)) == ["ZeroReservedConcurrency"]


@dataclass
class World:
    """A queue, and what happens in it: `answers` come one after another, the last of them for ever."""

    answers: list[Invocation | FlyballError]
    called: Function | None = field(default_factory=function)
    documents: InMemoryDocuments = field(default_factory=InMemoryDocuments)
    clock: ManualClock = field(default_factory=ManualClock)
    runs: list[float] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    time_stands_still: bool = False
    undeliverable: bool = False

    def queue(self) -> EventQueue:
        return EventQueue(
            find=self._find,
            run=self._run,
            deliver=self._deliver,
            documents=self.documents,
            clock=self.clock,
            sleep=self._sleep,
        )

    def now(self) -> float:
        return self.clock.now().timestamp()

    def accepted(self) -> AcceptedEvent:
        return event(accepted_at=self.now(), due_at=self.now())

    def _find(self, name: str, _qualifier: str | None) -> Function:
        if self.called is None:
            raise FunctionNotFound(name)
        return self.called

    async def _run(self, _function: Function, _event: AcceptedEvent) -> Invocation:
        self.runs.append(self.now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, FlyballError):
            raise answer
        return answer

    async def _deliver(self, _function: Function, finished: Finished) -> None:
        if self.undeliverable:
            raise RuntimeError("no role of that name")
        self.finished.append(finished)

    async def _sleep(self, seconds: float) -> None:
        if self.time_stands_still:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.clock.advance(seconds)


def run(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(scenario())


def test_an_event_is_run_until_it_succeeds_and_then_forgotten() -> None:
    world = World([BAD, BAD, GOOD])
    start = world.now()

    async def scenario() -> None:
        queue = world.queue()
        await queue.accept(world.accepted())
        assert list(world.documents.records) == ["id"]
        await queue.settle()

    run(scenario)

    assert [moment - start for moment in world.runs] == [0.0, 60.0, 180.0]
    (finished,) = world.finished
    assert (finished.condition, finished.event.attempts) == ("Success", 3)
    assert finished.event.response == Response(200, '"done"', None, "$LATEST")
    assert world.documents.records == {}


def test_an_event_survives_the_process_that_accepted_it_with_its_attempts_and_its_age() -> None:
    world = World([BAD], time_stands_still=True)

    async def first_process() -> None:
        queue = world.queue()
        await queue.accept(world.accepted())
        async with asyncio.timeout(10):
            while world.documents.records["id"]["attempts"] == 0:
                await asyncio.sleep(0)
        await queue.close()

    async def second_process() -> int:
        world.time_stands_still = False
        queue = world.queue()
        resumed = await queue.resume()
        await queue.settle()
        return resumed

    run(first_process)
    stopped_after = len(world.runs)
    resumed = run(second_process)

    assert (stopped_after, resumed, len(world.runs)) == (1, 1, 3)
    assert [finished.condition for finished in world.finished] == ["RetriesExhausted"]
    assert world.documents.records == {}


def test_an_event_that_got_too_old_while_nothing_ran_is_not_run_any_more() -> None:
    world = World([GOOD])

    async def scenario() -> None:
        queue = world.queue()
        accepted = world.accepted()
        world.clock.advance(6 * 3600 + 1)
        await queue.accept(accepted)
        await queue.settle()

    run(scenario)

    assert world.runs == []
    assert [finished.condition for finished in world.finished] == ["EventAgeExceeded"]


def test_an_event_of_a_function_that_is_gone_is_dropped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    world = World([GOOD], called=None)

    async def scenario() -> None:
        queue = world.queue()
        await queue.accept(world.accepted())
        await queue.settle()

    run(scenario)

    assert "the event id is dropped: Function not found: fn" in caplog.text
    assert world.documents.records == {}


def test_an_event_whose_end_cannot_be_told_is_kept_for_the_next_start(caplog: pytest.LogCaptureFixture) -> None:
    world = World([GOOD], undeliverable=True)

    async def scenario() -> None:
        queue = world.queue()
        await queue.accept(world.accepted())
        await queue.settle()

    run(scenario)

    assert "the event id of fn is put off to the next start" in caplog.text
    assert list(world.documents.records) == ["id"]
