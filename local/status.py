"""What `flyball status` shows: the cloud that runs, and each package's first version and endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.client import aws_client
from local.project import Project
from local.running import RunningCloud, find_running
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
    """The whole of it; `cloud` is None where none runs."""

    cloud: RunningCloud | None
    packages: list[PackageStatus]


def report(project: Project) -> Report:
    """Asks the running cloud, if there is one.

    Raises: PackageError if a package is broken.
    """
    cloud = find_running(project)
    sagemaker = aws_client("sagemaker", endpoint_url=cloud.aws_endpoint_url) if cloud else None
    endpoints = _endpoints(sagemaker)
    names = {
        package.name: cloud and cloud.output(package.name, "EndpointName") for package in discover(project.packages)
    }
    return Report(
        cloud=cloud,
        packages=[_package_status(name, endpoints.get(endpoint or ""), project) for name, endpoint in names.items()],
    )


def text(found: Report) -> str:
    """The report for a person, one line a package."""
    head = f"serving at {found.cloud.api_url}" if found.cloud else "no local cloud runs from this folder"
    return "\n".join([head, *(_line(package) for package in found.packages)])


def _endpoints(sagemaker: Any) -> dict[str, dict[str, Any]]:
    if sagemaker is None:
        return {}
    names = [endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]]
    return {name: sagemaker.describe_endpoint(EndpointName=name) for name in names}


def _package_status(name: str, endpoint: dict[str, Any] | None, project: Project) -> PackageStatus:
    trained = is_trained(name, project=project)
    return PackageStatus(
        name=name,
        metrics=load_version(name, project=project).manifest["metrics"] if trained else None,
        endpoint_status=endpoint["EndpointStatus"] if endpoint else None,
        endpoint_config=endpoint["EndpointConfigName"] if endpoint else None,
        failure_reason=endpoint.get("FailureReason") if endpoint else None,
    )


def _line(package: PackageStatus) -> str:
    metrics = package.metrics or {}
    trained = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()) or "not trained"
    reason = f" ({package.failure_reason})" if package.failure_reason else ""
    return f"  {package.name}: {package.endpoint_status or 'not deployed'}{reason}; {trained}"
