"""Goes through a replay: the clock to each step's moment, its rows at once, labels once they are known, and what came.

Ctrl-C ends it after the step under way; what was sent stays sent, and the cloud's time stays where it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any, Final, Protocol

from local.client import aws_client
from local.project import Project
from local.replay.api import Answered, open_api
from local.replay.plan import Step, arrivals, first_from, shift_moment, steps
from local.replay.rows import make_rows
from local.replay.watch import AlarmChange, AlarmWatch, Say, report_address, require_deployed
from local.retraining import Loop
from local.running import require_running
from model_packages.dataset import Record
from model_packages.discovery import discover, select
from model_packages.errors import OperatorError
from model_packages.shifting import Shift

LABELS_A_REQUEST: Final = 200
FAILURES_IN_A_ROW: Final = 100
WATCH_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be replayed. `at` is a share of the time or a moment; `speed` is simulated seconds a real one."""

    package: str
    rows: int
    days: float = 30.0
    seed: int = 0
    shift: Shift | None = None
    at: str = "50%"
    labels: bool = True
    label_days: float = 1.0
    speed: float | None = None


@dataclass(slots=True)
class Outcome:
    """What came of it. `errors` counts the answers that were none of 200, by status; 0 is no answer."""

    requests: int = 0
    errors: Counter[int] = field(default_factory=Counter)
    labels: int = 0
    label_errors: int = 0
    labels_open: int = 0
    alarms: list[AlarmChange] = field(default_factory=list)
    report: str | None = None
    page: str | None = None
    """Where a browser shows the report."""
    runs: Sequence[Mapping[str, Any]] = ()
    """Runs of the retraining loop that ended meanwhile, oldest first, as its history tells them."""
    waiting: str | None = None
    """What a run waits for."""
    interrupted: bool = False

    @property
    def raised(self) -> list[str]:
        """The names of the alarms that went off, in the order in which they first did."""
        return list(dict.fromkeys(change.name for change in self.alarms if change.raised))


class Api(Protocol):
    """What a replay needs of the cloud."""

    async def post(self, path: str, document: Mapping[str, Any]) -> Answered: ...
    async def now(self) -> datetime: ...
    async def advance_to(self, moment: datetime) -> datetime: ...


Alarms = Callable[[], Awaitable[Sequence[AlarmChange]]]
"""What has happened to alarms since it was last asked."""


@dataclass(slots=True, kw_only=True)
class Replay:
    """A replay under way; `steps` goes through it and `outcome` grows."""

    api: Api
    order: Order
    records: Sequence[Record]
    alarms: Alarms
    say: Say
    outcome: Outcome = field(default_factory=Outcome)
    clock_seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _labels: deque[tuple[datetime, dict[str, Any]]] = field(default_factory=deque)
    _failures: int = 0
    _watched: datetime | None = None
    _day: _Day | None = None

    async def go_through(self, plan: Sequence[Step], *, until: datetime) -> None:
        """Raises: OperatorError if the API refuses everything, or does not answer any more."""
        begun, first = self.clock_seconds(), plan[0].moment if plan else until
        for step in plan:
            await self._keep_to_speed(step.moment - first, begun)
            await self._move_to(step.moment)
            await self._send(step)
        await self._keep_to_speed(until - first, begun)
        await self._move_to(until)
        await self._watch()
        self._say_day()
        self.outcome.labels_open = len(self._labels)

    async def _move_to(self, moment: datetime) -> None:
        """Post the labels that are known by then on the way, and look at the alarms once an hour."""
        while self._labels and self._labels[0][0] <= moment:
            await self._advance(self._labels[0][0])
            await self._post_labels()
        await self._advance(moment)
        if self._watched is None or moment - self._watched >= WATCH_EVERY:
            await self._watch()
            self._watched = moment

    async def _advance(self, moment: datetime) -> None:
        if self._day is None or moment.date() != self._day.date:
            if self._day is not None:
                await self._watch()
            self._say_day()
            self._day = _Day(moment)
        await self.api.advance_to(moment)

    async def _send(self, step: Step) -> None:
        path = f"/models/{self.order.package}/predict"
        answers = await asyncio.gather(*(self.api.post(path, self.records[number]["request"]) for number in step.rows))
        for number, answer in zip(step.rows, answers, strict=True):
            self._take(answer, self.records[number], step.moment)

    def _take(self, answer: Answered, record: Record, moment: datetime) -> None:
        self.outcome.requests += 1
        if self._day is not None:
            self._day.requests += 1
        if answer.status == 200:
            self._failures = 0
            if self.order.labels and answer.inference_id:
                label = {"inference_id": answer.inference_id, "label": dict(record["label"])}
                self._labels.append((whole_hour(moment + timedelta(days=self.order.label_days)), label))
            return
        self.outcome.errors[answer.status] += 1
        if self._day is not None:
            self._day.errors += 1
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            found = answer.body.decode(errors="replace")[:500]
            raise OperatorError(f"{self._failures} requests in a row failed; the last, with {answer.status}: {found}")

    async def _post_labels(self) -> None:
        """Those of an hour together: whoever learns the truth sends it in batches."""
        due, batch = self._labels[0][0], list[dict[str, Any]]()
        while self._labels and self._labels[0][0] == due and len(batch) < LABELS_A_REQUEST:
            batch.append(self._labels.popleft()[1])
        answer = await self.api.post(f"/models/{self.order.package}/feedback", {"labels": batch})
        if 200 <= answer.status < 300:
            self.outcome.labels += len(batch)
            if self._day is not None:
                self._day.labels += len(batch)
        else:
            self.outcome.label_errors += len(batch)

    async def _watch(self) -> None:
        for change in await self.alarms():
            self.outcome.alarms.append(change)
            because = f": {change.briefly}" if change.reason else ""
            self.say(f"{change.at:%Y-%m-%d %H:%M}  {change.name}: {change.before} -> {change.after}{because}")

    async def _keep_to_speed(self, simulated: timedelta, begun: float) -> None:
        if self.order.speed is not None:
            ahead = simulated.total_seconds() / self.order.speed - (self.clock_seconds() - begun)
            if ahead > 0:
                await self.sleep(ahead)

    def _say_day(self) -> None:
        if self._day is not None:
            self.say(self._day.text())


