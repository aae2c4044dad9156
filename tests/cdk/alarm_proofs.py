"""For each alarm by its name, metrics with which it has to fire and metrics with which it has to clear, and how they
are replayed against an alarm of a template in the local CloudWatch.

The series are what the publishers would send, by the publishers' own dimensions: an alarm that looks elsewhere stays
quiet, and is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from tests.cdk.synth import Assembly, Json
from tests.cdk.template_snapshots import spelled
from tests.local.services.cloudwatch.given import ACCOUNT, REGION, Given

ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
PLACE = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm"
EXTRA_PERIODS = 3
"""An alarm may look a little further back than it counts."""

Values = Callable[[float], Sequence[float]]
"""What is published in one period, from the alarm's threshold."""
Series = Mapping[str, Values]
"""By the metric's name; of a metric that is not in it, nothing is published."""


@dataclass(frozen=True)
class Proof:
    """`bad` in each of so many periods makes the alarm fire, `good` lets it clear."""

    bad: Series
    good: Series


def share(part: float) -> list[float]:
    """One 0 or 1 a request, of a thousand."""
    ones = min(1000, round(part * 1000))
    return [1.0] * ones + [0.0] * (1000 - ones)


def tail(slow: int) -> Values:
    """A thousand latencies of which so many are beyond the limit."""
    return lambda limit: [limit / 10] * (1000 - slow) + [limit * 2] * slow


def times(count: int) -> Values:
    return lambda _: [1.0] * count


def value(factor: float) -> Values:
    return lambda limit: [limit * factor]


def is_always(*values: float) -> Values:
    return lambda _: values


def reports(instances: Callable[[float], float], *, minutes: int) -> Values:
    """One a minute of each instance."""
    return lambda limit: [50.0] * (round(instances(limit)) * minutes)


def happens(metric: str) -> Proof:
    """A count of what should never happen, and that is published only then."""
    return Proof(bad={metric: times(1)}, good={})


def exceeds(metric: str) -> Proof:
    return Proof(bad={metric: value(1.05)}, good={metric: value(0.5)})


def refused(metric: str) -> Proof:
    """Of a thousand requests, more than allowed; then fewer."""
    return Proof(
        bad={"Requests": times(1000), metric: lambda limit: [1.0] * round(1500 * limit)},
        good={"Requests": times(1000), metric: lambda limit: [1.0] * round(500 * limit)},
    )


def reaches(metric: str) -> Proof:
    return Proof(bad={metric: value(1.0)}, good={metric: is_always(0.2)})


def wrong(metric: str) -> Proof:
    return Proof(bad={metric: value(2.0)}, good={metric: is_always(0.0)})


def failing(metric: str) -> Proof:
    return Proof(bad={metric: lambda limit: share(1.5 * limit)}, good={metric: lambda limit: share(0.5 * limit)})


