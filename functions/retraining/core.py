"""The loop's heart, put together: who may run, how runs end, what people are asked and told. What trains, judges and
rolls out is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.logging import Logger

from functions.monitor.objects import Bucket
from functions.retraining.admitting import Admitting
from functions.retraining.approval import Asking
from functions.retraining.champion import Champions
from functions.retraining.concluding import Concluding, Remover
from functions.retraining.facts import FactsSource
from functions.retraining.failure_reports import FailureReports
from functions.retraining.guard import DeploymentGuard
from functions.retraining.jobs import JobLogs
from functions.retraining.loop_state import LoopStore
from functions.retraining.restoring import Restoring
from functions.retraining.settings import RetrainingSettings
from functions.retraining.settling import Settling
from functions.retraining.telling import Telling
from functions.retraining.unfinished import Unfinished
from functions.shared.custom_resource import Put
from model_packages.contract import PackageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """botocore's, or doubles of them. `put` answers CloudFormation."""

    s3: Any
    sagemaker: Any
    ssm: Any
    cloudwatch: Any
    logs: Any
    sns: Any
    states: Any
    put: Put


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Of one package."""

    store: LoopStore
    admitting: Admitting
    asking: Asking
    concluding: Concluding
    settling: Settling
    guard: DeploymentGuard


def compose_core(
    clients: Clients,
    *,
    settings: RetrainingSettings,
    config: PackageConfig,
    leftovers: Remover,
    logger: Logger,
    is_judged: bool = True,
) -> Core:
    """`is_judged`: whether the monitor compares predictions with labels one by one."""
    store = LoopStore.of(clients.s3, settings)
    artifacts = Bucket(clients.s3, settings.artifacts_bucket)
    failures = FailureReports(
        bucket=artifacts, logs=JobLogs(clients.logs), aws_name=settings.aws_name, endpoint=settings.endpoint_name
    )
    restoring = Restoring(sagemaker=clients.sagemaker, states=clients.states, settings=settings)
    telling = Telling(
        store=store,
        sns=clients.sns,
        cloudwatch=clients.cloudwatch,
        failures=failures,
        restoring=restoring,
        settings=settings,
        logger=logger,
    )
    champions = Champions(ssm=clients.ssm, sagemaker=clients.sagemaker, s3=clients.s3, settings=settings)
    concluding = Concluding(
        store=store,
        bucket=artifacts,
        aws_name=settings.aws_name,
        failures=failures,
        leftovers=leftovers,
        restoring=restoring,
        unfinished=Unfinished(sagemaker=clients.sagemaker, champions=champions, settings=settings),
        telling=telling,
        logger=logger,
    )
    settling = Settling(
        store=store,
        states=clients.states,
        sagemaker=clients.sagemaker,
        concluding=concluding,
        settings=settings,
    )
    facts = FactsSource(
        s3=clients.s3,
        cloudwatch=clients.cloudwatch,
        champions=champions,
        settings=settings,
        config=config,
        is_judged=is_judged,
    )
    return Core(
        store=store,
        admitting=Admitting(
            store=store,
            facts=facts,
            champions=champions,
            settling=settling,
            telling=telling,
            settings=settings,
            config=config,
            logger=logger,
        ),
        asking=Asking(store=store, telling=telling, settings=settings, retraining=config.retraining),
        concluding=concluding,
        settling=settling,
        guard=DeploymentGuard(
            store=store,
            sagemaker=clients.sagemaker,
            states=clients.states,
            put=clients.put,
            package=settings.package,
        ),
    )
