"""Every alarm of a model, in one table: what is read, beyond which limit, for how long, and why anybody should know.

docs/monitoring.md shows it; docs/decisions/alarms.md says what the choices rest on. model_alarms.py makes the alarms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cdk.time_limits import MONITOR_SECONDS, gateway_seconds
from cdk.watch import (
    Comparison,
    Existence,
    Limit,
    Missing,
    Pace,
    Reading,
    Severity,
    Source,
    Span,
    Watch,
    Watched,
    every,
    one,
)
from functions.gateway.metrics import Metric
from functions.monitor.metrics import EndpointMetric, FieldMetric, WindowMetric
from functions.retraining.metrics import RetrainingMetric

HOUR_MINUTES, DAY_MINUTES, WEEK_MINUTES = 60, 24 * 60, 7 * 24 * 60
HOURS_A_MONTH = 730
MICROSECONDS = 1000  # of a millisecond: SageMaker's latencies are in microseconds, package.toml's in milliseconds
BUSY_PERCENT, FULL_PERCENT, CAPTURE_STOPS_PERCENT = 90.0, 95.0, 75.0
FEWEST_REQUESTS = 20  # of which a share means anything
LONGEST_ROLLBACK_MINUTES = 3
HEARD_OF_PERIODS = 24


def _rollback_span(watched: Watched) -> Span:
    # Two bad minutes of three, so that one slow answer on a quiet endpoint is no reason; a bake that is shorter than
    # that still has to be able to see the alarm.
    minutes = max(1, min(LONGEST_ROLLBACK_MINUTES, watched.config.rollout.bake_minutes))
    return Span(minutes=1, needed=min(2, minutes), of=minutes)


def _window_span(watched: Watched) -> Span:
    # A window's value may be stamped as long ago as its last file took to come.
    monitor = watched.config.monitor
    hours = math.ceil((monitor.window_minutes + monitor.late_minutes) / HOUR_MINUTES) + 1
    return Span(HOUR_MINUTES, needed=1, of=hours)


def _run_minutes(watched: Watched) -> int:
    """Whole hours, in each of which the monitor runs."""
    return HOUR_MINUTES * math.ceil(watched.config.monitor.window_minutes / HOUR_MINUTES)


def _silent_span(watched: Watched) -> Span:
    minutes = _run_minutes(watched)
    return Span(minutes, needed=3, of=min(HEARD_OF_PERIODS, WEEK_MINUTES // minutes))


def _uncaptured_span(watched: Watched) -> Span:
    return Span(HOUR_MINUTES, needed=2, of=max(2, _window_span(watched).of))


def _quiet_span(watched: Watched) -> Span:
    minutes = _run_minutes(watched)
    periods = max(1, watched.config.monitor.quiet_hours * HOUR_MINUTES // minutes)
    return Span(minutes, needed=periods, of=periods)


def _rollout_span(watched: Watched) -> Span:
    return Span(minutes=1, needed=1, of=watched.config.rollout.longest_minutes)


ROLLBACK = Pace("2 of 3 min, or of the bake where that is shorter", _rollback_span)
WINDOW = Pace("1 of N h: a window, `monitor.late_minutes`, one more", _window_span)
SILENT = Pace("3 of 24 h (of windows, where they are longer)", _silent_span)
UNCAPTURED = Pace("2 of N h: a window, `monitor.late_minutes`, one more", _uncaptured_span)
QUIET = Pace("N of N h: `monitor.quiet_hours`", _quiet_span)
ROLLOUT = Pace("1 of N min: as long as a rollout may take", _rollout_span)

SLOW_US = Limit("`rollout.maximum_p99_latency_ms`", lambda it: it.config.rollout.maximum_p99_latency_ms * MICROSECONDS)
SLOW_MS = Limit("`rollout.maximum_p99_latency_ms`", lambda it: it.config.rollout.maximum_p99_latency_ms)
HALF_SLOW_US = Limit("half of `rollout.maximum_p99_latency_ms`", lambda it: SLOW_US.value(it) / 2)
FAILING = Limit("`rollout.maximum_error_percent`", lambda it: it.config.rollout.maximum_error_percent / 100)
WRONG = Limit("`monitor.maximum_violation_percent`", lambda it: it.config.monitor.maximum_violation_percent / 100)
REFUSED = Limit("`monitor.maximum_rejected_percent`", lambda it: it.config.monitor.maximum_rejected_percent / 100)
COVERED = Limit("`monitor.minimum_coverage_percent`", lambda it: it.config.monitor.minimum_coverage_percent / 100)
EVIDENCE = Limit(
    "log10 of `monitor.windows_per_false_alarm`", lambda it: math.log10(it.config.monitor.windows_per_false_alarm)
)
CPU = Limit(f"{BUSY_PERCENT:g} % of each core", lambda it: BUSY_PERCENT * (it.host.vcpus or 1))
MEMORY = Limit(f"{BUSY_PERCENT:g} %", lambda _: BUSY_PERCENT)
DISK = Limit(f"{CAPTURE_STOPS_PERCENT:g} %", lambda _: CAPTURE_STOPS_PERCENT)
GPU = Limit(f"{FULL_PERCENT:g} % of each GPU", lambda it: FULL_PERCENT * it.host.gpus)
CONCURRENCY = Limit(
    "twice `endpoint.concurrency_per_instance`", lambda it: 2.0 * it.config.endpoint.concurrency_per_instance
)
INSTANCES = Limit("`endpoint.maximum_instances`", lambda it: float(it.config.endpoint.maximum_instances))
GATEWAY_TIME = Limit("nine tenths of the function's timeout", lambda it: 900.0 * gateway_seconds(it.config.endpoint))
MONITOR_TIME = Limit("nine tenths of the function's timeout", lambda _: 900.0 * MONITOR_SECONDS)
QUALITY = Limit("`monitor.quality.minimum`", lambda it: it.config.monitor.quality.minimum or 0.0)
BUDGET = Limit("`budget.monthly_usd` by the hour", lambda it: (it.config.budget.monthly_usd or 0.0) / HOURS_A_MONTH)
HARDLY_ANY = Limit("1 %", lambda _: 0.01)
NONE = Limit("0", lambda _: 0.0)
ONE = Limit("1", lambda _: 1.0)

WITH_GPU = Existence("with a GPU", lambda it: it.host.gpus > 0)
WITH_KNOWN_CORES = Existence("where the number of cores is known", lambda it: it.host.vcpus is not None)
SCALING = Existence("where the endpoint scales", lambda it: it.scales)
CAPTURING = Existence("where something is captured", lambda it: it.config.capture.percent > 0)
CAPTURING_ITSELF = Existence(
    'with `capture.by = "gateway"`', lambda it: it.config.capture.percent > 0 and it.config.capture.by == "gateway"
)
WITH_TRAFFIC = Existence("where the environment `expects_traffic`", lambda it: it.expects_traffic)
WITH_LABELS = Existence(
    "where something is captured and the environment `expects_traffic`",
    lambda it: it.expects_traffic and it.config.capture.percent > 0,
)
LOOKING = Existence("where `retraining.triggers` has any", lambda it: bool(it.config.retraining.triggers))
WITH_MINIMUM = Existence("with `monitor.quality.minimum`", lambda it: it.config.monitor.quality.minimum is not None)
WITH_BUDGET = Existence(
    "with `budget.monthly_usd` and a known price",
    lambda it: it.config.budget.monthly_usd is not None and it.instance_hour_usd is not None,
)


def _counted(*metrics: Metric) -> Mapping[str, Reading]:
    """The gateway's counts by the names that the expressions below have for them."""
    names = {
        Metric.REQUESTS: "requests",
        Metric.REJECTED_REQUESTS: "rejected",
        Metric.MODEL_ERRORS: "failed",
        Metric.INTERNAL_ERRORS: "broken",
    }
    return {names[metric]: Reading(Source.PACKAGE, metric, "Sum") for metric in metrics}


