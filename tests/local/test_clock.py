"""The cloud's time beside the machine's: moved, held, kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from local.clock import CloudClock, ManualClock
from local.documents import InMemoryDocuments

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_clouds_time_is_the_machines_until_somebody_moves_it() -> None:
    machine = ManualClock(START)
    clock = CloudClock(machine=machine)

    machine.advance(5)

    assert clock.now() == START + timedelta(seconds=5)
    assert clock.ahead == timedelta()


def test_a_held_clock_stands_still_and_goes_on_from_there() -> None:
    machine = ManualClock(START)
    clock = CloudClock(machine=machine)

    clock.hold(START + timedelta(days=1))
    machine.advance(60)
    held = clock.now()
    clock.release()
    machine.advance(1)

    assert held == START + timedelta(days=1)
    assert clock.now() == START + timedelta(days=1, seconds=1)


def test_time_never_goes_back() -> None:
    clock = CloudClock(machine=ManualClock(START))

    clock.hold(START + timedelta(days=1))
    clock.hold(START)
    clock.release()

    assert clock.now() == START + timedelta(days=1)


def test_a_hold_that_the_machine_has_overtaken_ends_at_the_machines_time() -> None:
    machine = ManualClock(START)
    clock = CloudClock(machine=machine)

    clock.hold(START + timedelta(seconds=1))
    machine.advance(10)
    clock.release()

    assert clock.now() == START + timedelta(seconds=10)


def test_a_restarted_cloud_is_not_before_what_was_kept() -> None:
    machine, documents = ManualClock(START), InMemoryDocuments()
    former = CloudClock(machine=machine, documents=documents)
    former.keep(START + timedelta(days=30))
    former.hold(START + timedelta(days=12))  # and then it was killed

    machine.advance(60)
    restarted = CloudClock(machine=machine, documents=documents)

    assert restarted.now() == START + timedelta(days=30, seconds=60)
