"""Service Quotas: whether the account may run what the templates ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cdk.preflight.account.clients import Account, NotAsked
from cdk.preflight.account.rules import (
    API_TIMEOUT_TOO_LONG,
    CONCURRENCY_SMALL,
    QUOTA_TIGHT,
    QUOTA_TOO_SMALL,
    QUOTA_UNLISTED,
)
from cdk.preflight.endpoints import endpoints
from cdk.preflight.findings import Finding
from cdk.preflight.installation import Installation, Resource
from cdk.preflight.timeouts import API_DEFAULT_TIMEOUT_MS, raised_timeouts

LAMBDA_CONCURRENCY = "Concurrent executions"
ALL_INSTANCES = "Number of instances across active endpoints"
API_TIMEOUT = "Maximum integration timeout in milliseconds"
WHERE = "Service Quotas"


@dataclass
class Need:
    """Instances of one type: to start with, at the most, and in the largest second fleet of a rollout."""

    start: int = 0
    most: int = 0
    second_fleet: int = 0

    @property
    def rolling(self) -> int:
        return self.most + self.second_fleet


def check(account: Account, installation: Installation) -> Iterator[Finding]:
    """Raises: NotAsked if the account does not tell its quotas."""
    needs = needs_of(installation)
    if needs:
        granted = quotas_of(account, "sagemaker")
        yield from _instance_findings(needs, granted)
        yield from _total_findings(needs, granted)
    yield from _concurrency_findings(installation, quotas_of(account, "lambda"))
    raised = list(raised_timeouts(installation))
    if raised:
        yield from _timeout_findings(raised, quotas_of(account, "apigateway"))


def needs_of(installation: Installation) -> Mapping[str, Need]:
    """What the endpoints of all stacks run, by instance type."""
    needs: dict[str, Need] = defaultdict(Need)
    for endpoint in endpoints(installation):
        for variant in endpoint.all_variants:
            if "InstanceType" not in variant:
                continue
            start = int(variant.get("InitialInstanceCount", 1))
            scaled = [int(t.properties["MaxCapacity"]) for t in endpoint.scalable_targets_of(variant["VariantName"])]
            most = max([start, *scaled])
            need = needs[variant["InstanceType"]]
            need.start, need.most = need.start + start, need.most + most
            need.second_fleet = max(need.second_fleet, most)
    return needs


def quotas_of(account: Account, service: str) -> Mapping[str, float]:
    """The account's quotas of a service by their names.

    Raises: NotAsked if it does not tell.
    """
    try:
        pages = account.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode=service)
        quotas: list[Any] = [quota for page in pages for quota in page["Quotas"]]
    except (ClientError, BotoCoreError) as problem:
        raise NotAsked(f"service-quotas list_service_quotas of {service}: {problem}") from problem
    return {quota["QuotaName"]: float(quota["Value"]) for quota in quotas}


def _instance_findings(needs: Mapping[str, Need], quotas: Mapping[str, float]) -> Iterator[Finding]:
    for instance_type, need in needs.items():
        name = f"{instance_type} for endpoint usage"
        change = f"ask Service Quotas, Amazon SageMaker, for {need.rolling} of {name!r}; that may take days"
        if name not in quotas:
            yield QUOTA_UNLISTED.broken(
                f"{WHERE}, {name}", found="no such quota", allowed=f"{need.rolling} or more", change=change
            )
        elif quotas[name] < need.start:
            yield QUOTA_TOO_SMALL.broken(
                f"{WHERE}, {name}", found=f"{quotas[name]:g}", allowed=f"{need.start} to start with", change=change
            )
        elif quotas[name] < need.rolling:
            yield QUOTA_TIGHT.broken(
                f"{WHERE}, {name}",
                found=f"{quotas[name]:g}",
                allowed=f"{need.rolling}: {need.most} at the most, and {need.second_fleet} beside them in a rollout",
                change=change,
            )


def _total_findings(needs: Mapping[str, Need], quotas: Mapping[str, float]) -> Iterator[Finding]:
    """The account's limit for all types together, where it has one."""
    start, allowed = sum(need.start for need in needs.values()), quotas.get(ALL_INSTANCES)
    if allowed is not None and allowed < start:
        yield QUOTA_TOO_SMALL.broken(
            f"{WHERE}, {ALL_INSTANCES}",
            found=f"{allowed:g}",
            allowed=f"{start} to start with",
            change=f"ask Service Quotas, Amazon SageMaker, for {sum(need.rolling for need in needs.values())}",
        )


def _timeout_findings(routes: Sequence[Resource], quotas: Mapping[str, float]) -> Iterator[Finding]:
    allowed_ms = quotas.get(API_TIMEOUT, API_DEFAULT_TIMEOUT_MS)
    for route in routes:
        waits_ms = route.properties["Integration"]["TimeoutInMillis"]
        if waits_ms > allowed_ms:
            yield API_TIMEOUT_TOO_LONG.broken(
                route.where,
                found=f"TimeoutInMillis {waits_ms}",
                allowed=f"{allowed_ms:g}",
                change=f"ask Service Quotas, Amazon API Gateway, for {waits_ms} of {API_TIMEOUT!r}, or set less",
            )


def _concurrency_findings(installation: Installation, quotas: Mapping[str, float]) -> Iterator[Finding]:
    bursts = [
        int(setting["ThrottlingBurstLimit"])
        for stack in installation.stacks
        for stage in stack.resources("AWS::ApiGateway::Stage")
        for setting in stage.properties.get("MethodSettings", [])
        if "ThrottlingBurstLimit" in setting
    ]
    allowed, burst = quotas.get(LAMBDA_CONCURRENCY), max(bursts, default=0)
    if allowed is not None and allowed < burst:
        yield CONCURRENCY_SMALL.broken(
            f"{WHERE}, {LAMBDA_CONCURRENCY}",
            found=f"{allowed:g}",
            allowed=f"{burst}, which is throttling.burst in cdk.json",
            change=f"ask Service Quotas, AWS Lambda, for more than {burst}, or set a lower throttling.burst",
        )