def _window(metric: WindowMetric, statistic: str = "Maximum") -> Mapping[str, Reading]:
    return one(Source.PACKAGE, metric, statistic)


RUNS = Reading(Source.PACKAGE, WindowMetric.ROWS, "SampleCount")  # each run says it, 0 where it closes no window

ROLLBACK_ALARMS = (
    Watch(
        name="Latency",
        severity=Severity.TICKET,
        readings=one(Source.VARIANT, "ModelLatency", "p99"),
        limit=SLOW_US,
        pace=ROLLBACK,
        why="the slowest hundredth of the answers takes longer than package.toml allows",
    ),
    Watch(
        name="ServerErrors",
        severity=Severity.PAGE,
        readings=one(
            Source.VARIANT, "Invocation5XXErrors", "Average"
        ),  # of one 0 or 1 a request: the share that failed
        limit=FAILING,
        pace=ROLLBACK,
        why="the container answers 5xx more often than package.toml allows",
    ),
    Watch(
        name="ModelErrors",
        severity=Severity.PAGE,
        readings=one(Source.VARIANT, "InvocationModelErrors", "Average"),
        limit=FAILING,
        pace=ROLLBACK,
        why="requests end without any good answer, by timeouts and broken connections too, which no 5xx counts",
    ),
)
"""SageMaker watches these while it bakes a new version, and takes it back when one fires."""

