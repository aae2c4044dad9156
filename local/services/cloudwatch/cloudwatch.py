"""The whole of the local CloudWatch, put together: its metrics, alarms and dashboards, and who calls what when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.clock import Clock
from local.services.cloudwatch.actions import AlarmActions, Reach
from local.services.cloudwatch.alarm_operations import AlarmOperations
from local.services.cloudwatch.book import AlarmBook
from local.services.cloudwatch.dashboards import Dashboards
from local.services.cloudwatch.errors import CloudWatchError
from local.services.cloudwatch.evaluator import AlarmEvaluator
from local.services.cloudwatch.flushing import Flusher
from local.services.cloudwatch.history import AlarmHistory
from local.services.cloudwatch.messages import AlarmMessages
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.putting import MetricPutting
from local.services.cloudwatch.reading import MetricReading
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.store import MetricStore
from local.services.cloudwatch.tagging import Tagging
from local.services.cloudwatch.wire import Operation, read_arguments, refuse, write_answer
from local.services.logs.log_metrics import LogMetrics
from local.services.logs.metric_filters import FiltersOf
from local.state.store import StateStore

COARSEN_SECONDS: Final = 86_400
MINUTE: Final = 60
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DURABLE: Final = ("Put", "Delete", "Set", "Enable", "Disable", "Tag", "Untag")
"""Operations whose effect is on disk before the answer; data alone may be lost with the last half second."""


class CloudWatch:
    """CloudWatch of one account and region. It belongs to one event loop; `start` begins to keep what changes."""

    def __init__(
        self,
        store: StateStore,
        *,
        clock: Clock,
        account: str,
        region: str,
        reach: Reach,
        filters_of: FiltersOf = lambda _group: (),
    ) -> None:
        self._clock = clock
        self.metrics = MetricStore(store)
        self._log_metrics = LogMetrics(put=self.metrics.put, filters_of=filters_of)
        self.book = AlarmBook(store.documents("cloudwatch/alarms"))
        self.history = AlarmHistory(store.documents("cloudwatch/history"))
        self.actions = AlarmActions(
            reach=reach, messages=AlarmMessages(account=account, region=region), history=self.history
        )
        self.evaluator = AlarmEvaluator(
            store=self.metrics,
            book=self.book,
            history=self.history,
            progress=store.documents("cloudwatch/progress"),
            announce=self.actions.announce,
        )
        self.dashboards = Dashboards(store.documents("cloudwatch/dashboards"), clock, account=account)
        self._flusher = Flusher(self._flush_all)
        self._coarsened_at = 0.0
        self._operations = self._by_name(f"arn:aws:cloudwatch:{region}:{account}:alarm:")

    def start(self) -> None:
        """Catches up with the time that has passed since this state was left, and begins to keep what changes."""
        self.actions.start()
        self.evaluate(self._clock.now())
        self._flusher.start()

    async def close(self) -> None:
        """Carries out what waits, and keeps everything.

        Raises: StateNotWritten.
        """
        await self.actions.settle()
        self._flusher.close()

    def abandon(self) -> None:
        """Keeps nothing more: what a killed process does."""
        self._flusher.abandon()

    def put(self, metric: Metric, samples: Samples, *, unit: str = "None", at: datetime | None = None) -> None:
        """Samples of a service's own, which no call brings; as of now unless told otherwise."""
        self._catch_up()
        self.metrics.put(metric, (at or self._clock.now()).timestamp(), samples, unit=unit)

    def evaluate(self, now: datetime) -> int:
        """Every alarm that is due up to `now`, in order; actions wait for `settle`. How many evaluations it took."""
        return self.evaluator.evaluate(now.timestamp())

    async def due(self, now: datetime) -> None:
        """What a timer calls: evaluates, and comes back when the actions have been carried out."""
        self._log_metrics.put_defaults(now.timestamp())
        self.evaluate(now)
        if now.timestamp() - self._coarsened_at >= COARSEN_SECONDS:
            self._coarsened_at = now.timestamp()
            self.metrics.coarsen(self._coarsened_at)
        await self.actions.settle()

    def next_look(self, after: datetime) -> datetime:
        """When `due` is to be called next: each minute, or each 10 seconds where an alarm has so short a period."""
        step = timedelta(seconds=min(MINUTE, self.book.shortest_step or MINUTE))
        return after + step - (after - EPOCH) % step

    def handlers(self) -> dict[ApiCall, Callable[[ApiCall, ApiRequest], Awaitable[ApiResponse | ApiRefusal]]]:
        """Each operation with its handler, for the cloud port."""
        return {ApiCall("cloudwatch", name): self.answer for name in self._operations}

    async def answer(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        """The answer to a call; actions that it leads to begin in the event loop.

        Raises: StateNotWritten.
        """
        answer = self._answer(call, request)
        if _is_durable(call):
            await asyncio.to_thread(self._flusher.flush)
        self.actions.begin()
        return answer

    def answer_blocking(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        """The same in the caller's thread, without carrying out any action."""
        answer = self._answer(call, request)
        if _is_durable(call):
            self._flusher.flush()
        return answer

    def _answer(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        try:
            return write_answer(call, self._operations[call.operation](read_arguments(call, request)))
        except CloudWatchError as error:
            return refuse(call, error)

    def flush(self) -> None:
        """Everything is on disk when it returns.

        Raises: StateNotWritten.
        """
        self._flusher.flush()

    def observe_events(self, group: str, events: Iterable[Mapping[str, Any]]) -> None:
        """A log group has got events, whose metrics are to be taken; from any thread."""
        self._catch_up()
        lines = [(event["timestamp"] / 1000, event["message"]) for event in events]
        self._log_metrics.observe(group, lines, now=self._clock.now().timestamp())

    def _catch_up(self) -> None:
        self.evaluator.evaluate_before(self._clock.now().timestamp())

    def _flush_all(self) -> None:
        self.metrics.flush()
        self.history.flush()
        self.book.flush()
        self.evaluator.flush()

    def _by_name(self, place: str) -> Mapping[str, Operation]:
        alarms = AlarmOperations(self.book, self.evaluator, self.history, self._clock, place)
        reading = MetricReading(self.metrics, self._clock)
        putting = MetricPutting(self.metrics, self._clock, before=self._catch_up)
        tagging = Tagging(self.book, self.dashboards)
        after_catching_up = partial(_after, self._catch_up)
        return {
            "DeleteAlarms": after_catching_up(alarms.delete_alarms),
            "DeleteDashboards": self.dashboards.delete_dashboards,
            "DescribeAlarmHistory": after_catching_up(alarms.describe_alarm_history),
            "DescribeAlarms": after_catching_up(alarms.describe_alarms),
            "DescribeAlarmsForMetric": after_catching_up(alarms.describe_alarms_for_metric),
            "DisableAlarmActions": after_catching_up(alarms.disable_alarm_actions),
            "EnableAlarmActions": after_catching_up(alarms.enable_alarm_actions),
            "GetDashboard": self.dashboards.get_dashboard,
            "GetMetricData": reading.get_metric_data,
            "GetMetricStatistics": reading.get_metric_statistics,
            "ListDashboards": self.dashboards.list_dashboards,
            "ListMetrics": reading.list_metrics,
            "ListTagsForResource": tagging.list_tags_for_resource,
            "PutCompositeAlarm": after_catching_up(alarms.put_composite_alarm),
            "PutDashboard": self.dashboards.put_dashboard,
            "PutMetricAlarm": after_catching_up(alarms.put_metric_alarm),
            "PutMetricData": putting.put_metric_data,
            "SetAlarmState": after_catching_up(alarms.set_alarm_state),
            "TagResource": tagging.tag_resource,
            "UntagResource": tagging.untag_resource,
        }


def _is_durable(call: ApiCall) -> bool:
    return call.operation.startswith(DURABLE) and call.operation != "PutMetricData"


def _after(first: Callable[[], None], operation: Operation) -> Operation:
    """The operation, done once everything is evaluated up to the moment of the call."""

    def done(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        first()
        return operation(arguments)

    return done
