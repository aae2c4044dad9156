"""What the page says of each package beside its dashboard: endpoint and version, last refusals, the latest report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from local.deploy.handlers import Clients
from local.latest_report import latest_report, stored
from local.outputs import Outputs, by_package, captures_bucket, stack_outputs

REFUSALS_SHOWN = 50
REFUSALS_HOURS = 24 * 7
NO_GROUP = "ResourceNotFoundException"


def endpoints(clients: Clients) -> list[dict[str, Any]]:
    """Each deployed package: its endpoint's state, config, and the version that it serves."""
    deployed = by_package(stack_outputs(clients("cloudformation")))
    return [_endpoint(clients, package, outputs) for package, outputs in sorted(deployed.items())]


def refusals(clients: Clients, package: str, *, now: datetime) -> list[dict[str, Any]]:
    """The last requests that the gateway refused, the newest first: when, why and which fields, never a value."""
    group = _gateway_log_group(clients, package)
    pages = (
        clients("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=group,
            filterPattern="refused",
            startTime=int((now - timedelta(hours=REFUSALS_HOURS)).timestamp() * 1000),
        )
    )
    lines = [line for page in _existing(pages) for event in page["events"] if (line := _refusal(event))]
    return sorted(lines, key=lambda line: line["time"], reverse=True)[:REFUSALS_SHOWN]


def newest_report(clients: Clients, package: str) -> bytes | None:
    """The newest window's report, or None before the first window is closed.

    Raises: KeyError if no such package is deployed.
    """
    s3, stacks = clients("s3"), stack_outputs(clients("cloudformation"))
    endpoint, bucket = by_package(stacks)[package]["EndpointName"], captures_bucket(stacks)
    if bucket is None or (key := latest_report(s3, bucket=bucket, endpoint=endpoint)) is None:
        return None
    return stored(s3, bucket=bucket, key=key)


def _endpoint(clients: Clients, package: str, outputs: Outputs) -> dict[str, Any]:
    described = clients("sagemaker").describe_endpoint(EndpointName=outputs["EndpointName"])
    config = clients("sagemaker").describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    model = config["ProductionVariants"][0]["ModelName"]
    container = clients("sagemaker").describe_model(ModelName=model).get("PrimaryContainer", {})
    return {
        "package": package,
        "endpoint": outputs["EndpointName"],
        "status": described["EndpointStatus"],
        "config": described["EndpointConfigName"],
        "version": container.get("Environment", {}).get("FLYBALL_MODEL_VERSION", ""),
        "changed": described["LastModifiedTime"].timestamp(),
        "failure": described.get("FailureReason", ""),
    }


def _refusal(event: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        line = json.loads(event["message"])
    except ValueError:
        return None  # a line of Lambda's own, which is no JSON
    if not isinstance(line, dict) or line.get("message") != "refused":
        return None
    return {
        "time": event["timestamp"] / 1000,
        "status": line.get("status"),
        "reason": line.get("reason", ""),
        "fields": line.get("fields", []),
        "inference_id": line.get("inference_id", ""),
    }


def _existing(pages: Any) -> Iterator[Mapping[str, Any]]:
    """Pages of a log group, or none before its first line."""
    try:
        yield from pages
    except ClientError as error:
        if error.response["Error"]["Code"] != NO_GROUP:
            raise


def _gateway_log_group(clients: Clients, package: str) -> str:
    """Raises: KeyError if no such package is deployed."""
    function = by_package(stack_outputs(clients("cloudformation")))[package]["GatewayFunction"]
    configuration = clients("lambda").get_function_configuration(FunctionName=function)
    return str(configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}"))
