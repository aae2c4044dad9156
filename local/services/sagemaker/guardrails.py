"""A DeploymentConfig as the steps in which traffic moves to a new fleet: how much, and how long each is watched.

As the deployment guardrails say: WaitIntervalInSeconds passes between two steps, and TerminationWaitInSeconds after
the last one, before the old fleet goes; a rolling update waits after each step. A step's share of the traffic is its
share of the new fleet's instances.
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.services.sagemaker.plan import FleetPlan, VariantPlan

LARGEST_PERCENT: Final = 50
SMALLEST_LINEAR_PERCENT: Final = 10
SMALLEST_ROLLING_PERCENT: Final = 5
WAIT: Final = "WaitIntervalInSeconds"
TERMINATION: Final = "TerminationWaitInSeconds"


class InvalidDeployment(ValueError):
    """A DeploymentConfig that SageMaker would not take; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So many instances of each variant get traffic, which is watched for a while.

    `capacity` is SageMaker's word for how much that is, `wait` the setting that the time comes from.
    """

    active: Mapping[str, int]
    share: float
    capacity: str
    bake_seconds: float
    wait: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrails:
    """How an update goes: its steps, the alarms that end it, and how long all of it may take."""

    steps: tuple[Step, ...]
    alarms: tuple[str, ...] = ()
    timeout_seconds: float | None = None


def guardrails(config: Mapping[str, Any] | None, plan: FleetPlan) -> Guardrails:
    """What a DeploymentConfig means for a new fleet; without one, all traffic moves at once.

    Raises: InvalidDeployment.
    """
    config = config or {}
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise InvalidDeployment("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    alarms = (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or ()
    policy = blue_green or rolling or {}
    steps = _rolling(rolling, plan) if rolling else _blue_green(blue_green or {}, plan)
    return Guardrails(
        steps=tuple(steps),
        alarms=tuple(alarm["AlarmName"] for alarm in alarms),
        timeout_seconds=policy.get("MaximumExecutionTimeoutInSeconds"),
    )


def _blue_green(policy: Mapping[str, Any], plan: FleetPlan) -> Iterator[Step]:
    routing = policy.get("TrafficRoutingConfiguration") or {"Type": "ALL_AT_ONCE"}
    kind = routing["Type"]
    for member, type_ in (("CanarySize", "CANARY"), ("LinearStepSize", "LINEAR")):
        if bool(routing.get(member)) != (kind == type_):
            raise InvalidDeployment(f"{member} is required with traffic routing of type {type_}, and with no other.")
    between, last = routing.get(WAIT) or 0, policy.get(TERMINATION) or 0
    if kind == "CANARY":
        canary = _sizes(plan, routing["CanarySize"], member="CanarySize", least_percent=0)
        yield _step(plan, canary, "canary", between, WAIT)
    elif kind == "LINEAR":
        sizes = _sizes(plan, routing["LinearStepSize"], member="LinearStepSize", least_percent=SMALLEST_LINEAR_PERCENT)
        for active in list(_growing(plan, sizes))[:-1]:
            yield _step(plan, active, "partial", between, WAIT)
    yield _step(plan, _whole(plan), "full", last, TERMINATION)


def _rolling(policy: Mapping[str, Any], plan: FleetPlan) -> Iterator[Step]:
    member, least = "MaximumBatchSize", SMALLEST_ROLLING_PERCENT
    sizes = _sizes(plan, policy[member], member=member, least_percent=least)
    for active in _growing(plan, sizes):
        capacity = "full" if active == _whole(plan) else "partial"
        yield _step(plan, active, capacity, policy[WAIT], WAIT)


def _growing(plan: FleetPlan, sizes: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    """What is active after each step, until everything is."""
    whole = _whole(plan)
    steps = max(math.ceil(whole[name] / size) for name, size in sizes.items())
    for number in range(1, steps + 1):
        yield {name: min(whole[name], number * size) for name, size in sizes.items()}


def _sizes(plan: FleetPlan, size: Mapping[str, Any], *, member: str, least_percent: int) -> dict[str, int]:
    """The instances of one step, by variant."""
    if size["Type"] == "CAPACITY_PERCENT" and not least_percent <= size["Value"] <= LARGEST_PERCENT:
        raise InvalidDeployment(_out_of_range(member, f"{size['Value']} percent", least_percent))
    sizes = {variant.name: _size(variant, size) for variant in plan.variants}
    for variant in plan.variants:
        percent = 100 * sizes[variant.name] / _count(variant)
        is_too_small = size["Type"] == "INSTANCE_COUNT" and percent < least_percent
        if percent > LARGEST_PERCENT or is_too_small:
            found = f"{sizes[variant.name]} of the {_count(variant)} instance(s) of variant {variant.name}"
            raise InvalidDeployment(_out_of_range(member, found, least_percent))
    return sizes


def _size(variant: VariantPlan, size: Mapping[str, Any]) -> int:
    """At least one instance; a percentage is rounded to whole ones."""
    if size["Type"] == "INSTANCE_COUNT":
        return int(size["Value"])
    share = float(size["Value"]) / 100
    return max(1, min(_count(variant) // 2, round(_count(variant) * share)))


def _out_of_range(member: str, found: str, least_percent: int) -> str:
    least = f"between {least_percent} and" if least_percent else "at most"
    return f"{member} is {found}. It must be {least} {LARGEST_PERCENT} percent of the variant's instance count."


def _step(plan: FleetPlan, active: Mapping[str, int], capacity: str, bake_seconds: float, wait: str) -> Step:
    share = sum(active.values()) / sum(_whole(plan).values())
    return Step(active=active, share=share, capacity=capacity, bake_seconds=bake_seconds, wait=wait)


def _whole(plan: FleetPlan) -> dict[str, int]:
    return {variant.name: _count(variant) for variant in plan.variants}


def _count(variant: VariantPlan) -> int:
    """A variant that is scaled in to nothing still has one process here."""
    return max(1, variant.instances)
