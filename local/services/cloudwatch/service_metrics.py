"""What SageMaker, Lambda and API Gateway publish about themselves: AWS/SageMaker, /aws/sagemaker/Endpoints,
AWS/Lambda and AWS/ApiGateway, by the documented names, units and dimensions.

Each part of the cloud tells an observer here of what it did; endpoints are looked at once a minute. Not done: metrics
of a single method of an API, of GPUs, and of a function's aliases.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from local.services.apigateway.gateway import Answered
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.lambda_observing import FunctionRun
from local.services.sagemaker.runtime import InvocationRecord

SAGEMAKER: Final = "AWS/SageMaker"
ENDPOINTS: Final = "/aws/sagemaker/Endpoints"
LAMBDA: Final = "AWS/Lambda"
API_GATEWAY: Final = "AWS/ApiGateway"
BETWEEN_LOOKS_SECONDS: Final = 50.0


class PutMetric(Protocol):
    """Takes samples of a metric, as of now."""

    def __call__(self, metric: Metric, samples: Samples, *, unit: str = "None") -> None: ...


class ServiceMetrics:
    """The observers."""

    def __init__(self, put: PutMetric) -> None:
        self._put = put

    def invoked(self, record: InvocationRecord) -> None:
        """An endpoint has been invoked."""
        invocation, status = record.invocation, record.model_status
        where = {"EndpointName": invocation.endpoint, "VariantName": invocation.target.variant}
        values: list[tuple[str, float, str]] = [
            ("Invocations", 1.0, "None"),
            ("InvocationsPerInstance", 1.0, "None"),
            ("Invocation4XXErrors", float(status is not None and 400 <= status < 500), "None"),
            ("Invocation5XXErrors", float(_is_server_error(record)), "None"),
            ("InvocationModelErrors", float(status is None or not 200 <= status < 300), "None"),
            ("OverheadLatency", float(record.overhead_latency_us), "Microseconds"),
            ("ConcurrentRequestsPerModel", float(invocation.target.server.in_flight.count + 1), "Count"),
        ]
        if status is not None:
            values.append(("ModelLatency", float(record.model_latency_us), "Microseconds"))
        # The second set tells the fleets of a rollout apart.
        self._all(SAGEMAKER, values, [where, {**where, "EndpointConfigName": invocation.target.config_name}])

    def ran(self, run: FunctionRun) -> None:
        """A function has run, or was not let."""
        if run.is_throttled:
            values = [("Throttles", 1.0, "Count")]
        else:
            values = [
                ("Invocations", 1.0, "Count"),
                ("Errors", float(run.has_failed), "Count"),
                ("Throttles", 0.0, "Count"),
                ("Duration", run.duration_ms, "Milliseconds"),
                ("ConcurrentExecutions", float(run.concurrent), "Count"),
            ]
        self._all(LAMBDA, values, [{"FunctionName": run.function_name}])

    def answered(self, answered: Answered) -> None:
        """API Gateway has answered a request."""
        values = [
            ("Count", 1.0, "Count"),
            ("4XXError", float(400 <= answered.status < 500), "Count"),
            ("5XXError", float(answered.status >= 500), "Count"),
            ("Latency", float(answered.latency_ms), "Milliseconds"),
        ]
        if answered.integration_latency_ms is not None:
            values.append(("IntegrationLatency", float(answered.integration_latency_ms), "Milliseconds"))
        api = {"ApiName": answered.api_name}
        self._all(API_GATEWAY, values, [api, {**api, "Stage": answered.stage}])

    def measured(self, usage: EndpointUsage) -> None:
        """An endpoint's variant has been looked at."""
        where = {"EndpointName": usage.endpoint, "VariantName": usage.variant}
        values = [
            ("CPUUtilization", usage.cpu_percent, "Percent"),
            ("MemoryUtilization", usage.memory_percent, "Percent"),
            ("DiskUtilization", usage.disk_percent, "Percent"),
        ]
        self._all(ENDPOINTS, values, [where])

    def _all(
        self, namespace: str, values: Iterable[tuple[str, float, str]], dimensions: Iterable[Mapping[str, str]]
    ) -> None:
        sets = list(dimensions)
        for name, value, unit in values:
            for where in sets:
                self._put(Metric.of(namespace, name, where), Samples.of([value]), unit=unit)


def _is_server_error(record: InvocationRecord) -> bool:
    """The model's own, or none of the model's at all: no server, no answer."""
    status = record.model_status
    return status >= 500 if status is not None else record.response.status >= 400


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """What a variant's processes use. CPU is 100 for each core in full use; the others are of the whole machine."""

    endpoint: str
    variant: str
    cpu_percent: float
    memory_percent: float
    disk_percent: float


@dataclass(frozen=True, slots=True)
class VariantProcess:
    """The process of a variant that is in service."""

    endpoint: str
    variant: str
    pid: int


class UsageMeter:
    """Looks at processes through /proc; CPU is what was used since the look before, so the first look gives none.

    It goes by the machine's time, `seconds`, and does not look again within 50 of them: simulated time uses no CPU.
    """

    def __init__(
        self,
        *,
        processes: Callable[[], Iterable[VariantProcess]],
        folder: Path,
        seconds: Callable[[], float],
        proc: Path = Path("/proc"),
    ) -> None:
        self._processes, self._folder, self._seconds, self._proc = processes, folder, seconds, proc
        self._before: dict[int, tuple[float, float]] = {}
        self._looked_at = float("-inf")

    def look(self) -> Iterator[EndpointUsage]:
        """Each variant whose process has been seen before; blocks for a moment."""
        if self._seconds() < self._looked_at + BETWEEN_LOOKS_SECONDS:
            return
        self._looked_at = self._seconds()
        disk = shutil.disk_usage(self._folder)
        before, self._before = self._before, {}
        for process in self._processes():
            family = list(_family(self._proc, process.pid))
            now, used = self._seconds(), sum(_cpu_seconds(self._proc, pid) for pid in family)
            self._before[process.pid] = (now, used)
            then, used_then = before.get(process.pid, (now, used))
            if now > then:
                yield EndpointUsage(
                    process.endpoint,
                    process.variant,
                    cpu_percent=max(0.0, 100 * (used - used_then) / (now - then)),
                    memory_percent=100 * _memory_bytes(self._proc, family) / _machine_bytes(),
                    disk_percent=100 * disk.used / disk.total,
                )


def _family(proc: Path, pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    with suppress(OSError):
        for thread in (proc / str(pid) / "task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield from _family(proc, int(child))


def _cpu_seconds(proc: Path, pid: int) -> float:
    with suppress(OSError):
        fields = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory_bytes(proc: Path, family: Iterable[int]) -> int:
    return sum(_resident_bytes(proc, pid) for pid in family)


def _resident_bytes(proc: Path, pid: int) -> int:
    with suppress(OSError):
        return int((proc / str(pid) / "statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def processes_of(fleets: Mapping[str, Iterable[Any]]) -> Iterator[VariantProcess]:
    """The processes of endpoints' fleets, by endpoint."""
    for endpoint, many in fleets.items():
        for fleet in many:
            for variant, server in fleet.servers.items():
                pid = getattr(server, "pid", None)
                if pid is not None and server.url is not None:
                    yield VariantProcess(endpoint, variant, pid)
