"""What `flyball logs` shows: one package's log groups in the local cloud, merged by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local.client import aws_client
from local.cloud_time import cloud_time
from local.outputs import by_package, stack_outputs
from local.project import Project
from local.running import RunningCloud, require_running
from model_packages.discovery import discover, select
from model_packages.errors import OperatorError


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of a log stream. `time` is ISO 8601 in UTC; `source` says who wrote it."""

    time: str
    source: str
    message: str


def events_of(project: Project, *, package: str, since_minutes: float) -> list[LogEvent]:
    """What the package's gateway function and model server wrote, oldest first, since then on the cloud's time.

    Raises: OperatorError if there is no such package or no cloud runs.
    """
    select(discover(project.packages), [package])
    running = require_running(project)
    logs = aws_client("logs", endpoint_url=running.aws_endpoint_url)
    start_ms = int(max(0.0, cloud_time(running).moment.timestamp() - since_minutes * 60) * 1000)
    found = [
        (event["timestamp"], source, event["message"].rstrip("\n"))
        for source, group in _groups(running, package).items()
        for event in _events(logs, group=group, start_ms=start_ms)
    ]
    return [
        LogEvent(time=datetime.fromtimestamp(moment / 1000, UTC).isoformat(), source=source, message=message)
        for moment, source, message in sorted(found)
    ]


def _groups(running: RunningCloud, package: str) -> dict[str, str]:
    """The log groups of the package's parts.

    Raises: OperatorError if it is not deployed.
    """
    deployed = by_package(stack_outputs(aws_client("cloudformation", endpoint_url=running.aws_endpoint_url)))
    if package not in deployed:
        raise OperatorError(
            f"{package} is not deployed; `cdk deploy --all` does it, or `flyball down` and `flyball up`"
        )
    endpoint, function = deployed[package]["EndpointName"], deployed[package]["GatewayFunction"]
    functions = aws_client("lambda", endpoint_url=running.aws_endpoint_url)
    configuration = functions.get_function_configuration(FunctionName=function)
    return {
        "gateway": configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}"),
        "endpoint": f"/aws/sagemaker/Endpoints/{endpoint}",
    }


def _events(logs: Any, *, group: str, start_ms: int) -> Iterator[dict[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms)
    try:
        for page in pages:
            yield from page["events"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
