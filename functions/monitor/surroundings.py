"""What is known of a window beside its captured rows: how many requests were answered, which were refused, what labels
came. Reads, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.monitor.baselines import Baselines
from functions.monitor.coverage import Coverage, MetricsSource, answered_between, captured_between, complete_until
from functions.monitor.labels import LabelState
from functions.monitor.quality import Looked, QualityWatch
from functions.monitor.refusals import LogReader, RefusedRequests, count_refusals
from functions.monitor.settings import MonitorSettings
from functions.monitor.state import State
from functions.monitor.window import Model
from model_packages.contract import PackageConfig
from model_packages.profile.quality_fields import QualityFields


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Of one endpoint."""

    settings: MonitorSettings
    config: PackageConfig
    judged: QualityFields | None
    """None where nothing says how a prediction is compared with its label."""
    s3: Any
    cloudwatch: MetricsSource
    logs: LogReader
    baselines: Baselines

    def coverage(self, state: State, *, listed: datetime) -> tuple[Coverage | None, datetime]:
        """Of the hours that have become complete since the last time, and where they end.

        `listed`: what was captured after this moment was not looked for.
        """
        begin, end = state.covered, max(state.covered, complete_until(listed))
        share = self.config.capture.percent / 100
        if begin == end or not share:
            return None, end
        answered = answered_between(self.cloudwatch, package=self.settings.package, begin=begin, end=end)
        captured = captured_between(state.by_hour, begin=begin, end=end)
        return Coverage(answered=answered, captured=captured, captured_share=share), end

    def refused(self, state: State, *, until: datetime) -> RefusedRequests:
        """Since the window was opened."""
        return count_refusals(self.logs, log_group=self.settings.gateway_log_group, begin=state.opened, end=until)

    def labels(self, state: State, *, model: Model, now: datetime) -> Looked | None:
        """What labels say of the newest predictions; None where nothing says how to judge one."""
        if self.judged is None:
            return None
        watch = QualityWatch(
            s3=self.s3,
            bucket_name=self.settings.captures_bucket,
            endpoint=self.settings.endpoint_name,
            config=self.config,
            fields=self.judged,
            baseline=self.baselines.quality(model.champion),
        )
        before = LabelState.from_json(state.labels) if state.labels else LabelState()
        return watch.look(before, version=model.champion.arn, now=now)
