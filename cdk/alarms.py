"""The alarms that take a rollout back. SageMaker watches them while it bakes a new version; people get them always."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarm_topic import AlarmTopic
from cdk.names import VARIANT, PackageNames
from model_packages.contract import Rollout


@dataclass(frozen=True, slots=True)
class RollbackAlarm:
    """A metric of the endpoint's variant, and the value above which it takes a rollout back."""

    name: str
    metric: str
    statistic: str
    threshold: Callable[[Rollout], float]
    why: str


ROLLBACK_ALARMS = (
    RollbackAlarm(
        name="Latency",
        metric="ModelLatency",
        statistic="p99",
        threshold=lambda rollout: rollout.maximum_p99_latency_ms * 1000,  # the metric is in microseconds
        why="the slowest hundredth of the answers takes longer than package.toml allows",
    ),
    RollbackAlarm(
        name="ServerErrors",
        metric="Invocation5XXErrors",
        statistic="Average",  # of one 0 or 1 a request: the share that failed
        threshold=lambda rollout: rollout.maximum_error_percent / 100,
        why="the container answers 5xx more often than package.toml allows",
    ),
    RollbackAlarm(
        name="ModelErrors",
        metric="InvocationModelErrors",
        statistic="Average",  # of one 0 or 1 a request: the share that failed
        threshold=lambda rollout: rollout.maximum_error_percent / 100,
        why="requests end without any good answer, by timeouts and broken connections too, which no 5xx counts",
    ),
)

LONGEST_WINDOW_MINUTES = 3


class RollbackAlarms(Construct):
    """`alarms` exist before the endpoint, because the endpoint names them; they therefore know it by its name."""

    def __init__(self, scope: Construct, construct_id: str, *, names: PackageNames, topic: AlarmTopic) -> None:
        super().__init__(scope, construct_id)
        rollout = names.package.config.rollout
        self.alarms = [self._alarm(alarm, rollout=rollout, endpoint_name=names.endpoint) for alarm in ROLLBACK_ALARMS]
        for alarm in self.alarms:
            topic.tell(alarm)

    def _alarm(self, alarm: RollbackAlarm, *, rollout: Rollout, endpoint_name: str) -> cloudwatch.Alarm:
        # Two bad minutes of three, so that one slow answer on a quiet endpoint is no reason; a bake that is shorter
        # than that still has to be able to see the alarm.
        window_minutes = max(1, min(LONGEST_WINDOW_MINUTES, rollout.bake_minutes))
        return cloudwatch.Alarm(
            self,
            alarm.name,
            alarm_description=f"{endpoint_name}: {alarm.why}",
            metric=cloudwatch.Metric(
                namespace="AWS/SageMaker",
                metric_name=alarm.metric,
                statistic=alarm.statistic,
                period=Duration.minutes(1),
                dimensions_map={"EndpointName": endpoint_name, "VariantName": VARIANT},
            ),
            threshold=alarm.threshold(rollout),
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=window_minutes,
            datapoints_to_alarm=min(2, window_minutes),
            # An idle endpoint sends no metrics, and nothing is wrong with it.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