PROOFS: Mapping[str, Proof] = {
    "Latency": Proof(bad={"ModelLatency": tail(20)}, good={"ModelLatency": tail(5)}),
    "ServerErrors": failing("Invocation5XXErrors"),
    "ModelErrors": failing("InvocationModelErrors"),
    "FailedRequests": refused("ModelErrors"),
    "MostlySlow": Proof(bad={"ModelLatency": tail(80)}, good={"ModelLatency": tail(20)}),
    "SlowMedian": Proof(bad={"ModelLatency": tail(600)}, good={"ModelLatency": tail(400)}),
    "SageMakerOverhead": exceeds("OverheadLatency"),
    "GatewayOverhead": Proof(bad={"GatewayOverhead": tail(20)}, good={"GatewayOverhead": tail(5)}),
    "ContainerRefusals": failing("Invocation4XXErrors"),
    "ContractBroken": happens("ModelErrors contract-violation"),
    "GatewayFaults": happens("InternalErrors"),
    "RejectedRequests": refused("RejectedRequests"),
    "NoCapacity": happens("NoCapacityInvocationFailures"),
    "GatewayThrottles": happens("gateway Throttles"),
    "GatewayFailures": Proof(bad={"gateway Errors": is_always(0, 1)}, good={"gateway Errors": is_always(0, 0)}),
    "GatewayNearTimeout": exceeds("gateway Duration"),
    "ModelThrottles": happens("ModelErrors model-throttled"),
    "Concurrency": exceeds("ConcurrentRequestsPerModel"),
    "AtMostInstances": Proof(
        bad={"CPUUtilization": reports(lambda limit: limit, minutes=5)},
        good={"CPUUtilization": reports(lambda limit: limit - 1, minutes=5)},
    ),
    "Cpu": exceeds("CPUUtilization"),
    "Memory": exceeds("MemoryUtilization"),
    "Disk": exceeds("DiskUtilization"),
    "Gpu": exceeds("GPUUtilization"),
    "GpuMemory": exceeds("GPUMemoryUtilization"),
    "NoTraffic": Proof(bad={"WindowRows": is_always(0)}, good={"WindowRows": is_always(200), "Requests": times(3)}),
    "CaptureStopped": Proof(bad={"CaptureCoverage": is_always(0)}, good={"CaptureCoverage": is_always(1)}),
    "CaptureGaps": Proof(bad={"CaptureCoverage": value(0.9)}, good={"CaptureCoverage": is_always(1)}),
    "CaptureFailures": happens("CaptureFailures"),
    "MonitorStopped": Proof(bad={"Requests": times(3)}, good={"Requests": times(3), "WindowRows": is_always(0)}),
    "MonitorFailures": Proof(bad={"monitor Errors": is_always(1)}, good={"monitor Errors": is_always(0)}),
    "MonitorNearTimeout": Proof(bad={"monitor Duration": value(1.05)}, good={"monitor Duration": value(0.1)}),
    "UnreadableRecords": Proof(bad={"UnreadableRecords": times(1)}, good={"UnreadableRecords": is_always(0)}),
    "MissingValues": wrong("MissingShare"),
    "WrongTypes": wrong("WrongTypeShare"),
    "OutOfRange": wrong("OutOfRangeShare"),
    "UnknownCategories": wrong("UnknownCategoryShare"),
    "Duplicates": wrong("DuplicateShare"),
    "Drift": reaches("DriftEvidence"),
    "PredictionDrift": Proof(
        bad={"PredictionDriftEvidence": value(1.0), "DriftEvidence": is_always(0.2)},
        good={"PredictionDriftEvidence": value(1.0), "DriftEvidence": value(1.0)},
    ),
    "QualityDrop": reaches("QualityDropEvidence"),
    "LowQuality": Proof(bad={"LiveQualityHigh": value(0.95)}, good={"LiveQualityHigh": value(1.05)}),
    "NoLabels": Proof(
        bad={"Requests": times(3), "LabelledRows": is_always(0)},
        good={"Requests": times(3), "LabelledRows": is_always(12)},
    ),
    "Cost": Proof(
        bad={"CPUUtilization": reports(lambda _: 200, minutes=60)},
        good={"CPUUtilization": reports(lambda _: 1, minutes=60)},
    ),
    "RetrainingRolledBack": happens("RetrainingRolledBack"),
    "RetrainingFailed": happens("RetrainingFailed"),
    "RetrainingTimedOut": happens("RetrainingTimedOut"),
    "RetrainingErrors": Proof(bad={"retraining Errors": is_always(1)}, good={"retraining Errors": is_always(0)}),
    "RetrainingStopped": Proof(
        bad={"Requests": times(3)}, good={"Requests": times(3), "retraining Invocations": is_always(1)}
    ),
    "Updating": Proof(bad={"EndpointUpdating": is_always(1)}, good={"EndpointUpdating": is_always(0)}),
    "UpdatedRecently": Proof(bad={"EndpointUpdating": is_always(1)}, good={"EndpointUpdating": is_always(0)}),
    "Throttled": happens("ThrottledRequests"),
}

SAGEMAKER = ("ModelLatency", "OverheadLatency", "Invocation", "NoCapacity", "ConcurrentRequests")
HOSTS = ("CPUUtilization", "MemoryUtilization", "DiskUtilization", "GPUUtilization", "GPUMemoryUtilization")


