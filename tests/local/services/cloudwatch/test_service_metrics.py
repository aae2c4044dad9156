"""What the services publish about themselves, by the documented names, units and dimensions."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.api_errors import ApiResponse
from local.services.apigateway.gateway import Answered
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.service_metrics import ServiceMetrics, UsageMeter, VariantProcess, processes_of
from local.services.lambda_observing import FunctionRun
from local.services.sagemaker.instance import InFlight
from local.services.sagemaker.runtime import Invocation, InvocationRecord, Target


@dataclass
class Taken:
    """What was put, by name; and the dimensions of it."""

    values: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    metrics: set[Metric] = field(default_factory=set)

    def put(self, metric: Metric, samples: Samples, *, unit: str = "None") -> None:
        self.metrics.add(metric)
        self.values.setdefault(metric.name, []).append((samples.sum, unit))

    def sums(self) -> dict[str, float]:
        return {name: found[0][0] for name, found in self.values.items()}


@dataclass
class Server:
    in_flight: InFlight = field(default_factory=InFlight)
    url: str | None = "http://127.0.0.1:1"
    pid: int | None = None

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def invocation(*, model_status: int | None, status: int) -> InvocationRecord:
    target = Target("config", "main", Server())
    return InvocationRecord(
        invocation=Invocation("digits", target, {}, b"", datetime(2026, 1, 1, tzinfo=UTC)),
        response=ApiResponse(status, {}, b""),
        model_status=model_status,
        model_latency_us=2000,
        overhead_latency_us=300,
    )


# monitoring-cloudwatch.html of SageMaker
# fmt: off
INVOCATIONS = [
    # the model's status  the answer's  4XX  5XX  ModelErrors  ModelLatency
    (200,                 200,          0,   0,   0,           2000),
    (400,                 424,          1,   0,   1,           2000),
    (500,                 424,          0,   1,   1,           2000),
    (None,                503,          0,   1,   1,           None),
]
# fmt: on


@pytest.mark.parametrize(("model_status", "status", "callers", "servers", "model", "latency"), INVOCATIONS)
def test_an_invocation_of_an_endpoint(
    model_status: int | None, status: int, callers: int, servers: int, model: int, latency: int | None
) -> None:
    taken = Taken()

    ServiceMetrics(taken.put).invoked(invocation(model_status=model_status, status=status))

    sums = taken.sums()
    assert sums["Invocations"] == sums["InvocationsPerInstance"] == sums["ConcurrentRequestsPerModel"] == 1
    assert (sums["Invocation4XXErrors"], sums["Invocation5XXErrors"], sums["InvocationModelErrors"]) == (
        callers,
        servers,
        model,
    )
    assert sums.get("ModelLatency") == latency
    assert taken.values["OverheadLatency"] == [(300.0, "Microseconds")] * 2
    assert {metric.dimensions for metric in taken.metrics} == {
        (("EndpointName", "digits"), ("VariantName", "main")),
        (("EndpointConfigName", "config"), ("EndpointName", "digits"), ("VariantName", "main")),
    }
    assert {metric.namespace for metric in taken.metrics} == {"AWS/SageMaker"}


def test_a_run_of_a_function() -> None:
    ran, throttled = Taken(), Taken()

    ServiceMetrics(ran.put).ran(FunctionRun(function_name="f", has_failed=True, duration_ms=12.5, concurrent=3))
    ServiceMetrics(throttled.put).ran(FunctionRun(function_name="f", is_throttled=True))

    assert ran.sums() == {
        "Invocations": 1.0,
        "Errors": 1.0,
        "Throttles": 0.0,
        "Duration": 12.5,
        "ConcurrentExecutions": 3.0,
    }
    assert ran.values["Duration"] == [(12.5, "Milliseconds")]
    assert throttled.sums() == {"Throttles": 1.0}
    assert {metric.dimensions for metric in ran.metrics} == {(("FunctionName", "f"),)}


def test_an_answer_of_an_api() -> None:
    taken = Taken()

    ServiceMetrics(taken.put).answered(
        Answered(api_name="api", stage="v1", status=503, latency_ms=20, integration_latency_ms=15)
    )

    assert taken.sums() == {"Count": 1.0, "4XXError": 0.0, "5XXError": 1.0, "Latency": 20.0, "IntegrationLatency": 15.0}
    assert {metric.dimensions for metric in taken.metrics} == {
        (("ApiName", "api"),),
        (("ApiName", "api"), ("Stage", "v1")),
    }


def process(proc: Path, *, cpu_seconds: float, pages: int) -> None:
    ticks = int(cpu_seconds * os.sysconf("SC_CLK_TCK"))
    folder = proc / "7"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stat").write_text(f"7 (a (b) c) S {' '.join(['0'] * 10)} {ticks} 0 0")
    (folder / "statm").write_text(f"100 {pages} 0")


def test_an_endpoint_is_looked_at_through_its_process(tmp_path: Path) -> None:
    proc, times = tmp_path / "proc", iter([0.0, 0.0, 0.0, 30.0, 60.0, 60.0, 60.0])
    meter = UsageMeter(
        processes=lambda: [VariantProcess("digits", "main", 7)], folder=tmp_path, seconds=times.__next__, proc=proc
    )
    process(proc, cpu_seconds=10, pages=10)
    first = list(meter.look())
    too_soon = list(meter.look())
    process(proc, cpu_seconds=25, pages=1000)

    (usage,) = meter.look()

    assert (first, too_soon) == ([], [])
    assert usage.cpu_percent == pytest.approx(25.0)
    machine = os.sysconf("SC_PHYS_PAGES")
    assert usage.memory_percent == pytest.approx(100 * 1000 / machine)
    assert 0 < usage.disk_percent < 100


def test_only_processes_that_serve_are_looked_at() -> None:
    @dataclass
    class OneFleet:
        servers: dict[str, Server]

    fleet = OneFleet({"main": Server(pid=7), "starting": Server(url=None, pid=8), "gone": Server(pid=None)})

    assert list(processes_of({"digits": [fleet]})) == [VariantProcess("digits", "main", 7)]