SERVING_ALARMS = (
    Watch(
        name="FailedRequests",
        severity=Severity.PAGE,
        readings=_counted(Metric.REQUESTS, Metric.MODEL_ERRORS, Metric.INTERNAL_ERRORS),
        expression=f"IF(requests >= {FEWEST_REQUESTS}, (FILL(failed, 0) + FILL(broken, 0)) / requests)",
        limit=FAILING,
        pace=every(5, needed=2, of=3),
        why="callers get no answer for reasons that are not theirs: the model, its contract, or the gateway",
    ),
    Watch(
        name="MostlySlow",
        severity=Severity.PAGE,
        readings=one(Source.VARIANT, "ModelLatency", "p95"),
        limit=SLOW_US,
        pace=every(1, needed=4, of=5),
        why="one answer of twenty takes longer than the slowest hundredth may",
    ),
    Watch(
        name="SlowMedian",
        severity=Severity.TICKET,
        readings=one(Source.VARIANT, "ModelLatency", "p50"),
        limit=HALF_SLOW_US,
        pace=every(1, needed=10, of=15),
        why="the usual answer takes half of what the slowest may: the tail is about to break",
    ),
    Watch(
        name="SageMakerOverhead",
        severity=Severity.TICKET,
        readings=one(Source.VARIANT, "OverheadLatency", "Average"),  # it has no percentiles
        limit=SLOW_US,
        pace=every(1, needed=5, of=5),
        why="SageMaker takes longer over a request than the model may",
    ),
    Watch(
        name="GatewayOverhead",
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, Metric.GATEWAY_OVERHEAD, "p99"),
        limit=SLOW_MS,
        pace=every(5, needed=3, of=3),
        why="the gateway takes longer over a request than the model may",
    ),
    Watch(
        name="ContainerRefusals",
        severity=Severity.TICKET,
        readings=one(Source.VARIANT, "Invocation4XXErrors", "Average"),
        limit=FAILING,
        pace=every(5, needed=2, of=3),
        why="the container refuses what the gateway let through, or what somebody sends past the gateway",
    ),
    Watch(
        name="ContractBroken",
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, Metric.MODEL_ERRORS, "Sum", reason="contract-violation"),
        limit=NONE,
        pace=every(5, needed=1, of=1),
        why="an answer of the model does not match its own schema",
    ),
    Watch(
        name="GatewayFaults",
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, Metric.INTERNAL_ERRORS, "Sum"),
        limit=NONE,
        pace=every(5, needed=1, of=1),
        why="the gateway itself failed on a request; its log has the traceback",
    ),
    Watch(
        name="RejectedRequests",
        severity=Severity.TICKET,
        readings=_counted(Metric.REQUESTS, Metric.REJECTED_REQUESTS),
        expression=f"IF(requests >= {FEWEST_REQUESTS}, FILL(rejected, 0) / requests)",
        limit=REFUSED,
        pace=every(15, needed=2, of=2),
        why="many requests do not match the schema: a caller has changed, or the schema has",
    ),
)