@dataclass(frozen=True)
class Deployed:
    """One stack's alarms as CloudFormation would put them, and who publishes there."""

    stack: str
    template: Json
    package: str

    @property
    def alarms(self) -> Iterator[Json]:
        """The arguments of PutMetricAlarm."""
        return self._settings(ALARM)

    @property
    def composites(self) -> Iterator[Json]:
        """The arguments of PutCompositeAlarm, in an order in which each one's suppressor is there already."""
        return iter(sorted(self._settings(COMPOSITE), key=lambda each: "ActionsSuppressor" in each))

    def name_of(self, alarm: Json) -> str:
        """The name that the table has for it."""
        return str(alarm["AlarmName"]).rpartition("-")[2]

    def metric(self, name: str) -> Metric:
        """The metric that a publisher of this stack calls `name`, with the publisher's own dimensions."""
        first, _, second = name.partition(" ")
        if first in ("gateway", "monitor", "retraining"):
            return Metric.of("AWS/Lambda", second, {"FunctionName": self._function(first)})
        if name.startswith((*SAGEMAKER, *HOSTS)):
            endpoint, variant = self._endpoint()
            namespace = "/aws/sagemaker/Endpoints" if name in HOSTS else "AWS/SageMaker"
            return Metric.of(namespace, name, {"EndpointName": endpoint, "VariantName": variant})
        if name == "ThrottledRequests":
            return Metric.of(*self._filtered())
        return Metric.of("Flyball", first, {"service": self.package, **({"reason": second} if second else {})})

    def _settings(self, resource_type: str) -> Iterator[Json]:
        for resource in self.template["Resources"].values():
            if resource["Type"] == resource_type:
                yield {key: self._resolved(setting) for key, setting in resource["Properties"].items()}

    def _resolved(self, setting: Any) -> Any:
        setting = spelled(setting)
        if isinstance(setting, list):
            return [self._resolved(each) for each in setting]
        if isinstance(setting, dict):
            return {key: self._resolved(each) for key, each in setting.items()}
        return re.sub(r"\$\{([^}]+)\}", self._reference, setting) if isinstance(setting, str) else setting

    def _reference(self, found: re.Match[str]) -> str:
        logical_id, _, attribute = found[1].partition(".")
        resource = self.template["Resources"].get(logical_id)
        if resource is None:  # another stack's topic
            return f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
        name = resource["Properties"].get("AlarmName", logical_id)
        return f"{PLACE}:{name}" if attribute == "Arn" else f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"

    def _only(self, resource_type: str) -> Json:
        (found,) = (each for each in self.template["Resources"].values() if each["Type"] == resource_type)
        properties: Json = found["Properties"]
        return properties

    def _endpoint(self) -> tuple[str, str]:
        (variant,) = self._only("AWS::SageMaker::EndpointConfig")["ProductionVariants"]
        return self._only("AWS::SageMaker::Endpoint")["EndpointName"], variant["VariantName"]

    def _function(self, name: str) -> str:
        functions = [
            str(each["Properties"].get("FunctionName"))
            for each in self.template["Resources"].values()
            if each["Type"] == "AWS::Lambda::Function"
        ]
        (found,) = (each for each in functions if each.endswith(f"-{name}"))
        return found

    def _filtered(self) -> tuple[str, str]:
        (filtered,) = self._only("AWS::Logs::MetricFilter")["MetricTransformations"]
        return filtered["MetricNamespace"], filtered["MetricName"]


def deployed(assembly: Assembly) -> list[Deployed]:
    """Every stack of an assembly."""
    return [
        Deployed(stack, template, template.get("Outputs", {}).get("Package", {}).get("Value", ""))
        for stack in assembly.stacks
        for template in [assembly.template(stack)]
    ]


@dataclass(frozen=True)
class Replayed:
    """What became of one alarm: its states after good, bad and good data, and after how many bad periods it fired."""

    before: str
    fired_after: int | None
    needed: int
    after: str

    @property
    def proves(self) -> bool:
        """It fires when as many periods are bad as it asks for, neither before nor later, and clears."""
        return self.before == self.after == "OK" and self.fired_after == self.needed


def replay(alarm: Json, proof: Proof, stack: Deployed, *, given: Given) -> Replayed:
    """Replays good, bad and good series against one alarm, each for as long as it can look back."""
    period, count = _period(alarm), alarm["EvaluationPeriods"] + EXTRA_PERIODS
    given.client.put_metric_alarm(**alarm)
    player = _Player(given, stack, alarm, period)
    player.play(proof.good, count)
    before = player.state
    fired_after = player.play_until_it_fires(proof.bad, count)
    player.play(proof.good, count)
    after = player.state
    given.client.delete_alarms(AlarmNames=[alarm["AlarmName"]])
    return Replayed(before, fired_after, alarm["DatapointsToAlarm"], after)


@dataclass(frozen=True)
class _Player:
    given: Given
    stack: Deployed
    alarm: Json
    period: int

    @property
    def state(self) -> str:
        return self.given.state(self.alarm["AlarmName"])

    def play(self, series: Series, periods: int) -> None:
        for _ in range(periods):
            self._play_one(series)

    def play_until_it_fires(self, series: Series, periods: int) -> int | None:
        """After how many periods it has fired; None where it has not."""
        for played in range(1, periods + 1):
            self._play_one(series)
            if self.state == "ALARM":
                return played
        return None

    def _play_one(self, series: Series) -> None:
        for name, values in series.items():
            samples = [float(each) for each in values(self.alarm["Threshold"])]
            if samples:
                self.given.cloudwatch.put(self.stack.metric(name), Samples.of(samples))
        self.given.pass_time(self.period)


def _period(alarm: Json) -> int:
    if "Period" in alarm:
        return int(alarm["Period"])
    return max(int(query["MetricStat"]["Period"]) for query in alarm["Metrics"] if "MetricStat" in query)
