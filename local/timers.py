"""What is to happen at a moment of the cloud's time: once, or again and again.

While nobody hurries, the cloud's time passes as the machine's does, and what is due is begun when its time has come.
`advance_to` goes through everything that is due on the way to a moment, in order, and waits until the work has ended
before time goes on; the work of one moment and phase is done side by side. Meanwhile the clock stands still at the
moment that is gone through. Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from local.clock import CloudClock

log = logging.getLogger(__name__)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_ADVANCE: Final = timedelta(days=400)

Work = Callable[[datetime], Awaitable[None]]
"""What is done at a moment, which it is told: the moment that it was due, however late it is."""

NextAfter = Callable[[datetime], datetime | None]
"""The next moment after another; None where there is none."""


class Phase(IntEnum):
    """What comes first of all that is due at the same moment: what is delivered then can be read, and then judged."""

    DELIVERY = 0
    """What a service hands over by itself, such as captured data."""
    SCHEDULE = 1
    """What schedules start, and what has waited."""
    EVALUATION = 2
    """What looks at the outcome: alarms."""
    REACTION = 3
    """What goes by the verdict: a rollout that its alarms may end."""


class AdvanceRefused(ValueError):
    """The clock cannot be advanced to that moment."""


async def _settled() -> None:
    """For timers whose work leaves nothing behind."""


@dataclass(slots=True, eq=False)
class Timer:
    """Something that is to be done; `cancel` takes it back."""

    due: datetime
    work: Work
    phase: Phase
    next_after: NextAfter | None = None
    cancelled: bool = field(default=False)

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """The timers of one cloud. `settle` waits for what work leaves behind without a task of its own, as log lines."""

    def __init__(self, clock: CloudClock, *, settle: Callable[[], Awaitable[None]] = _settled) -> None:
        self._clock, self._settle = clock, settle
        self._queue: list[tuple[datetime, Phase, int, Timer]] = []
        self._numbers = itertools.count()
        self._active: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._changed = asyncio.Event()
        self._advancing = asyncio.Lock()
        self._runner: asyncio.Task[None] | None = None

    def at(self, moment: datetime, work: Work, *, phase: Phase = Phase.SCHEDULE) -> Timer:
        """Have `work` done once, at `moment`, or at once if that is over."""
        return self._add(Timer(moment, work, phase))

    def every(
        self, seconds: float, work: Work, *, first: datetime | None = None, phase: Phase = Phase.SCHEDULE
    ) -> Timer:
        """Have `work` done every so many seconds; without `first`, at whole multiples of them: every minute at :00."""
        period = timedelta(seconds=seconds)
        due = first or next_multiple(self._clock.now(), period)
        return self._add(Timer(due, work, phase, lambda moment: moment + period))

    def recurring(self, next_after: NextAfter, work: Work, *, phase: Phase = Phase.SCHEDULE) -> Timer | None:
        """Have `work` done at each moment that `next_after` gives, from now on; None where there is none."""
        due = next_after(self._clock.now())
        return None if due is None else self._add(Timer(due, work, phase, next_after))

    async def sleep(self, seconds: float) -> None:
        """Come back once so much of the cloud's time has passed. Nobody waits for a task that sleeps here."""
        await self.sleep_until(self._clock.now() + timedelta(seconds=seconds))

    async def sleep_until(self, moment: datetime, *, phase: Phase = Phase.SCHEDULE) -> None:
        """The same, up to a moment of the cloud's time."""
        loop, sleeper = asyncio.get_running_loop(), asyncio.current_task()
        woken: asyncio.Future[None] = loop.create_future()

        async def wake(_due: datetime) -> None:
            if was_active and sleeper is not None and not sleeper.done():
                self._active.add(sleeper)
            if not woken.done():
                woken.set_result(None)

        was_active = sleeper in self._active
        timer = self.at(moment, wake, phase=phase)
        self._rest(sleeper)
        try:
            await woken
        finally:
            timer.cancel()

    def rest(self) -> Callable[[], None]:
        """Nobody waits for the current task any more, until the function is called that this returns."""
        sleeper = asyncio.current_task()
        was_active = sleeper in self._active

        def wake() -> None:
            if was_active and sleeper is not None and not sleeper.done():
                self._active.add(sleeper)

        self._rest(sleeper)
        return wake

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work of which `advance_to` waits for the end."""
        task = asyncio.ensure_future(work)
        self.track(task)
        return task

    def track(self, task: asyncio.Task[Any]) -> None:
        """Have `advance_to` wait for the end of a task, or until it sleeps on these timers."""
        self._active.add(task)
        task.add_done_callback(self._rest)

    async def quiet(self) -> None:
        """Wait until all work that was begun has ended, or sleeps."""
        while True:
            while self._active:
                self._idle.clear()
                await self._idle.wait()
            await self._settle()
            if not self._active:
                return

    async def advance_to(self, moment: datetime) -> int:
        """Go through everything that is due until `moment`, and be there; how many timers it were.

        A moment that is over changes nothing. A recurring timer fires once for each of its moments.

        Raises: AdvanceRefused if the moment is more than 400 days ahead.
        """
        if moment - self._clock.now() > LONGEST_ADVANCE:
            found = f"found {moment.isoformat()}, {(moment - self._clock.now()).days} days ahead of the cloud's time"
            raise AdvanceRefused(f"{found}; allowed: at most {LONGEST_ADVANCE.days} days in one step")
        async with self._advancing:
            if moment <= self._clock.now():
                return 0
            await asyncio.to_thread(self._clock.keep, moment)
            self._clock.hold(self._clock.now())
            try:
                await self.quiet()
                fired = await self._go_through(moment)
                self._clock.hold(moment)
            finally:
                self._clock.release()
                self._changed.set()
            return fired

    def start(self) -> None:
        """Begin to fire what is due as time passes."""
        self._runner = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Fire nothing more, and give up what was begun."""
        pending = [*([self._runner] if self._runner else []), *self._active]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _rest(self, task: asyncio.Task[Any] | None) -> None:
        """A task has ended, or sleeps."""
        if task is not None:
            self._active.discard(task)
        if not self._active:
            self._idle.set()

    def _add(self, timer: Timer) -> Timer:
        heapq.heappush(self._queue, (timer.due, timer.phase, next(self._numbers), timer))
        self._changed.set()
        return timer

    def _take(self, until: datetime) -> Timer | None:
        """The first timer that is due by then, if there is one."""
        while self._queue and self._queue[0][0] <= until:
            timer = heapq.heappop(self._queue)[3]
            if not timer.cancelled:
                return timer
        return None

    def _again(self, timer: Timer, after: datetime) -> None:
        following = timer.next_after(after) if timer.next_after is not None and not timer.cancelled else None
        if following is not None:
            timer.due = following
            self._add(timer)

    async def _go_through(self, moment: datetime) -> int:
        fired = 0
        while (timer := self._take(moment)) is not None:
            due, phase = timer.due, timer.phase
            self._clock.hold(due)
            while timer is not None:
                self._again(timer, due)
                await self._done(timer, due)
                fired += 1
                timer = self._take(moment) if self._queue and self._queue[0][:2] == (due, phase) else None
            await self.quiet()
        return fired

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            async with self._advancing:
                self._fire_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._changed.wait()

    def _seconds_to_next(self) -> float | None:
        return max(0.0, (self._queue[0][0] - self._clock.now()).total_seconds()) if self._queue else None

    def _fire_due(self) -> None:
        """Begin what is due. What a machine that slept has missed is not made up: only the last time counts."""
        now = self._clock.now()
        while (timer := self._take(now)) is not None:
            due = self._last_due(timer, now)
            self._again(timer, due)
            self.begin(self._done(timer, due))

    @staticmethod
    def _last_due(timer: Timer, now: datetime) -> datetime:
        due = timer.due
        while timer.next_after is not None and (following := timer.next_after(due)) is not None and following <= now:
            due = following
        return due

    async def _done(self, timer: Timer, due: datetime) -> None:
        """What goes wrong in one piece of work stops no other."""
        try:
            await timer.work(due)
        except Exception:
            log.exception("what was due at %s failed", due.isoformat())


def next_multiple(moment: datetime, period: timedelta) -> datetime:
    """The first moment after another that lies a whole number of periods after 1970."""
    return EPOCH + ((moment - EPOCH) // period + 1) * period