CAPACITY_ALARMS = (
    Watch(
        name="NoCapacity",
        severity=Severity.PAGE,
        readings=one(Source.VARIANT, "NoCapacityInvocationFailures", "Sum"),
        limit=NONE,
        pace=every(1, needed=2, of=3),
        why="requests fail because no instance can take them",
    ),
    Watch(
        name="GatewayThrottles",
        severity=Severity.PAGE,
        readings=one(Source.GATEWAY, "Throttles", "Sum"),
        limit=NONE,
        pace=every(1, needed=3, of=5),
        why="Lambda refuses to start the gateway: the account's concurrency is used up",
    ),
    Watch(
        name="GatewayFailures",
        severity=Severity.PAGE,
        readings=one(Source.GATEWAY, "Errors", "Sum"),
        limit=NONE,
        pace=every(1, needed=2, of=5),
        why="the gateway's function does not start, or is stopped by its timeout or memory: it never fails by itself",
    ),
    Watch(
        name="GatewayNearTimeout",
        severity=Severity.TICKET,
        readings=one(Source.GATEWAY, "Duration", "Maximum"),
        limit=GATEWAY_TIME,
        pace=every(5, needed=2, of=3),
        why="requests take nearly as long as the gateway's function may; beyond that a caller gets no problem document",
    ),
    Watch(
        name="ModelThrottles",
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, Metric.MODEL_ERRORS, "Sum", reason="model-throttled"),
        limit=NONE,
        pace=every(1, needed=3, of=5),
        why="the model server's queue is full, and callers are told to come back later",
    ),
    Watch(
        name="Concurrency",
        severity=Severity.TICKET,
        readings=one(Source.VARIANT, "ConcurrentRequestsPerModel", "Maximum"),
        limit=CONCURRENCY,
        pace=every(1, needed=10, of=15),
        why="an instance has twice the requests that scaling aims at, and scaling has not helped",
    ),
    Watch(
        name="AtMostInstances",
        severity=Severity.TICKET,
        readings={"reports": Reading(Source.HOST, "CPUUtilization", "SampleCount")},  # one a minute of each instance
        expression="reports * 60 / PERIOD(reports)",
        comparison=Comparison.AT_LEAST,
        limit=INSTANCES,
        pace=every(5, needed=6, of=6),
        exists=SCALING,
        why="scaling has no more instances to add",
    ),
    Watch(
        name="Cpu",
        severity=Severity.TICKET,
        readings=one(Source.HOST, "CPUUtilization", "Average"),  # 0 to 100 for each core
        limit=CPU,
        pace=every(5, needed=6, of=6),
        exists=WITH_KNOWN_CORES,
        why="the instances have no processor time left",
    ),
    Watch(
        name="Memory",
        severity=Severity.TICKET,
        readings=one(Source.HOST, "MemoryUtilization", "Maximum"),
        limit=MEMORY,
        pace=every(5, needed=3, of=3),
        why="an instance's memory is nearly full; beyond it the container is killed",
    ),
    Watch(
        name="Disk",
        severity=Severity.TICKET,
        readings=one(Source.HOST, "DiskUtilization", "Maximum"),
        limit=DISK,
        pace=every(5, needed=3, of=3),
        why="an instance's disk is so full that SageMaker stops to capture, and says nothing",
    ),
    Watch(
        name="Gpu",
        severity=Severity.TICKET,
        readings=one(Source.HOST, "GPUUtilization", "Average"),  # 0 to 100 for each GPU
        limit=GPU,
        pace=every(5, needed=6, of=6),
        exists=WITH_GPU,
        why="the GPUs are never idle: more requests only wait longer",
    ),
    Watch(
        name="GpuMemory",
        severity=Severity.TICKET,
        readings=one(Source.HOST, "GPUMemoryUtilization", "Maximum"),
        limit=GPU,
        pace=every(5, needed=3, of=3),
        exists=WITH_GPU,
        why="a GPU's memory is nearly full; the next larger batch fails",
    ),
)

