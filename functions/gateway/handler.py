"""The gateway's entry point. Everything that can be made before the first request is made while Lambda starts it."""

from __future__ import annotations

import os
import time
from typing import Any

from aws_lambda_powertools.metrics import Metrics

from functions.gateway.bucket import Bucket
from functions.gateway.callers import Callers
from functions.gateway.captures import Captures
from functions.gateway.endpoint import SageMakerEndpoint, make_client
from functions.gateway.feedback import StoredFeedback
from functions.gateway.gateway import Gateway
from functions.gateway.metrics import NAMESPACE
from functions.gateway.payloads import Payloads
from functions.gateway.settings import GatewaySettings
from functions.gateway.telemetry import CloudWatchTelemetry
from functions.shared.logs import make_logger
from functions.shared.proxy import ProxyAnswer, ProxyEvent
from functions.shared.uuid7 import InferenceIds, Issuer
from model_packages.interface import load_interface


def make_gateway(settings: GatewaySettings) -> Gateway:
    """The gateway as it runs in Lambda."""
    client = make_client(timeout_seconds=settings.timeout_seconds)
    endpoint = SageMakerEndpoint(client, endpoint_name=settings.endpoint_name)
    endpoint.rehearse()
    interface = load_interface(settings.package)
    bucket, name = Bucket(settings.captures_bucket), settings.endpoint_name
    issuer = Issuer(f"{settings.package}/{name}")
    return Gateway(
        package=settings.package,
        payloads=Payloads(interface, maximum_rows=settings.maximum_rows),
        endpoint=endpoint,
        telemetry=CloudWatchTelemetry(
            logger=make_logger(service=settings.package, level=settings.log_level),
            metrics=Metrics(service=settings.package, namespace=NAMESPACE),
        ),
        feedback=StoredFeedback(
            interface=interface,
            issuer=issuer,
            store=bucket,
            endpoint_name=name,
            label_days=settings.label_days,
            maximum_rows=settings.maximum_rows,
        ),
        maximum_body_bytes=settings.maximum_body_bytes,
        make_id=InferenceIds(issuer),
        clock_seconds=time.perf_counter,
        captures=_captures(settings, bucket),
        callers=Callers(name) if settings.block == "caller" else None,
    )


def _captures(settings: GatewaySettings, bucket: Bucket) -> Captures | None:
    percent = settings.capture_percent
    return Captures(store=bucket, endpoint_name=settings.endpoint_name, percent=percent) if percent else None


gateway = make_gateway(GatewaySettings.from_environment(os.environ))


def handler(event: ProxyEvent, _context: Any) -> ProxyAnswer:
    """What Lambda calls."""
    return gateway.handle(event)