@dataclass(slots=True)
class _Day:
    """What is said of one simulated day."""

    moment: datetime
    requests: int = 0
    errors: int = 0
    labels: int = 0

    @property
    def date(self) -> date:
        return self.moment.date()

    def text(self) -> str:
        errors = f", {self.errors} errors" if self.errors else ""
        labels = f", {self.labels} labels" if self.labels else ""
        return f"{self.moment:%Y-%m-%d}        {self.requests} requests{errors}{labels}"


async def replay(project: Project, order: Order, *, say: Say) -> Outcome:
    """Sends the traffic to the cloud that runs from this folder.

    Raises: OperatorError if none runs, the package is not deployed, or its traffic cannot be made.
    """
    select(discover(project.packages), [order.package])
    running = require_running(project)
    clients = cache(partial(aws_client, endpoint_url=running.aws_endpoint_url))
    endpoint = await asyncio.to_thread(require_deployed, clients, order.package)
    async with open_api(running) as api:
        start = whole_hour(await api.now())
        moments = arrivals(order.rows, start=start, days=order.days, seed=order.seed)
        begin = shift_moment(order.at, start=start, days=order.days)
        records = await make_rows(
            project,
            package=order.package,
            rows=order.rows,
            seed=order.seed,
            shift=order.shift,
            first=first_from(moments, begin),
        )
        watch = AlarmWatch(clients, since=start)
        work = Replay(api=api, order=order, records=records, alarms=lambda: asyncio.to_thread(watch.changes), say=say)
        until = start + timedelta(days=order.days)
        say(f"{order.rows} requests to {order.package}, from {start:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC")
        if order.shift is not None:
            say(f"{order.shift.field} is shifted from {begin:%Y-%m-%d %H:%M} on")
        try:
            await work.go_through(list(steps(moments)), until=until)
        except asyncio.CancelledError:
            work.outcome.interrupted = True
    history = await asyncio.to_thread(Loop.find(order.package, clients=clients).history)
    work.outcome.runs = [
        run for run in reversed(history["runs"]) if datetime.fromisoformat(run["started"]) >= start - timedelta(hours=1)
    ]
    work.outcome.waiting = history["waiting"]["why"] if history["waiting"] else None
    work.outcome.report = await asyncio.to_thread(report_address, clients, endpoint)
    work.outcome.page = f"{running.console_url}/report/{order.package}"
    return work.outcome


def whole_hour(moment: datetime) -> datetime:
    """The next whole hour: the same seed gives each hour the same rows."""
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def document(outcome: Outcome) -> dict[str, Any]:
    """The end of a replay, for a script."""
    return {
        "requests": outcome.requests,
        "errors": {str(status): count for status, count in sorted(outcome.errors.items())},
        "labels": {"sent": outcome.labels, "refused": outcome.label_errors, "not_known_yet": outcome.labels_open},
        "alarms": [{**asdict(change), "at": change.at.isoformat()} for change in outcome.alarms],
        "raised": outcome.raised,
        "runs": list(outcome.runs),
        "waiting": outcome.waiting,
        "report": outcome.report,
        "interrupted": outcome.interrupted,
    }


def text(outcome: Outcome) -> str:
    """The end of a replay, for a person."""
    errors = ", ".join(f"{count} with {status or 'no answer'}" for status, count in sorted(outcome.errors.items()))
    open_labels = f" ({outcome.labels_open} were not known yet)" if outcome.labels_open else ""
    lines = [
        *(["interrupted; the cloud's time stays where it is"] if outcome.interrupted else []),
        f"requests  {outcome.requests}, errors: {errors or 'none'}",
        f"labels    {outcome.labels} sent{open_labels}"
        + (f", {outcome.label_errors} refused" if outcome.label_errors else ""),
        f"alarms    {', '.join(outcome.raised) or 'none went off'}",
        *(f"retrained {run['started'][:16].replace('T', ' ')} {run['outcome']}: {run['why']}" for run in outcome.runs),
        *([f"waits     {outcome.waiting}"] if outcome.waiting else []),
        f"report    {outcome.report or 'none yet: no window has been closed'}",
        *([f"to read   {outcome.page}"] if outcome.report and outcome.page else []),
    ]
    return "\n".join(lines)
