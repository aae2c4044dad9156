"""The lines that Lambda writes itself, as text and as JSON events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.clock import ManualClock
from local.services.lambda_function import Function, Logging
from local.services.lambda_platform_log import PlatformLog, Report, Status


def written(status: Status, *, init_ms: float | None = None, **logging: Any) -> list[str]:
    """One invocation's lines."""
    lines: list[str] = []
    function = Function(
        name="fn", arn="arn", handler="app.handler", code_revision="1", open_code=Path, logging=Logging(**logging)
    )
    log = PlatformLog(function, emit=lines.append, now=ManualClock().now)
    log.init_start("python:3.14.v1")
    if status.name != "success":
        log.init_report(12.345, status, phase="init")
    log.start("id")
    if status.name != "success":
        log.failed("id Task timed out after 1.00 seconds")
    log.report(Report(request_id="id", duration_ms=1.234, init_ms=init_ms, peak_mb=40, status=status))
    return lines


def events(*arguments: Any, **settings: Any) -> list[tuple[str, dict[str, Any]]]:
    parsed = [json.loads(line) for line in written(*arguments, json_format=True, **settings)]
    assert all(event["time"] == "2026-01-01T00:00:00.000Z" for event in parsed)
    return [(event["type"], event["record"]) for event in parsed]


def test_a_call_as_text() -> None:
    assert written(Status(), init_ms=100.0) == [
        "INIT_START Runtime Version: python:3.14.v1",
        "START RequestId: id Version: $LATEST",
        "END RequestId: id",
        "REPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 40 MB\tInit Duration: 100.00 ms",
    ]


def test_a_failed_call_as_text_says_how_it_failed() -> None:
    _, init_report, _, sentence, _, report = written(Status("error", "Runtime.ExitError"))

    assert init_report == (
        "INIT_REPORT Init Duration: 12.35 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError"
    )
    assert sentence == "id Task timed out after 1.00 seconds"
    assert report.endswith("Max Memory Used: 40 MB\tStatus: error\tError Type: Runtime.ExitError")


def test_a_call_as_json_events() -> None:
    assert events(Status(), init_ms=100.0) == [
        (
            "platform.initStart",
            {"initializationType": "on-demand", "phase": "init", "runtimeVersion": "python:3.14.v1"},
        ),
        ("platform.start", {"requestId": "id", "version": "$LATEST"}),
        (
            "platform.report",
            {
                "requestId": "id",
                "status": "success",
                "metrics": {
                    "durationMs": 1.234,
                    "billedDurationMs": 102,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 40,
                    "initDurationMs": 100.0,
                },
            },
        ),
    ]


@pytest.mark.parametrize(
    ("level", "status", "expected"),
    [
        ("DEBUG", Status(), ["initStart", "start", "runtimeDone", "report"]),
        ("INFO", Status(), ["initStart", "start", "report"]),
        ("WARN", Status(), []),
        ("INFO", Status("timeout"), ["initStart", "initReport", "start", "runtimeDone", "report"]),
        ("WARN", Status("timeout"), ["initReport", "runtimeDone", "report"]),
    ],
)
def test_the_system_log_level_leaves_events_out(level: str, status: Status, expected: list[str]) -> None:
    found = events(status, system_level=level)

    assert [kind.removeprefix("platform.") for kind, _ in found] == expected


def test_the_system_log_level_counts_for_json_alone() -> None:
    assert len(written(Status(), system_level="WARN")) == 4