WATCHING_ALARMS = (
    Watch(
        name="NoTraffic",
        severity=Severity.TICKET,
        readings={"runs": RUNS, **_counted(Metric.REQUESTS)},
        expression="IF(runs > 0, FILL(requests, 0))",
        comparison=Comparison.BELOW,
        limit=ONE,
        pace=QUIET,
        exists=WITH_TRAFFIC,
        why="nobody has asked the model anything, though its monitor runs",
    ),
    Watch(
        name="CaptureStopped",
        severity=Severity.TICKET,
        readings=_window(WindowMetric.COVERAGE),
        comparison=Comparison.BELOW,
        limit=HARDLY_ANY,
        pace=UNCAPTURED,
        missing=Missing.IGNORED,
        exists=CAPTURING,
        why="requests are answered and none is captured: whatever the model does now, nobody sees",
    ),
    Watch(
        name="CaptureGaps",
        severity=Severity.TICKET,
        readings=_window(WindowMetric.COVERAGE, "Minimum"),
        comparison=Comparison.BELOW,
        limit=COVERED,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=CAPTURING,
        why="fewer requests are captured than should be: what is compared may not be what is asked",
    ),
    Watch(
        name="CaptureFailures",
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, Metric.CAPTURE_FAILURES, "Sum"),
        limit=NONE,
        pace=every(15, needed=2, of=2),
        exists=CAPTURING_ITSELF,
        why="the gateway could not store what it captured",
    ),
    Watch(
        name="MonitorStopped",
        severity=Severity.TICKET,
        readings={"runs": RUNS, **_counted(Metric.REQUESTS)},
        expression="IF(requests > 0, FILL(runs, 0))",
        comparison=Comparison.BELOW,
        limit=ONE,
        pace=SILENT,
        why="requests come and the monitor does not run: no other alarm about data can be trusted",
    ),
    Watch(
        name="MonitorFailures",
        severity=Severity.TICKET,
        readings=one(Source.MONITOR, "Errors", "Sum"),
        limit=NONE,
        pace=Pace("2 of 3 h (of windows, where they are longer)", lambda it: Span(_run_minutes(it), needed=2, of=3)),
        why="the monitor fails; it takes up where it was as soon as it is mended, if captures are kept long enough",
    ),
    Watch(
        name="MonitorNearTimeout",
        severity=Severity.TICKET,
        readings=one(Source.MONITOR, "Duration", "Maximum"),
        limit=MONITOR_TIME,
        pace=Pace("1 of 24 h", lambda it: Span(_run_minutes(it), 1, max(1, DAY_MINUTES // _run_minutes(it)))),
        why="windows nearly outgrow the function: a smaller `monitor.processing_rows` hands them to Spark",
    ),
    Watch(
        name="UnreadableRecords",
        severity=Severity.TICKET,
        readings=_window(WindowMetric.UNREADABLE),
        limit=NONE,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=CAPTURING,
        why="captured records cannot be read; they are kept aside, and not compared",
    ),
)


def _quality_of_data(name: str, metric: WindowMetric, *, limit: Limit, why: str) -> Watch:
    return Watch(
        name=name,
        severity=Severity.TICKET,
        readings=_window(metric),
        limit=limit,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=CAPTURING,
        why=why,
    )


DATA_ALARMS = (
    _quality_of_data("MissingValues", WindowMetric.MISSING, limit=WRONG, why="a field has fewer values than it should"),
    _quality_of_data("WrongTypes", WindowMetric.WRONG_TYPE, limit=WRONG, why="a field's values are of another type"),
    _quality_of_data(
        "OutOfRange", WindowMetric.OUT_OF_RANGE, limit=WRONG, why="a field's numbers are beyond what training saw"
    ),
    _quality_of_data(
        "UnknownCategories",
        WindowMetric.UNKNOWN_CATEGORY,
        limit=WRONG,
        why="a field has values that training never saw",
    ),
    _quality_of_data(
        "Duplicates", WindowMetric.DUPLICATES, limit=WRONG, why="records are captured twice; each is counted once"
    ),
)


def _told(name: str, metric: WindowMetric, *, exists: Existence, why: str) -> Watch:
    return Watch(
        name=name,
        severity=Severity.NOTICE,
        readings=_window(metric),
        comparison=Comparison.AT_LEAST,
        limit=EVIDENCE,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=exists,
        why=why,
    )


MODEL_ALARMS = (
    _told(
        "Drift",
        WindowMetric.DRIFT_EVIDENCE,
        exists=CAPTURING,
        why="what goes in has changed, more than is tolerated and surely; the report says which field and how far",
    ),
    Watch(
        name="PredictionDrift",
        severity=Severity.NOTICE,
        readings={
            "predictions": Reading(Source.PACKAGE, WindowMetric.PREDICTION_DRIFT_EVIDENCE, "Maximum"),
            "inputs": Reading(Source.PACKAGE, WindowMetric.DRIFT_EVIDENCE, "Maximum"),
        },
        # Predictions follow their inputs: one change is one alarm, and the report shows both.
        expression="IF(FILL(inputs, 0) >= {surely}, 0, predictions)",
        comparison=Comparison.AT_LEAST,
        limit=EVIDENCE,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=CAPTURING,
        why="what comes out has changed, more than is tolerated and surely, and the inputs do not explain it",
    ),
    _told(
        "QualityDrop",
        WindowMetric.QUALITY_EVIDENCE,
        exists=CAPTURING,
        why="by its labels the model errs more than on its holdout, more than is tolerated and surely",
    ),
    Watch(
        name="LowQuality",
        severity=Severity.NOTICE,
        readings=_window(WindowMetric.QUALITY_HIGH, "Minimum"),
        comparison=Comparison.BELOW,
        limit=QUALITY,
        pace=WINDOW,
        missing=Missing.IGNORED,
        exists=WITH_MINIMUM,
        why="even the upper end of the live quality's confidence interval is below the least that is wanted",
    ),
    Watch(
        name="NoLabels",
        severity=Severity.NOTICE,
        readings={
            "labelled": Reading(Source.PACKAGE, WindowMetric.LABELLED_ROWS, "Maximum"),
            **_counted(Metric.REQUESTS),
        },
        expression="IF(requests > 0, FILL(labelled, 0))",
        comparison=Comparison.BELOW,
        limit=ONE,
        pace=every(DAY_MINUTES, needed=7, of=7),
        exists=WITH_LABELS,
        why="requests come and no label does: nobody knows whether the model is right",
    ),
    Watch(
        name="Cost",
        severity=Severity.NOTICE,
        readings={"reports": Reading(Source.HOST, "CPUUtilization", "SampleCount")},
        expression="reports * 60 / PERIOD(reports) * {instance_hour_usd}",
        limit=BUDGET,
        pace=every(HOUR_MINUTES, needed=24, of=24),
        exists=WITH_BUDGET,
        why="for a day the instances have cost more than the budget allows by the hour",
    ),
)


def _ended(name: str, metric: RetrainingMetric, why: str) -> Watch:
    return Watch(
        name=name,
        severity=Severity.TICKET,
        readings=one(Source.PACKAGE, metric, "Maximum"),
        limit=NONE,
        pace=every(HOUR_MINUTES, needed=1, of=1),
        why=why,
    )


RETRAINING_ALARMS = (
    _ended(
        "RetrainingRolledBack",
        RetrainingMetric.ROLLED_BACK,
        "a version that passed the gate was taken back in its rollout; the champion serves on",
    ),
    _ended(
        "RetrainingFailed",
        RetrainingMetric.FAILED,
        "a run of the retraining loop broke off; the champion serves on as it is",
    ),
    _ended(
        "RetrainingTimedOut",
        RetrainingMetric.TIMED_OUT,
        "a job, a rollout or an approval took longer than the retraining loop waits for it",
    ),
    Watch(
        name="RetrainingErrors",
        severity=Severity.TICKET,
        readings=one(Source.RETRAINING, "Errors", "Sum"),
        limit=NONE,
        pace=every(HOUR_MINUTES, needed=3, of=3),
        why="the retraining loop's own function fails hour after hour: it may not even get to say how its runs end",
    ),
    Watch(
        name="RetrainingStopped",
        severity=Severity.TICKET,
        readings={"looks": Reading(Source.RETRAINING, "Invocations", "Sum"), **_counted(Metric.REQUESTS)},
        expression="IF(requests > 0, FILL(looks, 0))",
        comparison=Comparison.BELOW,
        limit=ONE,
        pace=every(HOUR_MINUTES, needed=3, of=24),
        exists=LOOKING,
        why="requests come and the retraining loop does not look each hour: no trigger starts anything",
    ),
)

DEPLOYMENT_ALARMS = (
    Watch(
        name="Updating",
        severity=Severity.STATE,
        # Of a minute with a beginning and an end, the end counts.
        readings=one(Source.PACKAGE, EndpointMetric.UPDATING, "Minimum"),
        comparison=Comparison.AT_LEAST,
        limit=ONE,
        pace=every(1, needed=1, of=1),
        missing=Missing.IGNORED,
        why="the endpoint has begun to change, and nobody has said that it has ended",
    ),
    Watch(
        name="UpdatedRecently",
        severity=Severity.STATE,
        readings=one(Source.PACKAGE, EndpointMetric.UPDATING, "Maximum"),
        comparison=Comparison.AT_LEAST,
        limit=ONE,
        pace=ROLLOUT,
        why="the endpoint began to change no longer ago than a rollout may take: a lost event must not silence a pager",
    ),
)
"""Together they are `Deploying`, while which pages and tickets are held back."""

ALARMS: tuple[Watch, ...] = (
    *ROLLBACK_ALARMS,
    *SERVING_ALARMS,
    *CAPACITY_ALARMS,
    *WATCHING_ALARMS,
    *DATA_ALARMS,
    *MODEL_ALARMS,
    *RETRAINING_ALARMS,
    *DEPLOYMENT_ALARMS,
)

THROTTLED_METRIC = "ThrottledRequests"
THROTTLED_SPAN = Span(minutes=5, needed=3, of=3)
THROTTLED_WHY = "the API refuses requests with 429, because `throttling` or a usage plan's quota is used up"
"""The one alarm of the API as a whole; throttling_alarm.py makes it."""

SHOWN_ONLY: Mapping[str, str] = {
    Metric.MODEL_LATENCY: "SageMaker's own ModelLatency is what the alarms read",
    Metric.LABELS: "LabelledRows counts those that are of use",
    Metric.REJECTED_FEEDBACK: "whoever sends labels is told; NoLabels fires if none is left",
    WindowMetric.LATE: "late files are lost to one window and make no alarm by themselves; gaps do",
    WindowMetric.VIOLATIONS: "it counts drift beside wrong values, each of which has an alarm with a limit of its own",
    WindowMetric.DRIFT_SCORE: "how far; whether it is sure, the evidence says",
    WindowMetric.PREDICTION_DRIFT_SCORE: "how far; whether it is sure, the evidence says",
    FieldMetric.CHANGE: "how far; whether it is sure, the evidence of all fields together says",
    WindowMetric.QUALITY: "an estimate without its interval is no reason to wake anybody",
    WindowMetric.QUALITY_LOW: "the lower end says what cannot be excluded, which with few labels is anything",
    WindowMetric.UNMATCHED_LABELS: "labels of requests that were not captured; CaptureGaps fires where that is many",
    RetrainingMetric.PROMOTED: "it is told, and nothing has to be done",
    RetrainingMetric.REJECTED: "it is told with its reasons; the gate did what it is for",
    RetrainingMetric.SKIPPED: "`flyball history` has each trigger that was not acted on, with the reason",
    RetrainingMetric.SECONDS: "a run that takes too long is timed out",
}
"""Metrics of ours that no alarm reads, and why none does."""
