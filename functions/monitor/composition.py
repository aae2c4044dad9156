"""Puts the monitor together from its settings, the package and AWS clients: in Lambda, in tests and in benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.logging import Logger

from functions.monitor.baselines import Baselines
from functions.monitor.monitor import Monitor
from functions.monitor.objects import Bucket
from functions.monitor.processing import Processing
from functions.monitor.settings import MonitorSettings
from functions.monitor.surroundings import Surroundings
from model_packages.contract import PackageConfig
from model_packages.interface import Interface
from model_packages.profile.quality_fields import quality_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """botocore's, or doubles of them."""

    s3: Any
    sagemaker: Any
    ssm: Any
    cloudwatch: Any
    logs: Any


def compose(
    clients: Clients, *, settings: MonitorSettings, config: PackageConfig, interface: Interface, logger: Logger
) -> Monitor:
    """The monitor of one endpoint. Raises: PackageError if the package says of its labels what cannot be."""
    baselines = Baselines(
        parameters=clients.ssm,
        registry=clients.sagemaker,
        s3=clients.s3,
        settings=settings,
        monitor=config.monitor,
    )
    return Monitor(
        settings=settings,
        config=config,
        interface=interface,
        s3=clients.s3,
        cloudwatch=clients.cloudwatch,
        baselines=baselines,
        surroundings=Surroundings(
            settings=settings,
            config=config,
            judged=quality_fields(interface, config),
            s3=clients.s3,
            cloudwatch=clients.cloudwatch,
            logs=clients.logs,
            baselines=baselines,
        ),
        processing=Processing(
            jobs=clients.sagemaker,
            bucket=Bucket(clients.s3, settings.captures_bucket),
            settings=settings,
            monitor=config.monitor,
        ),
        logger=logger,
    )
