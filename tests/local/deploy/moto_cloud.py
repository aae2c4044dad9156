"""moto in this process as the cloud to deploy onto, with the SageMaker calls that moto lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from moto import mock_aws
from moto.iam.models import AWSManagedPolicy, iam_backends
from moto.logs.metric_filters import MetricFilters
from moto.sagemaker.models import sagemaker_backends

from local.deploy.assembly import ACCOUNT, REGION
from local.services.logs.moto_filters import put_in_place
from tests.local.services.cloudwatch.given import given_cloudwatch

MANAGED_POLICIES = (
    "AmazonSageMakerFullAccess",
    "service-role/AWSLambdaBasicExecutionRole",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
)
READS = ("describe_", "get_", "list_", "head_")


@contextmanager
def moto_cloud() -> Iterator[MotoCloud]:
    """An empty account."""
    with (
        mock_aws(config={"lambda": {"use_docker": False}}),
        TemporaryDirectory() as folder,
        given_cloudwatch(Path(folder)) as cloudwatch,
    ):
        _know_managed_policies()
        with _filters_in_place():
            yield MotoCloud(cloudwatch.client)


@contextmanager
def _filters_in_place() -> Iterator[None]:
    """PutMetricFilter as the local cloud has it: moto's own keeps the former filter beside the new one."""
    filters: Any = MetricFilters
    original = filters.add_filter
    filters.add_filter = put_in_place
    try:
        yield
    finally:
        filters.add_filter = original


def _know_managed_policies() -> None:
    """Adds the few of AWS's own policies that the tests attach: loading them all takes seconds."""
    backend = iam_backends[ACCOUNT]["aws"]
    now = "2026-01-01T00:00:00+00:00"
    for name in MANAGED_POLICIES:
        path, _, short = name.rpartition("/")
        data = {"Path": f"/{path}/" if path else "/", "Document": {}, "CreateDate": now, "UpdateDate": now}
        policy = AWSManagedPolicy.from_data(short, ACCOUNT, REGION, data)
        backend.managed_policies[policy.arn] = policy


@dataclass
class MotoCloud:
    """Clients by service, and every call that was made which may change something. CloudWatch is Flyball's own."""

    cloudwatch: Any
    writes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clients = cache(self._client)

    def bootstrap(self) -> None:
        """What templates and assets see of CDK's toolkit; where it is there already, nothing."""
        buckets, parameters = _boto3_client("s3"), _boto3_client("ssm")
        if not buckets.list_buckets()["Buckets"]:
            buckets.create_bucket(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")
            parameters.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")

    def _client(self, service: str) -> Any:
        recorded = _Recorded(self.cloudwatch if service == "cloudwatch" else _boto3_client(service), self.writes)
        return _SageMaker(recorded) if service == "sagemaker" else recorded


@cache
def _boto3_client(service: str) -> Any:
    return boto3.client(service, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")


class _Recorded:
    def __init__(self, client: Any, writes: list[str]) -> None:
        self._client, self._writes = client, writes

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if callable(attribute) and name in self._client.meta.method_to_api_mapping and not name.startswith(READS):
            self._writes.append(name)
        return attribute


class _SageMaker:
    """moto's SageMaker, with updates that take effect at once; a config named `...Broken...` is rolled back."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_endpoint(self, **arguments: Any) -> None:
        if "Broken" not in arguments["EndpointConfigName"]:
            endpoint = sagemaker_backends[ACCOUNT][REGION].endpoints[arguments["EndpointName"]]
            endpoint.endpoint_config_name = arguments["EndpointConfigName"]

    def delete_model_package_group(self, **arguments: Any) -> None:
        self._client.describe_model_package_group(**arguments)
        del sagemaker_backends[ACCOUNT][REGION].model_package_groups[arguments["ModelPackageGroupName"]]
