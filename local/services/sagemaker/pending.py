"""What is under way with an endpoint, as DescribeEndpoint's PendingDeploymentSummary shows it; and what is retained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from local.services.sagemaker.plan import FleetPlan, VariantPlan

PROPERTIES: Final[Mapping[str, str]] = {"DesiredInstanceCount": "instances", "DesiredWeight": "weight"}
"""The variant properties that an update may retain, and what they are called in a plan."""


class Stage(StrEnum):
    """The stages of a deployment, as VariantStatus names them."""

    CREATING = "Creating"
    ACTIVATING_TRAFFIC = "ActivatingTraffic"
    BAKING = "Baking"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDeployment:
    """A deployment and where it stands; `active` instances of each variant get traffic.

    `message` has a place for `{instances}`, which is filled for each variant with the number that the stage is about.
    """

    plan: FleetPlan
    started_at: datetime
    stage: Stage
    since: datetime
    message: str
    active: Mapping[str, int]

    def summary(self) -> dict[str, Any]:
        """PendingDeploymentSummary."""
        return {
            "EndpointConfigName": self.plan.config_name,
            "ProductionVariants": [self._variant(variant) for variant in self.plan.variants],
            "StartTime": self.started_at,
        }

    def _variant(self, variant: VariantPlan) -> dict[str, Any]:
        active = self.active.get(variant.name, 0)
        about = active if self.stage in (Stage.ACTIVATING_TRAFFIC, Stage.BAKING) else variant.instances
        status = {
            "Status": self.stage.value,
            "StatusMessage": self.message.format(instances=about),
            "StartTime": self.since,
        }
        image = {"SpecifiedImage": variant.container.image, "ResolutionTime": self.started_at.isoformat()}
        return {
            "VariantName": variant.name,
            "DeployedImages": [image],
            **{f"{when}Weight": variant.weight for when in ("Current", "Desired")},
            "CurrentInstanceCount": active,
            "DesiredInstanceCount": variant.instances,
            **({"InstanceType": variant.instance_type} if variant.instance_type else {}),
            "VariantStatus": [status],
        }


def launching(plan: FleetPlan, *, now: datetime) -> PendingDeployment:
    """The first stage of every deployment."""
    return PendingDeployment(
        plan=plan,
        started_at=now,
        stage=Stage.CREATING,
        since=now,
        message="Launching {instances} instance(s).",
        active={},
    )


def in_service(variants: Iterable[Mapping[str, Any]], pending: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variants of a config with the counts and weights that were pending."""
    wanted = {variant["VariantName"]: variant for variant in pending.get("ProductionVariants") or ()}
    return [{**variant, **_reached(wanted.get(variant["VariantName"], {}))} for variant in variants]


def _reached(pending: Mapping[str, Any]) -> dict[str, Any]:
    desired = {name: pending[name] for name in PROPERTIES if name in pending}
    return {**desired, **{f"Current{name.removeprefix('Desired')}": value for name, value in desired.items()}}


def retaining(plan: FleetPlan, shown: Iterable[Mapping[str, Any]], *, excluded: Iterable[str] = ()) -> FleetPlan:
    """The plan with the instance counts and weights that the variants of the same names have now."""
    before = {variant["VariantName"]: variant for variant in shown}
    kept = {name: member for name, member in PROPERTIES.items() if name not in set(excluded)}
    variants = tuple(_retaining(variant, before.get(variant.name, {}), kept) for variant in plan.variants)
    return replace(plan, variants=variants)


def _retaining(variant: VariantPlan, shown: Mapping[str, Any], kept: Mapping[str, str]) -> VariantPlan:
    changes: dict[str, Any] = {member: shown[name] for name, member in kept.items() if name in shown}
    if "weight" in changes:
        changes["weight"] = float(changes["weight"])
    return replace(variant, **changes)
