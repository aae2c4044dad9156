"""What is due in the cloud's time: in which order, at which moment, and what an advance waits for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from local.clock import CloudClock, ManualClock
from local.timers import AdvanceRefused, Phase, Timers

START = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


class World:
    """Timers, and what they did: each with the time that was due and the time that it was."""

    def __init__(self) -> None:
        self.machine = ManualClock(START)
        self.clock = CloudClock(machine=self.machine)
        self.timers = Timers(self.clock)
        self.did: list[tuple[str, datetime, datetime]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _due, _now in self.did]

    async def note(self, name: str, due: datetime) -> None:
        self.did.append((name, due, self.clock.now()))

    def at(self, seconds: float, name: str, phase: Phase = Phase.SCHEDULE) -> None:
        self.timers.at(START + timedelta(seconds=seconds), lambda due: self.note(name, due), phase=phase)


def test_an_advance_goes_through_what_is_due_in_order_and_at_its_time() -> None:
    world = World()
    world.at(120, "second")
    world.at(60, "first")
    world.at(900, "too late")

    fired = asyncio.run(world.timers.advance_to(START + timedelta(seconds=300)))

    assert fired == 2
    assert world.names == ["first", "second"]
    assert all(due == now for _name, due, now in world.did)
    assert world.clock.now() == START + timedelta(seconds=300)


def test_what_is_due_together_is_delivered_then_started_then_judged() -> None:
    world = World()
    world.at(60, "alarm", Phase.EVALUATION)
    world.at(60, "schedule", Phase.SCHEDULE)
    world.at(60, "capture", Phase.DELIVERY)

    asyncio.run(world.timers.advance_to(START + timedelta(seconds=60)))

    assert world.names == ["capture", "schedule", "alarm"]


def test_a_recurring_timer_fires_once_for_each_of_its_moments() -> None:
    world = World()
    world.timers.every(60, lambda due: world.note("tick", due))

    asyncio.run(world.timers.advance_to(START + timedelta(seconds=200)))

    assert [due for _name, due, _now in world.did] == [datetime(2026, 1, 1, 0, m, tzinfo=UTC) for m in (1, 2, 3)]


def test_a_cancelled_timer_does_nothing() -> None:
    world = World()
    timer = world.timers.every(60, lambda due: world.note("tick", due))
    timer.cancel()

    fired = asyncio.run(world.timers.advance_to(START + timedelta(hours=1)))

    assert fired == 0


def test_a_timer_that_is_set_on_the_way_fires_too() -> None:
    world = World()

    async def set_another(due: datetime) -> None:
        world.timers.at(due + timedelta(seconds=1), lambda later: world.note("set on the way", later))

    world.timers.at(START + timedelta(seconds=5), set_another)
    asyncio.run(world.timers.advance_to(START + timedelta(seconds=10)))

    assert world.names == ["set on the way"]


def test_what_is_due_at_the_same_moment_goes_on_side_by_side() -> None:
    world = World()
    both_are_there = asyncio.Barrier(2)

    async def meet(due: datetime) -> None:
        async with asyncio.timeout(5):
            await both_are_there.wait()
        await world.note("met", due)

    async def begin(due: datetime) -> None:
        world.timers.begin(meet(due))

    for _ in range(2):
        world.timers.at(START + timedelta(seconds=5), begin)
    world.at(5, "judged", Phase.EVALUATION)
    asyncio.run(world.timers.advance_to(START + timedelta(seconds=10)))

    assert world.names == ["met", "met", "judged"]


def test_an_advance_waits_for_work_that_goes_on_in_a_task_of_its_own() -> None:
    world = World()

    async def slowly(due: datetime) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        await world.note("slow work", due)

    async def begin(due: datetime) -> None:
        world.timers.begin(slowly(due))

    world.timers.at(START + timedelta(seconds=5), begin)
    world.at(6, "later")
    asyncio.run(world.timers.advance_to(START + timedelta(seconds=10)))

    assert world.names == ["slow work", "later"]
    assert world.did[0][2] == START + timedelta(seconds=5)


def test_work_that_sleeps_on_the_clouds_time_wakes_at_its_moment() -> None:
    world = World()

    async def twice(due: datetime) -> None:
        await world.note("before", due)
        await world.timers.sleep(60)
        await world.note("after", due)

    async def begin(due: datetime) -> None:
        world.timers.begin(twice(due))

    world.timers.at(START + timedelta(seconds=5), begin)
    world.at(30, "between")
    asyncio.run(world.timers.advance_to(START + timedelta(seconds=300)))

    assert world.names == ["before", "between", "after"]
    assert world.did[2][2] == START + timedelta(seconds=65)


def test_what_work_leaves_behind_is_settled_before_time_goes_on() -> None:
    world, order = World(), list[str]()

    async def settle() -> None:
        order.append("settled")

    async def work(_due: datetime) -> None:
        order.append("worked")

    timers = Timers(world.clock, settle=settle)
    timers.at(START + timedelta(seconds=5), work)
    timers.at(START + timedelta(seconds=6), work)
    asyncio.run(timers.advance_to(START + timedelta(seconds=10)))

    assert order == ["settled", "worked", "settled", "worked", "settled"]


def test_work_that_fails_stops_no_other() -> None:
    world = World()

    async def fail(_due: datetime) -> None:
        raise RuntimeError("no")

    world.timers.at(START + timedelta(seconds=5), fail)
    world.at(6, "next")
    asyncio.run(world.timers.advance_to(START + timedelta(seconds=10)))

    assert world.names == ["next"]


def test_a_moment_that_is_over_changes_nothing() -> None:
    world = World()

    fired = asyncio.run(world.timers.advance_to(START - timedelta(days=1)))

    assert fired == 0
    assert world.clock.now() == START


def test_years_ahead_are_a_mistake() -> None:
    world = World()

    with pytest.raises(AdvanceRefused, match="allowed: at most 400 days"):
        asyncio.run(world.timers.advance_to(START + timedelta(days=4000)))


def test_two_advances_at_once_go_one_after_the_other() -> None:
    world = World()
    for seconds in (5, 10, 15, 20):
        world.at(seconds, str(seconds))

    async def both() -> list[int]:
        first = world.timers.advance_to(START + timedelta(seconds=10))
        second = world.timers.advance_to(START + timedelta(seconds=20))
        return list(await asyncio.gather(first, second))

    assert asyncio.run(both()) == [2, 2]
    assert world.names == ["5", "10", "15", "20"]


async def _until(world: World, count: int) -> None:
    async with asyncio.timeout(5):
        while len(world.did) < count:
            await asyncio.sleep(0)


def test_while_nobody_hurries_what_is_due_begins_when_its_time_has_come() -> None:
    world = World()

    async def live() -> None:
        world.timers.start()
        world.at(-1, "overdue")
        await _until(world, 1)
        await world.timers.close()

    asyncio.run(live())

    assert world.names == ["overdue"]


def test_what_a_machine_that_slept_has_missed_is_not_made_up() -> None:
    world = World()
    world.timers.every(60, lambda due: world.note("tick", due))

    async def live() -> None:
        world.machine.advance(3600)
        world.timers.start()
        await _until(world, 1)
        await world.timers.close()

    asyncio.run(live())

    assert [due for _name, due, _now in world.did] == [datetime(2026, 1, 1, 1, 0, tzinfo=UTC)]


def test_an_advance_goes_on_without_a_task_that_rests_and_waits_again_once_it_is_woken() -> None:
    world = World()
    steps: list[tuple[str, datetime]] = []

    async def story() -> None:
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def resting() -> None:
            wake = world.timers.rest()

            async def call(_due: datetime) -> None:
                wake()
                heard.set_result(None)

            world.timers.at(START + timedelta(seconds=60), call)
            await heard
            for _turn in range(10):
                await asyncio.sleep(0)
            steps.append(("woken", world.clock.now()))

        world.timers.begin(resting())
        await world.timers.advance_to(START + timedelta(seconds=120))

    asyncio.run(story())

    assert steps == [("woken", START + timedelta(seconds=60))]
