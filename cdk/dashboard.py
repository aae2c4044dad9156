"""One dashboard a model, read from the top like an incident: is it up, is it fast, is what goes in right, has it
changed, which version serves, what did the loop do. Each part says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.alarms import ALARMS
from cdk.gateway import Gateway
from cdk.model_alarms import ModelAlarms, metric_of, reading_of
from cdk.monitor import Monitor
from cdk.retraining_loop import RetrainingLoop
from cdk.watch import Reading, Severity, Source, Watch
from functions.gateway.metrics import NAMESPACE, SERVICE_DIMENSION, Metric
from functions.monitor.metrics import FIELD_DIMENSION, EndpointMetric, FieldMetric, WindowMetric
from functions.retraining.metrics import RetrainingMetric

WIDTH, HALF, THIRD, QUARTER = 24, 12, 8, 6
HEIGHT, TITLE_HEIGHT = 6, 2
LAST_ROWS = 20
MINUTE, FIVE_MINUTES, HOUR = Duration.minutes(1), Duration.minutes(5), Duration.hours(1)

WHAT_TO_DO: Mapping[str, str] = {
    "Is it up?": (
        "The gateway's log has the cause of each failure, by the inference id. During a deployment SageMaker takes a "
        "bad version of the endpoint `{endpoint}` back by itself."
    ),
    "Is it fast?": (
        "Slow with busy processors: more instances, or a larger `batching.maximum_rows`. Slow and idle: the "
        "container's log. Fast here and slow for callers: overhead, or the network before it."
    ),
    "Is what goes in right?": (
        "Refused requests name field and reason: tell the caller, or mend the schema. Shares are of the rows of a "
        "window; its report says which field."
    ),
    "Has it changed?": (
        "Evidence says whether a change is sure, the score how large it is; the newest of the [reports in "
        "S3]({reports}) shows the distributions side by side. Sure and harmless: a larger `monitor.tolerance`. Sure "
        "and real: ask for labels, and train anew."
    ),
    "Which version is serving?": (
        "The parameter `{champion}` names the champion, of the registry's group `{registry}`. Every answer says which "
        "version gave it."
    ),
    "What did the loop do?": (
        "A monitor that failed takes up where it was: mend the cause, and nothing is lost that is still kept. "
        "`flyball history {package}` says of each run of the [state machine]({machine}) what became of it and why; a "
        "version that was rejected or rolled back changes nothing for callers."
    ),
}
"""The question of each part, and what to do about the answer."""

(INSTANCES,) = (watch for watch in ALARMS if watch.name == "AtMostInstances")

Row = Sequence[cloudwatch.IWidget | None]


class ModelDashboard(Construct):
    """Graphs carry the limits of their alarms. It is made last, because it shows the functions' logs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarms: ModelAlarms,
        gateway: Gateway,
        monitor: Monitor,
        loop: RetrainingLoop,
    ) -> None:
        super().__init__(scope, construct_id)
        self._alarms, self._watched, self._names = alarms, alarms.watched, alarms.watched.names
        self._gateway_logs, self._monitor_logs, self._loop_logs = gateway.log_group, monitor.log_group, loop.log_group
        self._bucket, self._machine_arn = monitor.captures_bucket_name, loop.state_machine.attr_arn
        dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=self._names.stack, default_interval=Duration.days(1)
        )
        for part in (
            self._top(),
            self._up(),
            self._fast(),
            self._right(),
            self._changed(),
            self._version(),
            self._loop(),
        ):
            for row in part:
                dashboard.add_widgets(*(widget for widget in row if widget is not None))

    def _top(self) -> Sequence[Row]:
        page, ticket, deploying = self._alarms.composites
        every = [self._alarms.alarms[watch.name] for watch in self._alarms.watches if watch.severity != Severity.STATE]
        notices = self._alarms.of(Severity.NOTICE)
        return [
            [_text(f"# {self._names.package.name}\n{self._watched.config.description}")],
            [
                cloudwatch.AlarmStatusWidget(
                    title="Who has to look", alarms=[page, ticket, deploying, *notices], width=WIDTH, height=3
                )
            ],
            [cloudwatch.AlarmStatusWidget(title="Every alarm", alarms=every, width=WIDTH, height=HEIGHT)],
        ]

    def _up(self) -> Sequence[Row]:
        counts = [Metric.REQUESTS, Metric.REJECTED_REQUESTS, Metric.MODEL_ERRORS, Metric.INTERNAL_ERRORS]
        return [
            [self._words("Is it up?")],
            [
                self._plain("Requests", [self._ours(metric, "Sum", FIVE_MINUTES) for metric in counts]),
                self._graph("Failed, of all", ["FailedRequests", "ServerErrors", "ModelErrors", "ContainerRefusals"]),
                self._graph("Gateway function", ["GatewayThrottles", "GatewayFailures", "GatewayFaults"]),
            ],
            [
                self._plain("Instances", [self._metric(INSTANCES)], limits=self._limits([INSTANCES.name])),
                self._graph("In flight on an instance", ["Concurrency"]),
                self._graph("Memory and disk, %", ["Memory", "Disk", "GpuMemory"]),
            ],
            [
                self._graph("Refused for want of room", ["NoCapacity", "ModelThrottles"]),
                self._graph("USD an hour", ["Cost"]),
            ],
        ]

    def _fast(self) -> Sequence[Row]:
        return [
            [self._words("Is it fast?")],
            [
                self._graph("Model latency, µs", ["Latency", "MostlySlow", "SlowMedian"]),
                self._graph("Overhead of SageMaker, µs", ["SageMakerOverhead"]),
                self._graph("Overhead of the gateway, ms", ["GatewayOverhead"]),
            ],
            [
                self._graph("Processors, % of each", ["Cpu", "Gpu"]),
                self._graph("Gateway's time, ms", ["GatewayNearTimeout"]),
            ],
        ]

    def _right(self) -> Sequence[Row]:
        wrong = ["MissingValues", "WrongTypes", "OutOfRange", "UnknownCategories", "Duplicates"]
        return [
            [self._words("Is what goes in right?")],
            [
                self._graph("Rejected, of all", ["RejectedRequests"]),
                self._graph("Wrong values, of a window's rows", wrong),
                self._graph("Captured, of what should be", ["CaptureGaps", "UnreadableRecords", "CaptureFailures"]),
            ],
            [
                self._log(
                    "Last requests refused",
                    self._gateway_logs,
                    "fields @timestamp, inference_id, reason, fields.0",
                    'filter message = "refused"',
                    "sort @timestamp desc",
                    f"limit {LAST_ROWS}",
                )
            ],
        ]

    def _changed(self) -> Sequence[Row]:
        quality = [WindowMetric.QUALITY_LOW, WindowMetric.QUALITY, WindowMetric.QUALITY_HIGH]
        labels = [WindowMetric.LABELLED_ROWS, WindowMetric.UNMATCHED_LABELS]
        scores = [WindowMetric.DRIFT_SCORE, WindowMetric.PREDICTION_DRIFT_SCORE]
        return [
            [self._words("Has it changed?")],
            [
                self._graph("Evidence of a change, log10", ["Drift", "PredictionDrift", "QualityDrop"]),
                self._plain("Share of rows that have moved", self._window(*scores)),
                self._plain("Change of each field", [self._fields()]),
            ],
            [
                self._plain(
                    "Live quality and its interval", self._window(*quality), limits=self._limits(["LowQuality"])
                ),
                self._plain("Labels", self._window(*labels)),
                self._plain("Rows of a window", self._window(WindowMetric.ROWS, WindowMetric.LATE)),
            ],
        ]

    def _version(self) -> Sequence[Row]:
        updating = Reading(Source.PACKAGE, EndpointMetric.UPDATING, "Maximum")
        return [
            [self._words("Which version is serving?")],
            [
                self._log(
                    "Versions that answered",
                    self._gateway_logs,
                    "filter ispresent(model_version)",
                    "stats count(*) as answers, max(@timestamp) as last by model_version, variant",
                    "sort last desc",
                    width=HALF,
                ),
                self._plain("Being updated", [reading_of(updating, self._names, MINUTE)], width=HALF),
            ],
        ]

    def _loop(self) -> Sequence[Row]:
        return [
            [self._words("What did the loop do?")],
            [
                self._log(
                    "Last runs of the monitor",
                    self._monitor_logs,
                    "fields @timestamp, outcome, window, rows, unreadable, late, cause",
                    'filter message in ["looked", "failed"]',
                    "sort @timestamp desc",
                    f"limit {LAST_ROWS}",
                    width=HALF,
                ),
                self._graph("Failures", ["MonitorFailures"], width=QUARTER),
                self._graph("Time of a run, ms", ["MonitorNearTimeout"], width=QUARTER),
            ],
            [
                self._log(
                    "Last steps of the retraining loop",
                    self._loop_logs,
                    "fields @timestamp, run, step, message, verdict, kind, why, cause",
                    'filter message in ["decided", "done", "failed"]',
                    "sort @timestamp desc",
                    f"limit {LAST_ROWS}",
                    width=HALF,
                ),
                self._plain("Runs, by how they ended", self._outcomes(), width=QUARTER),
                self._graph("Failures of the loop", ["RetrainingErrors"], width=QUARTER),
            ],
        ]

    def _outcomes(self) -> list[cloudwatch.IMetric]:
        ended = (metric for metric in RetrainingMetric if metric is not RetrainingMetric.SECONDS)
        return [reading_of(Reading(Source.PACKAGE, metric, "Maximum"), self._names, HOUR) for metric in ended]

    def _words(self, question: str) -> cloudwatch.TextWidget:
        names = self._names
        told = WHAT_TO_DO[question].format(
            endpoint=names.endpoint,
            reports=self._reports,
            champion=names.champion_parameter,
            registry=names.model_package_group,
            package=names.package.name,
            machine=self._machine,
        )
        return _text(f"## {question}\n{told}")

    @property
    def _machine(self) -> str:
        place = f"https://{Aws.REGION}.console.aws.amazon.com/states/home?region={Aws.REGION}"
        return f"{place}#/statemachines/view/{self._machine_arn}"

    @property
    def _reports(self) -> str:
        prefix = f"{self._names.monitored}windows/"
        return (
            f"https://{Aws.REGION}.console.aws.amazon.com/s3/buckets/{self._bucket}?prefix={prefix}&region={Aws.REGION}"
        )

    def _graph(self, title: str, alarms: Sequence[str], *, width: int = THIRD) -> cloudwatch.GraphWidget | None:
        """What these alarms look at, with their limits; of those that the package has."""
        watches = [watch for watch in self._alarms.watches if watch.name in alarms]
        if not watches:
            return None
        return self._plain(title, [self._metric(watch) for watch in watches], limits=self._limits(alarms), width=width)

    def _limits(self, alarms: Sequence[str]) -> list[cloudwatch.HorizontalAnnotation]:
        """One line for each different limit of those alarms."""
        watches = [watch for watch in self._alarms.watches if watch.name in alarms]
        values = {watch.limit.value(self._watched): watch.name for watch in reversed(watches)}
        return [_annotation(name, value) for value, name in values.items()]

    def _metric(self, watch: Watch) -> cloudwatch.IMetric:
        metric = metric_of(watch, self._watched)
        if isinstance(metric, cloudwatch.MathExpression):
            return metric
        (reading,) = watch.readings.values()
        period = Duration.minutes(watch.pace.span(self._watched).minutes)
        return reading_of(reading, self._names, period).with_(
            label=f"{watch.name}: {reading.metric} {reading.statistic}"
        )

    def _plain(
        self,
        title: str,
        metrics: Sequence[cloudwatch.IMetric],
        *,
        limits: Sequence[cloudwatch.HorizontalAnnotation] = (),
        width: int = THIRD,
    ) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=list(metrics),
            left_annotations=list(limits),
            left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
            width=width,
            height=HEIGHT,
        )

    def _ours(self, metric: Metric | WindowMetric, statistic: str, period: Duration) -> cloudwatch.Metric:
        return reading_of(Reading(Source.PACKAGE, metric, statistic), self._names, period)

    def _window(self, *metrics: WindowMetric) -> list[cloudwatch.IMetric]:
        return [self._ours(metric, "Maximum", HOUR) for metric in metrics]

    def _fields(self) -> cloudwatch.IMetric:
        """Whatever fields there are; which, only the package's schema knows."""
        dimensions = f"{NAMESPACE},{SERVICE_DIMENSION},{FIELD_DIMENSION}"
        wanted = f'MetricName="{FieldMetric.CHANGE}" {SERVICE_DIMENSION}="{self._names.package.name}"'
        search = f"SEARCH('{{{dimensions}}} {wanted}', 'Maximum', {HOUR.to_seconds():g})"
        return cloudwatch.MathExpression(expression=search, label="", using_metrics={}, period=HOUR)

    def _log(self, title: str, group: logs.ILogGroup, *lines: str, width: int = WIDTH) -> cloudwatch.LogQueryWidget:
        return cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=[group.log_group_name],
            query_lines=list(lines),
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            width=width,
            height=HEIGHT,
        )


def _text(markdown: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(
        markdown=markdown, width=WIDTH, height=TITLE_HEIGHT, background=cloudwatch.TextWidgetBackground.TRANSPARENT
    )


def _annotation(name: str, value: float) -> cloudwatch.HorizontalAnnotation:
    return cloudwatch.HorizontalAnnotation(value=value, label=f"{name} beyond this", color=cloudwatch.Color.RED)
