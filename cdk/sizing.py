"""How many instances an environment gives a package, whatever package.toml declares, and the rollout that fits them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cdk.settings import Instances
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage

FEWEST_THAT_SHIFT = 2
"""Canary and linear rollouts shift at most half of the capacity a step."""


def sized(package: ModelPackage, bounds: Instances) -> ModelPackage:
    """The package as an environment of these bounds runs it; everything else stays as it is declared."""
    declared = package.config.endpoint
    minimum = _within(declared.minimum_instances, bounds)
    maximum = _within(declared.maximum_instances, bounds)
    if (minimum, maximum) == (declared.minimum_instances, declared.maximum_instances):
        return package
    sections: dict[str, Any] = package.config.model_dump()
    sections["endpoint"] |= {"minimum_instances": minimum, "maximum_instances": maximum}
    if minimum < FEWEST_THAT_SHIFT:
        sections["rollout"]["strategy"] = "all_at_once"
    return replace(package, config=PackageConfig.model_validate(sections))


def _within(instances: int, bounds: Instances) -> int:
    most = instances if bounds.at_most is None else min(instances, bounds.at_most)
    return max(bounds.at_least, most)
