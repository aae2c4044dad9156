"""The alarms of one model as the table has them, and the few that tell people: one incident is one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarm_topic import AlarmTopic
from cdk.alarms import ALARMS, DEPLOYMENT_ALARMS, ROLLBACK_ALARMS
from cdk.names import PackageNames
from cdk.settings import Environment
from cdk.watch import Comparison, Missing, Reading, Severity, Watch, Watched

WAIT_SECONDS = 60
"""A page waits so long for the news that a deployment has begun."""
EXTENSION_SECONDS = 300
"""After a deployment the alarms that it set off have so long to clear."""
TOLD: Mapping[Severity, str] = {
    Severity.PAGE: "callers do not get what they ask for",
    Severity.TICKET: "something is wrong that callers do not feel yet",
}


class ModelAlarms(Construct):
    """`alarms` by name, made of `watches`; `rollback`, which SageMaker watches; and `composites`.

    They exist before the endpoint, because the endpoint names some of them: they know everything by its name. Pages and
    tickets are one composite alarm each, which is quiet while the endpoint is updated; notices tell people themselves.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, names: PackageNames, topic: AlarmTopic, settings: Environment
    ) -> None:
        super().__init__(scope, construct_id)
        self._names, self.watched = names, Watched(names, settings.region, settings.expects_traffic)
        self.watches: Sequence[Watch] = tuple(watch for watch in ALARMS if watch.exists.holds(self.watched))
        self.alarms = {watch.name: self._alarm(watch) for watch in self.watches}
        self.rollback = [self.alarms[watch.name] for watch in ROLLBACK_ALARMS]
        for alarm in self.of(Severity.NOTICE):
            topic.tell(alarm)
        deploying = self._deploying()
        told = [self._told(severity, deploying) for severity in TOLD]
        for composite in told:
            topic.tell(composite)
            topic.tell_when_over(composite)
        self.composites = [*told, deploying]

    def of(self, severity: Severity) -> list[cloudwatch.Alarm]:
        """The alarms of a severity, in the table's order."""
        return [self.alarms[watch.name] for watch in self.watches if watch.severity is severity]

    def name_of(self, name: str) -> str:
        """As CloudWatch has it, of an alarm that the table calls `name`; whether or not the package has it."""
        return f"{self._names.stack}-{name}"

    def _alarm(self, watch: Watch) -> cloudwatch.Alarm:
        span = watch.pace.span(self.watched)
        return cloudwatch.Alarm(
            self,
            watch.name,
            alarm_name=self.name_of(watch.name),
            alarm_description=f"{self._names.endpoint}: {watch.why}",
            metric=metric_of(watch, self.watched),
            threshold=watch.limit.value(self.watched),
            comparison_operator=COMPARISONS[watch.comparison],
            evaluation_periods=span.of,
            datapoints_to_alarm=span.needed,
            treat_missing_data=MISSING[watch.missing],
        )

    def _deploying(self) -> cloudwatch.CompositeAlarm:
        return cloudwatch.CompositeAlarm(
            self,
            "Deploying",
            composite_alarm_name=f"{self._names.stack}-Deploying",
            alarm_description=f"{self._names.endpoint} is being updated: pages and tickets are held back",
            alarm_rule=cloudwatch.AlarmRule.all_of(*(self.alarms[watch.name] for watch in DEPLOYMENT_ALARMS)),
        )

    def _told(self, severity: Severity, deploying: cloudwatch.CompositeAlarm) -> cloudwatch.CompositeAlarm:
        return cloudwatch.CompositeAlarm(
            self,
            severity.capitalize(),
            composite_alarm_name=f"{self._names.stack}-{severity.capitalize()}",
            alarm_description=f"{self._names.endpoint}: {TOLD[severity]}; its dashboard shows what",
            alarm_rule=cloudwatch.AlarmRule.any_of(*self.of(severity)),
            actions_suppressor=deploying,
            actions_suppressor_wait_period=Duration.seconds(WAIT_SECONDS),
            actions_suppressor_extension_period=Duration.seconds(EXTENSION_SECONDS),
        )


COMPARISONS: Mapping[Comparison, cloudwatch.ComparisonOperator] = {
    Comparison.ABOVE: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    Comparison.AT_LEAST: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    Comparison.BELOW: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}
MISSING: Mapping[Missing, cloudwatch.TreatMissingData] = {
    Missing.FINE: cloudwatch.TreatMissingData.NOT_BREACHING,
    Missing.IGNORED: cloudwatch.TreatMissingData.IGNORE,
}


def metric_of(watch: Watch, watched: Watched) -> cloudwatch.IMetric:
    """What an alarm looks at, or a graph of it."""
    period = Duration.minutes(watch.pace.span(watched).minutes)
    readings = {name: reading_of(reading, watched.names, period) for name, reading in watch.readings.items()}
    if watch.expression is None:
        (metric,) = readings.values()
        return metric
    expression = watch.expression.format(**watched.facts)
    return cloudwatch.MathExpression(expression=expression, using_metrics=readings, label=watch.name, period=period)


def reading_of(reading: Reading, names: PackageNames, period: Duration) -> cloudwatch.Metric:
    """One metric with one statistic."""
    return cloudwatch.Metric(
        namespace=reading.source.namespace,
        metric_name=reading.metric,
        statistic=reading.statistic,
        dimensions_map=reading.dimensions(names),
        period=period,
    )
