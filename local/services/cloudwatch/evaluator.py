"""When alarms are evaluated, and what follows: states, composite alarms, suppressed actions, transitions.

An alarm is due where a datapoint enters its evaluation range, moves from one of its periods to the next, or leaves it;
in between nothing can change. So a jump in time costs as many evaluations as there are data in it, and comes to the
same states at the same times as looking every minute.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from local.documents import Documents
from local.services.cloudwatch.alarm import Alarm, CompositeAlarm, MetricAlarm, Standing, reason_data, standing_at
from local.services.cloudwatch.alarm_rule import holds
from local.services.cloudwatch.book import AlarmBook, parsed, rule_names, suppressor_of
from local.services.cloudwatch.datapoints import datapoints
from local.services.cloudwatch.evaluation import State, judge
from local.services.cloudwatch.history import AlarmHistory
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.reasons import standing as metric_standing
from local.services.cloudwatch.store import MetricStore
from local.services.cloudwatch.suppression import Outcome, on_own_change, on_suppressor_change, on_time
from local.services.cloudwatch.times import in_json, in_words

THROUGH: Final = "through"
"""The document that says up to when alarms have been evaluated."""
INSTANT_SECONDS: Final = 0.001
SHORTEST_STEP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm has come from one state into another. `acts` says whether its actions are due now."""

    before: Alarm
    after: Alarm
    acts: bool = True
    changed: bool = True
    """False where only the actions of an earlier change are due now, after a suppression."""


