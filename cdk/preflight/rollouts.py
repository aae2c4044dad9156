"""Whether a rollout can be carried out: enough instances, enough time, and names that an update keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cdk.names import VARIANT
from cdk.preflight.endpoints import Endpoint, endpoints
from cdk.preflight.findings import Finding, error
from cdk.preflight.installation import Installation, Json
from model_packages.contract import PROVISIONING_MINUTES

NEEDS_TWO = error(
    "shift-needs-two-instances",
    "A canary or linear rollout shifts at most half of the capacity: SageMaker refuses it on one instance.",
)
TIMES_OUT = error(
    "rollout-times-out",
    "The bakes take longer than MaximumExecutionTimeoutInSeconds: every update is rolled back.",
)
NAMED_CONFIG = error(
    "endpoint-config-named",
    "An endpoint config has a name: every change replaces it, and CloudFormation cannot make a second of the name.",
)
VARIANT_RENAMED = error(
    "variant-renamed",
    "The variant has another name than in other versions: an update would lose its scaling, alarms and counts.",
)
RULES = (NEEDS_TWO, TIMES_OUT, NAMED_CONFIG, VARIANT_RENAMED)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at every endpoint with its config."""
    for endpoint in endpoints(installation):
        yield from _rollout_findings(endpoint)
        yield from _config_findings(endpoint)


def _rollout_findings(endpoint: Endpoint) -> Iterator[Finding]:
    routing, policy = endpoint.routing, endpoint.blue_green
    if routing.get("Type") in ("CANARY", "LINEAR"):
        for variant in endpoint.variants:
            count = variant.get("InitialInstanceCount", 1)
            if count < 2:
                yield NEEDS_TWO.broken(
                    endpoint.resource.where,
                    found=f"{routing['Type']} with {count} instance of variant {variant['VariantName']}",
                    allowed="2 instances or more",
                    change="endpoint.minimum_instances or rollout.strategy in package.toml, or the environment's "
                    "number of instances in cdk.json",
                    package=endpoint.package,
                )
    timeout, needed = policy.get("MaximumExecutionTimeoutInSeconds"), _rollout_seconds(routing, policy)
    if timeout is not None and needed > timeout:
        yield TIMES_OUT.broken(
            endpoint.resource.where,
            found=f"{timeout} s, for bakes of {needed - PROVISIONING_MINUTES * 60} s and {PROVISIONING_MINUTES} "
            "minutes until new instances run",
            allowed=f"{needed} s or more",
            change="Rollout.longest_minutes in model_packages/contract.py, or a shorter rollout.bake_minutes",
            package=endpoint.package,
        )


def _config_findings(endpoint: Endpoint) -> Iterator[Finding]:
    if endpoint.config is not None and "EndpointConfigName" in endpoint.config.properties:
        yield NAMED_CONFIG.broken(
            endpoint.config.where,
            found=f"EndpointConfigName {endpoint.config.properties['EndpointConfigName']}",
            allowed="no EndpointConfigName",
            change="leave the name out: CloudFormation makes one up",
            package=endpoint.package,
        )
    for name in endpoint.variant_names - {VARIANT}:
        yield VARIANT_RENAMED.broken(
            (endpoint.config or endpoint.resource).where,
            found=f"VariantName {name}",
            allowed=VARIANT,
            change="VARIANT of cdk/names.py everywhere",
            package=endpoint.package,
        )


def _rollout_seconds(routing: Json, policy: Json) -> int:
    """All bakes, the wait before the old instances go, and the time for the new ones to start."""
    step = routing.get("LinearStepSize", {})
    by_percent = step.get("Type") == "CAPACITY_PERCENT"
    steps = {"CANARY": 2, "LINEAR": math.ceil(100 / step["Value"]) if by_percent else 1}.get(routing.get("Type", ""), 1)
    waiting: int = steps * routing.get("WaitIntervalInSeconds", 0) + policy.get("TerminationWaitInSeconds", 0)
    return PROVISIONING_MINUTES * 60 + waiting
