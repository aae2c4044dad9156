"""What `flyball status` shows: the cloud that runs, what its state holds, each package's first version and endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.client import aws_client
from local.cloud_time import CloudTime, cloud_time
from local.outputs import by_package, stack_outputs
from local.project import Project
from local.running import RunningCloud, find_running
from local.state import summary
from local.state.summary import StateSummary, summarise
from local.training import is_trained, load_version
from model_packages.discovery import discover


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """One package: the metrics of its first version, and what serves it. None where there is none."""

    name: str
    metrics: dict[str, float] | None
    endpoint_status: str | None
    endpoint_config: str | None
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it; `cloud` and `time` are None where none runs, `state` where none has left any."""

    cloud: RunningCloud | None
    time: CloudTime | None
    state: StateSummary | None
    packages: list[PackageStatus]


def report(project: Project) -> Report:
    """Asks the running cloud, if there is one.

    Raises: PackageError if a package is broken; StateUnreadable.
    """
    cloud = find_running(project)
    endpoints = _endpoints(cloud) if cloud else {}
    return Report(
        cloud=cloud,
        time=cloud_time(cloud) if cloud else None,
        state=summarise(project.kept),
        packages=[
            _package_status(package.name, endpoints.get(package.name), project)
            for package in discover(project.packages)
        ],
    )


def text(found: Report) -> str:
    """The report for a person, one line a package."""
    head = f"serving at {found.cloud.api_url}" if found.cloud else "no local cloud runs from this folder"
    time = [found.time.text()] if found.time and found.time.is_ahead else []
    state = [summary.text(found.state)] if found.state else []
    return "\n".join(
        [head, *time, *state, *(_line(package, is_up=found.cloud is not None) for package in found.packages)]
    )


def _endpoints(cloud: RunningCloud) -> dict[str, dict[str, Any]]:
    """The endpoint of each package that is deployed."""
    sagemaker = aws_client("sagemaker", endpoint_url=cloud.aws_endpoint_url)
    stacks = stack_outputs(aws_client("cloudformation", endpoint_url=cloud.aws_endpoint_url))
    return {
        package: sagemaker.describe_endpoint(EndpointName=outputs["EndpointName"])
        for package, outputs in by_package(stacks).items()
    }


def _package_status(name: str, endpoint: dict[str, Any] | None, project: Project) -> PackageStatus:
    trained = is_trained(name, project=project)
    return PackageStatus(
        name=name,
        metrics=load_version(name, project=project).manifest["metrics"] if trained else None,
        endpoint_status=endpoint["EndpointStatus"] if endpoint else None,
        endpoint_config=endpoint["EndpointConfigName"] if endpoint else None,
        failure_reason=endpoint.get("FailureReason") if endpoint else None,
    )


def _line(package: PackageStatus, *, is_up: bool) -> str:
    metrics = package.metrics or {}
    trained = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()) or "not trained"
    status = package.endpoint_status or ("not deployed" if is_up else "down with the cloud")
    failed = "the last update failed: " if package.endpoint_status == "InService" else ""
    reason = f" ({failed}{package.failure_reason})" if package.failure_reason else ""
    return f"  {package.name}: {status}{reason}; {trained}"
