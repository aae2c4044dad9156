"""How many instances an environment gives a package, whatever package.toml declares, and the rollout that fits them."""

from __future__ import annotations

from dataclasses import replace

from cdk.settings import Instances
from model_packages.discovery import ModelPackage
from model_packages.sizing import with_instances


def sized(package: ModelPackage, bounds: Instances) -> ModelPackage:
    """The package as an environment of these bounds runs it; everything else stays as it is declared."""
    declared = package.config.endpoint
    minimum, maximum = (_within(each, bounds) for each in (declared.minimum_instances, declared.maximum_instances))
    return replace(package, config=with_instances(package.config, minimum=minimum, maximum=maximum))


def _within(instances: int, bounds: Instances) -> int:
    most = instances if bounds.at_most is None else min(instances, bounds.at_most)
    return max(bounds.at_least, most)
