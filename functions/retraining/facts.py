"""Gathers what an admission rests on: labels that came, alarms as they are, what the errors cost. Reads only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.gateway.metrics import Metric
from functions.monitor.coverage import answered_between, counted_between
from functions.monitor.objects import Bucket
from functions.retraining.admission import Facts, last_weighed, schedule_is_due, why_not_yet
from functions.retraining.champion import Champion, Champions
from functions.retraining.loop_state import Deferred, LabelCount, LoopState
from functions.retraining.quality_records import LabelledHour, QualityRecords, error_in, error_since, rows_since
from functions.retraining.settings import RetrainingSettings
from functions.retraining.staleness import Staleness, extra_errors_by_drift, extra_errors_by_labels
from functions.retraining.triggers import BY_ALARM, Trigger, TriggerKind
from functions.shared import layout
from model_packages.contract import PackageConfig

HOUR = timedelta(hours=1)
DAY_SECONDS = 86_400
LONGEST = timedelta(days=400)
"""CloudWatch keeps what was counted by the hour a little longer."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """`labels` is what the run remembers, so that later labels can be told; None where nothing was counted."""

    facts: Facts
    labels: LabelCount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsSource:
    """Reads of one package. `is_judged`: whether the monitor compares its predictions with labels one by one."""

    s3: Any
    cloudwatch: Any
    champions: Champions
    settings: RetrainingSettings
    config: PackageConfig
    is_judged: bool = True

    def gather(self, state: LoopState, trigger: Trigger, *, champion: Champion, now: datetime) -> Gathered:
        """As much as this trigger needs: a look that can find nothing reads nothing."""
        waits = state.deferred if trigger.kind is TriggerKind.LOOK else None
        alarming = self._alarming(waits) if waits else frozenset()
        if not self._is_needed(state, trigger, alarming=alarming, now=now):
            return Gathered(Facts(alarming=alarming))
        acted_on = state.deferred.trigger if state.deferred and trigger.kind is TriggerKind.LOOK else trigger
        is_alarms = acted_on.kind in BY_ALARM
        since_alarm = self._labels_since(acted_on, now) if is_alarms else 0
        are_few = is_alarms and since_alarm < self.config.retraining.minimum_labels
        if are_few and not self._others_wait(state, trigger, now):
            return Gathered(Facts(labels_since_alarm=since_alarm, alarming=alarming))
        hours = self._hours(state, now)
        facts = Facts(
            new_labels=self._new_labels(state, hours, now),
            labels_since_alarm=since_alarm,
            alarming=alarming,
            staleness=self._staleness(state, champion, hours=hours, now=now) if is_alarms else None,
        )
        return Gathered(facts, self._label_count(hours, now))

    def _is_needed(
        self, state: LoopState, trigger: Trigger, *, alarming: frozenset[TriggerKind], now: datetime
    ) -> bool:
        if trigger.rolls_back or state.lock is not None:
            return False
        if trigger.kind is not TriggerKind.MANUAL and why_not_yet(state, self.config.retraining, now):
            return False
        if trigger.kind is not TriggerKind.LOOK:
            return True
        settings = self.config.retraining
        is_alarming = any(kind.value in settings.triggers for kind in alarming)
        return is_alarming or TriggerKind.LABELS.value in settings.triggers or schedule_is_due(state, settings, now)

    def _alarming(self, deferred: Deferred) -> frozenset[TriggerKind]:
        """The alarm that the trigger names counts, and the main one of its kind."""
        names = {
            self.settings.drift_alarm: TriggerKind.DRIFT,
            self.settings.quality_alarm: TriggerKind.QUALITY,
            deferred.trigger.alarm: deferred.trigger.kind,
        }
        found = self.cloudwatch.describe_alarms(AlarmNames=[name for name in names if name], AlarmTypes=["MetricAlarm"])
        return frozenset(names[each["AlarmName"]] for each in found["MetricAlarms"] if each["StateValue"] == "ALARM")

    def _hours(self, state: LoopState, now: datetime) -> tuple[LabelledHour, ...]:
        """Of every labelled prediction that the last run could not weigh, and of those that may still get labels."""
        last = last_weighed(state)
        first = last.labels.hour if last and last.labels else self._first_hour(now)
        return self._records.since(min(first, self._first_hour(now)))

    @property
    def _records(self) -> QualityRecords:
        return QualityRecords(self.s3, self.settings.captures_bucket, self.settings.endpoint_name)

    def _first_hour(self, now: datetime) -> str:
        """Predictions of earlier hours take no labels any more."""
        days = min(self.config.monitor.label_days, self.config.capture.retention_days)
        return layout.hour_path(now - timedelta(days=days) - HOUR)

    def _label_count(self, hours: Sequence[LabelledHour], now: datetime) -> LabelCount:
        first = self._first_hour(now)
        return LabelCount(hour=first, rows=rows_since(hours, first))

    def _new_labels(self, state: LoopState, hours: Sequence[LabelledHour], now: datetime) -> int:
        """Labels that came since the last run, also those of predictions before it."""
        last = last_weighed(state)
        if not self.is_judged:
            return self._stored_labels(last.started if last else now - LONGEST, now)
        if last is None:
            return rows_since(hours, self._first_hour(now))
        later = rows_since(hours, layout.hour_path(last.started + HOUR))
        if last.labels is None:
            return later
        return max(later, rows_since(hours, last.labels.hour) - last.labels.rows)

    def _labels_since(self, trigger: Trigger, now: datetime) -> int:
        """Of what was predicted since the trigger's alarm first asked: few hours, where an hourly look reads many."""
        since = datetime.fromisoformat(trigger.since) if trigger.since else now
        if not self.is_judged:
            return self._stored_labels(since, now)
        first = max(layout.hour_path(since), self._first_hour(now))
        return rows_since(self._records.since(first), first)

    def _others_wait(self, state: LoopState, trigger: Trigger, now: datetime) -> bool:
        """Whether a look may act on something beside the trigger that waits."""
        settings = self.config.retraining
        is_counted = TriggerKind.LABELS.value in settings.triggers
        return trigger.kind is TriggerKind.LOOK and (is_counted or schedule_is_due(state, settings, now))

    def _stored_labels(self, begin: datetime, end: datetime) -> int:
        """As the gateway counted them, where nobody joins them with predictions."""
        (labels,) = counted_between(
            self.cloudwatch,
            (Metric.LABELS,),
            package=self.settings.package,
            begin=begin,
            end=end,
            period_seconds=DAY_SECONDS,
        )
        return round(labels)

    def _staleness(
        self, state: LoopState, champion: Champion, *, hours: Sequence[LabelledHour], now: datetime
    ) -> Staleness | None:
        """None where the package gives no costs, or where neither labels nor a window tell anything."""
        if self.config.retraining.run_usd is None:
            return None
        since = self._last_training(state, now)
        window = self._newest_window(champion)
        predictions = self._predictions(since, now, window)
        live, rows = error_since(hours, layout.hour_path(since))
        holdout = self._holdout_error(champion)
        if holdout is not None and rows >= self.config.monitor.minimum_rows:
            expected, whole = holdout
            errors = extra_errors_by_labels(
                live_error=live / whole, holdout_error=expected / whole, predictions=predictions
            )
            return Staleness(extra_errors=errors, predictions=predictions, source="labels")
        if window is None:
            return None
        errors = extra_errors_by_drift(changes=_changes(window), predictions=predictions)
        return Staleness(extra_errors=errors, predictions=predictions, source="drift")

    def _last_training(self, state: LoopState, now: datetime) -> datetime:
        last = last_weighed(state)
        began = last.started if last else state.champions[-1].since if state.champions else state.begun
        return max(began or now, now - LONGEST)

    def _predictions(self, begin: datetime, end: datetime, window: dict[str, Any] | None) -> int:
        """Requests that were answered, times the rows that the newest window has of one."""
        traffic = window["traffic"] if window else {"rows": 1, "records": 1}
        rows_of_one = traffic["rows"] / max(1, traffic["records"])
        answered = answered_between(self.cloudwatch, package=self.settings.package, begin=begin, end=end)
        return round(answered * rows_of_one)

    def _holdout_error(self, champion: Champion) -> tuple[float, float] | None:
        """Of the champion on its holdout, and which error counts as one wrong prediction."""
        quality = self.champions.holdout(champion)
        error = error_in({name: each.value for name, each in quality.metrics.items()}) if quality else None
        if quality is None or error is None:
            return None
        return error, 1.0 if "accuracy" in quality.metrics else quality.loss_scale

    def _newest_window(self, champion: Champion) -> dict[str, Any] | None:
        """window.json of the newest window, if it is of the version that serves."""
        bucket = Bucket(self.s3, self.settings.captures_bucket)
        latest = bucket.find(layout.latest_key(self.settings.endpoint_name))
        if latest is None:
            return None
        prefix = layout.window_prefix(self.settings.endpoint_name, json.loads(latest)["window"])
        content = bucket.find(f"{prefix}window.json")
        window: dict[str, Any] | None = json.loads(content) if content else None
        return window if window and window["served"]["version"] == champion.label else None


def _changes(window: dict[str, Any]) -> tuple[float, ...]:
    """Of the request's columns that the decision names; where it names none, of the one that changed most."""
    named = tuple(
        float(column["change"])
        for column in window["columns"]
        if column["side"] == "request" and column["changed"] and column["change"] is not None
    )
    return named or (float(window["inputs"]["score"]),)