class AlarmEvaluator:
    """Evaluates the alarms of a book. `announce` gets each transition, in order; it has to be quick."""

    def __init__(
        self,
        *,
        store: MetricStore,
        book: AlarmBook,
        history: AlarmHistory,
        progress: Documents,
        announce: Callable[[Transition], None],
    ) -> None:
        self._store, self._book, self._history = store, book, history
        self._progress, self._announce = progress, announce
        self.lock = threading.RLock()
        self._due: list[tuple[float, str]] = []
        self._known: set[tuple[float, str]] = set()
        self._seen: dict[Metric, tuple[int, float]] = {}
        self._through: float | None = (progress.get(THROUGH) or {}).get("at")
        self._written = self._through
        for alarm in book.all():
            self._resume(alarm)
        store.on_data = self.data_came

    def evaluate(self, now: float) -> int:
        """Everything that is due up to now, in its order; how many evaluations it took."""
        return self._evaluate_through(now)

    def evaluate_before(self, now: float) -> int:
        """The same, but for what is due just now: that may still wait for data that come at this moment."""
        return self._evaluate_through(now - INSTANT_SECONDS)

    def _evaluate_through(self, now: float) -> int:
        count = 0
        with self.lock:
            while self._due and self._due[0][0] <= now:
                at = self._due[0][0]
                self._through = max(self._through or at, at)
                count += self._evaluate_at(at)
            self._through = max(self._through or now, now)
        return count

    def data_came(self, metric: Metric, start: int) -> None:
        """A metric has data in the period that begins at `start`."""
        with self.lock:
            seen = (start, (self._through or 0.0) // SHORTEST_STEP_SECONDS)
            if self._seen.get(metric) == seen:
                return  # planned for, and nothing has been evaluated since
            self._seen[metric] = seen
            for alarm in self._book.on_metric(metric):
                self._plan(alarm, start)

    def configured(self, alarm: Alarm, *, at: float) -> None:
        """An alarm is new, or another one than before."""
        with self.lock:
            self._seen.clear()
            if isinstance(alarm, CompositeAlarm):
                self._judge_composite(alarm, at, cause=None)
            elif isinstance(alarm, MetricAlarm):
                self._resume(alarm, at=at)

    def set_state(self, alarm: Alarm, standing: Standing) -> None:
        """A state by the caller's order, until the alarm is evaluated again."""
        with self.lock:
            self._move(alarm, standing)
            if isinstance(alarm, MetricAlarm):
                self._push(_next(standing.updated_at, alarm.step), alarm.name)

    def flush(self) -> None:
        """Raises: StateNotWritten if the disk is full; then it is tried again."""
        with self.lock:
            through = self._through
        if through is not None and through != self._written:
            self._progress.put(THROUGH, {"at": through})
            self._written = through

    def _evaluate_at(self, at: float) -> int:
        names = []
        while self._due and self._due[0][0] == at:
            names.append(heapq.heappop(self._due)[1])
            self._known.discard((at, names[-1]))
        for name in names:
            alarm = self._book.find(name)
            if isinstance(alarm, MetricAlarm):
                self._judge_metric(alarm, at)
            elif isinstance(alarm, CompositeAlarm):
                self._settle(alarm, on_time(alarm.suppression, at=at))
        return len(names)

    def _judge_metric(self, alarm: MetricAlarm, at: float) -> None:
        points = datapoints(alarm, self._store, end=at)
        judgement = judge(points, alarm.rule)
        if alarm.is_always_due:
            self._push(at + alarm.step, alarm.name)
        if judgement.state is not None and judgement.state is not alarm.standing.state:
            self._move(alarm, metric_standing(alarm, judgement, judgement.state, points=points, at=at))

    def _move(self, alarm: Alarm, standing: Standing) -> None:
        """Another state, with all that follows from it."""
        if standing.state is alarm.standing.state:
            self._book.move(standing_at(alarm, standing))
            return
        after = standing_at(alarm, standing)
        self._book.move(after)
        self._history.changed(alarm, after)
        if isinstance(after, CompositeAlarm) and (suppressor := suppressor_of(after)):
            outcome = on_own_change(
                self._book.state_of(suppressor),
                wait_seconds=int(after.settings.get("ActionsSuppressorWaitPeriod") or 0),
                at=standing.updated_at,
            )
            after = self._suppress(after, outcome)
            self._announce(Transition(alarm, after, acts=outcome.acts))
        else:
            self._announce(Transition(alarm, after))
        self._tell_dependents(after, standing.updated_at)

    def _tell_dependents(self, alarm: Alarm, at: float) -> None:
        for dependent in self._book.dependents(alarm.name):
            if alarm.name in rule_names(dependent):
                self._judge_composite(dependent, at, cause=alarm)
            current = self._book.find(dependent.name)
            if isinstance(current, CompositeAlarm) and suppressor_of(current) == alarm.name:
                outcome = on_suppressor_change(
                    current.suppression,
                    alarm.standing.state,
                    extension_seconds=int(current.settings.get("ActionsSuppressorExtensionPeriod") or 0),
                    at=at,
                )
                self._settle(current, outcome)

    def _judge_composite(self, alarm: CompositeAlarm, at: float, *, cause: Alarm | None) -> None:
        state = State.ALARM if holds(parsed(alarm.settings["AlarmRule"]), self._book.state_of) else State.OK
        if state is not alarm.standing.state:
            self._move(alarm, Standing(state, _composite_reason(alarm, state, cause, at), self._triggers(alarm), at))

    def _triggers(self, alarm: CompositeAlarm) -> str:
        children = [child for name in sorted(rule_names(alarm)) if (child := self._book.find(name))]
        alarming = [child for child in children if child.standing.state is State.ALARM] or children
        return reason_data(triggeringAlarms=[_trigger(child) for child in alarming])

    def _settle(self, alarm: CompositeAlarm, outcome: Outcome) -> None:
        if outcome.suppression == alarm.suppression and not outcome.acts:
            return
        after = self._suppress(alarm, outcome)
        if outcome.acts:
            self._announce(Transition(alarm, after, changed=False))

    def _suppress(self, alarm: CompositeAlarm, outcome: Outcome) -> CompositeAlarm:
        after = replace(alarm, suppression=outcome.suppression)
        self._book.move(after)
        if outcome.suppression is not None and outcome.suppression.until is not None:
            self._push(outcome.suppression.until, after.name)
        return after

    def _resume(self, alarm: Alarm, *, at: float | None = None) -> None:
        """Plans an alarm from what there is already: after a restart, or when it is new."""
        if isinstance(alarm, CompositeAlarm):
            if alarm.suppression is not None and alarm.suppression.until is not None:
                self._push(alarm.suppression.until, alarm.name)
            return
        since = at if at is not None else self._through
        if not isinstance(alarm, MetricAlarm) or since is None:
            return
        reach = alarm.period * alarm.rule.range_periods + alarm.step
        for metric in alarm.metrics:
            for start in self._store.starts(metric, since - reach, float(2**40)):
                self._plan(alarm, start)
        self._push(_next(since, alarm.step), alarm.name)

    def _plan(self, alarm: MetricAlarm, start: float) -> None:
        """Makes an alarm due where the data of a period may change how it is judged."""
        earliest = None if self._through is None else _next(self._through, alarm.step)
        for index in range(alarm.rule.range_periods + 1):
            due = _next(start + index * alarm.period, alarm.step)
            self._push(due if earliest is None else max(due, earliest), alarm.name)

    def _push(self, at: float, name: str) -> None:
        entry = (at, name)
        if entry not in self._known:
            self._known.add(entry)
            heapq.heappush(self._due, entry)


def _next(moment: float, step: int) -> float:
    """The first multiple of a step after a moment."""
    return moment // step * step + step


def _composite_reason(alarm: CompositeAlarm, state: State, cause: Alarm | None, at: float) -> str:
    if cause is not None:
        return f"{cause.arn} transitioned to {cause.standing.state} at {in_words(at)}"
    if alarm.configured_at > alarm.created_at:
        return f"{alarm.arn} was updated and its new alarm rule evaluates to {state}"
    return f"{alarm.arn} was created and its alarm rule evaluates to {state}"


def _trigger(alarm: Alarm) -> dict[str, object]:
    standing = alarm.standing
    return {"arn": alarm.arn, "state": {"value": standing.state, "timestamp": in_json(standing.updated_at)}}
