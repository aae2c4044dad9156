"""A package's configuration with another number of instances than package.toml declares, and the rollout that fits it.

An environment decides the number; a deployment and the retraining loop both roll out by what it decided.
"""

from __future__ import annotations

from typing import Any

from model_packages.contract import PackageConfig

FEWEST_THAT_SHIFT = 2
"""Canary and linear rollouts shift at most half of the capacity a step."""


def with_instances(config: PackageConfig, *, minimum: int, maximum: int) -> PackageConfig:
    """Everything else stays as it is declared."""
    declared = config.endpoint
    if (minimum, maximum) == (declared.minimum_instances, declared.maximum_instances):
        return config
    sections: dict[str, Any] = config.model_dump()
    sections["endpoint"] |= {"minimum_instances": minimum, "maximum_instances": maximum}
    if minimum < FEWEST_THAT_SHIFT:
        sections["rollout"]["strategy"] = "all_at_once"
    return PackageConfig.model_validate(sections)
