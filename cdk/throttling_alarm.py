"""The one alarm of the API as a whole: what it refuses, no model's gateway sees. API Gateway has no metric of refusals
alone; its access log names them.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.alarm_topic import AlarmTopic
from cdk.alarms import THROTTLED_METRIC, THROTTLED_SPAN, THROTTLED_WHY
from cdk.api import Api
from cdk.settings import PlatformSettings
from functions.gateway.metrics import NAMESPACE

REFUSALS = ("THROTTLED", "QUOTA_EXCEEDED")


class ThrottlingAlarm(Construct):
    """Counts refusals in the access log, and tells people when they go on."""

    def __init__(
        self, scope: Construct, construct_id: str, *, api: Api, topic: AlarmTopic, settings: PlatformSettings
    ) -> None:
        super().__init__(scope, construct_id)
        patterns = [logs.FilterPattern.string_value("$.errorType", "=", refusal) for refusal in REFUSALS]
        counted = logs.MetricFilter(
            self,
            "Refusals",
            log_group=api.access_log,
            filter_pattern=logs.FilterPattern.any(*patterns),
            metric_namespace=f"{NAMESPACE}/{settings.prefix}",  # no dimension tells installations apart
            metric_name=THROTTLED_METRIC,
            metric_value="1",
        )
        alarm = cloudwatch.Alarm(
            self,
            "Throttled",
            alarm_name=f"{settings.prefix}-api-Throttled",
            alarm_description=f"{settings.prefix}: {THROTTLED_WHY}",
            metric=counted.metric(statistic="Sum", period=Duration.minutes(THROTTLED_SPAN.minutes)),
            threshold=0,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=THROTTLED_SPAN.of,
            datapoints_to_alarm=THROTTLED_SPAN.needed,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        topic.tell(alarm)
