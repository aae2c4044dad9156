"""The lines that Lambda itself writes into a function's log: INIT_START, START, END, REPORT and why a call failed.

As text, or as JSON platform events where the function's LoggingConfig says so; of these, SystemLogLevel leaves out
what is below it. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from local.services.lambda_function import Function

LEVELS = ("DEBUG", "INFO", "WARN")

Emit = Callable[[str], None]
Phase = Literal["init", "invoke"]
"""An initialization that failed before its invocation is repeated in it."""


@dataclass(frozen=True, slots=True)
class Status:
    """How an initialization or invocation ended."""

    name: Literal["success", "error", "timeout"] = "success"
    error_type: str | None = None

    @property
    def fields(self) -> list[str]:
        """What a line of text says of it: of success nothing."""
        if self.name == "success":
            return []
        return [f"Status: {self.name}"] + ([f"Error Type: {self.error_type}"] if self.error_type else [])

    @property
    def record(self) -> dict[str, str]:
        return {"status": self.name} | ({"errorType": self.error_type} if self.error_type else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an invocation took. `init_ms` is None where the environment was warm."""

    request_id: str
    duration_ms: float
    init_ms: float | None
    peak_mb: int | None
    status: Status


class PlatformLog:
    """Writes for one execution environment: `emit` takes each line."""

    def __init__(self, function: Function, *, emit: Emit, now: Callable[[], datetime]) -> None:
        self._function, self._emit, self._now = function, emit, now
        self._json = function.logging.json_format
        self._lowest = LEVELS.index(function.logging.system_level)

    def init_start(self, runtime_version: str) -> None:
        if self._json:
            record = {"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime_version}
            self._event("platform.initStart", record, level="INFO")
        else:
            self._emit(f"INIT_START Runtime Version: {runtime_version}")

    def init_report(self, init_ms: float, status: Status, *, phase: Phase) -> None:
        """Of an initialization that failed; that of another is in the REPORT line."""
        if self._json:
            metrics = {"durationMs": round(init_ms, 3)}
            record = {"initializationType": "on-demand", "phase": phase, "metrics": metrics, **status.record}
            self._event("platform.initReport", record, level="WARN")
        else:
            self._line([f"INIT_REPORT Init Duration: {init_ms:.2f} ms", f"Phase: {phase}", *status.fields])

    def start(self, request_id: str) -> None:
        if self._json:
            record = {"requestId": request_id, "version": self._function.version}
            self._event("platform.start", record, level="INFO")
        else:
            self._emit(f"START RequestId: {request_id} Version: {self._function.version}")

    def failed(self, line: str) -> None:
        """Why a call has no answer. Among JSON events the report alone says it."""
        if not self._json:
            self._emit(line)

    def report(self, report: Report) -> None:
        if self._json:
            self._report_events(report)
            return
        self._emit(f"END RequestId: {report.request_id}")
        fields = [
            f"REPORT RequestId: {report.request_id}",
            f"Duration: {report.duration_ms:.2f} ms",
            f"Billed Duration: {_billed_ms(report)} ms",
            f"Memory Size: {self._function.memory_mb} MB",
        ]
        if report.peak_mb is not None:
            fields.append(f"Max Memory Used: {report.peak_mb} MB")
        if report.init_ms is not None:
            fields.append(f"Init Duration: {report.init_ms:.2f} ms")
        self._line([*fields, *report.status.fields])

    def _report_events(self, report: Report) -> None:
        metrics: dict[str, float] = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": _billed_ms(report),
            "memorySizeMB": self._function.memory_mb,
        }
        if report.peak_mb is not None:
            metrics["maxMemoryUsedMB"] = report.peak_mb
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        good = report.status.name == "success"
        done = {"requestId": report.request_id, **report.status.record}
        self._event("platform.runtimeDone", done, level="DEBUG" if good else "WARN")
        self._event("platform.report", {**done, "metrics": metrics}, level="INFO" if good else "WARN")

    def _event(self, kind: str, record: Mapping[str, Any], *, level: str) -> None:
        if LEVELS.index(level) >= self._lowest:
            now = self._now()
            time = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
            self._emit(json.dumps({"time": time, "type": kind, "record": record}, separators=(",", ":")))

    def _line(self, fields: list[str]) -> None:
        self._emit("\t".join(fields))


def _billed_ms(report: Report) -> int:
    return math.ceil(report.duration_ms + (report.init_ms or 0.0))
