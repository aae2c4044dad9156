"""A monitor of the package `flowers` on a cloud in memory."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

from functions.monitor.composition import Clients, compose
from functions.monitor.monitor import Monitor
from functions.monitor.settings import MonitorSettings
from functions.shared import layout
from functions.shared.logs import make_logger
from model_packages.contract import Gate, PackageConfig
from model_packages.contract import Monitor as MonitorConfig
from model_packages.interface import load_interface
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import BUCKET, PARAMETER, Client, Cloud
from tests.functions.monitor.flowers import ENDPOINT, NOON, captured, key_of, lines_of

SETTINGS = MonitorSettings(
    package="flowers",
    endpoint_name=ENDPOINT,
    captures_bucket=BUCKET,
    initial_baseline_uri=f"s3://{BUCKET}/assets/baseline.zip",
    champion_parameter=PARAMETER,
    gateway_log_group="/aws/lambda/flyball-flowers-gateway",
    processing_role_arn="arn:aws:iam::123456789012:role/processing",
    processing_image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/spark:1",
    processing_app_uri=f"s3://{BUCKET}/assets/app.py",
    processing_code_uri=f"s3://{BUCKET}/assets/code.zip",
    key_arn="arn:aws:kms:us-east-1:123456789012:key/1",
)


def config_with(**monitor: Any) -> PackageConfig:
    return PackageConfig(
        description="Flowers.",
        task="multiclass_classification",
        gate=Gate(metric="accuracy", minimum=0.5),
        monitor=MonitorConfig(**{"minimum_rows": 100, "block": "row", **monitor}),
    )


def cloud_with(baseline: Baseline) -> Cloud:
    """With the initial version's baseline where the deployment puts it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(zipfile.ZipInfo("baseline.json"), baseline.to_json())  # dated the same at every call
    cloud = Cloud()
    cloud.put("assets/baseline.zip", archive.getvalue())
    return cloud


def monitor_on(client: Client | Cloud, **monitor: Any) -> Monitor:
    """A fresh process."""
    clients: Any = client.client() if isinstance(client, Cloud) else client
    config, interface = config_with(**monitor), load_interface("flowers")
    logger = make_logger(service="flowers")
    each = Clients(s3=clients, sagemaker=clients, ssm=clients, cloudwatch=clients, logs=clients)
    return compose(each, settings=SETTINGS, config=config, interface=interface, logger=logger)


def event_at(moment: datetime) -> dict[str, Any]:
    """What EventBridge's schedule sends."""
    return {"source": "aws.events", "detail-type": "Scheduled Event", "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def capture(
    cloud: Cloud, count: int, *, time: datetime = NOON, name: str = "one.jsonl", seed: int = 0, longer_by: float = 0.0
) -> list[dict[str, Any]]:
    """Puts a file of `count` records into the cloud."""
    records = captured(count, seed=seed, time=time, longer_by=longer_by, first_number=seed * 100_000)
    cloud.put(key_of(time, name), lines_of(records))
    return records


def state_of(cloud: Cloud) -> dict[str, Any]:
    state: dict[str, Any] = cloud.json_at(layout.state_key(ENDPOINT))
    return state
