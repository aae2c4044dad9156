"""Whether autoscaling and endpoint agree: on the variant, the instances, and who sets their number at a deploy."""

from __future__ import annotations

from collections.abc import Iterator

from cdk.preflight.endpoints import Endpoint, endpoints, endpoints_of
from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.installation import Installation, Stack, text_of

SCALING_RANGE = error("scaling-range", "The most instances are fewer than the least: Application Auto Scaling refuses.")
SCALING_START = warning(
    "scaling-start", "The endpoint starts with a number of instances that its scaling does not allow."
)
SCALING_ELSEWHERE = error(
    "scaling-elsewhere",
    "A scalable target names an endpoint or a variant that is not in its stack: registering it fails.",
)
SCALING_RESET = warning(
    "scaling-reset",
    "RetainAllVariantProperties is off on an endpoint that scales: each deploy sets the instances back to the least.",
)
RULES = (SCALING_RANGE, SCALING_START, SCALING_ELSEWHERE, SCALING_RESET)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at every endpoint that scales, and at every scalable target."""
    for endpoint in endpoints(installation):
        yield from _scaling_findings(endpoint)
    for stack in installation.stacks:
        yield from _strayed_targets(stack)


def _scaling_findings(endpoint: Endpoint) -> Iterator[Finding]:
    for target in endpoint.scalable_targets:
        least, most = target.properties["MinCapacity"], target.properties["MaxCapacity"]
        if most < least:
            yield SCALING_RANGE.broken(
                target.where,
                found=f"MaxCapacity {most}, MinCapacity {least}",
                allowed="MaxCapacity of MinCapacity or more",
                change="endpoint.maximum_instances in package.toml",
                package=endpoint.package,
            )
        for variant in endpoint.variants:
            count = variant.get("InitialInstanceCount", 1)
            if least <= most and not least <= count <= most:
                yield SCALING_START.broken(
                    (endpoint.config or endpoint.resource).where,
                    found=f"InitialInstanceCount {count}",
                    allowed=f"{least} to {most}",
                    change="endpoint.minimum_instances in package.toml",
                    package=endpoint.package,
                )
        if not endpoint.resource.properties.get("RetainAllVariantProperties"):
            yield SCALING_RESET.broken(
                endpoint.resource.where,
                found="RetainAllVariantProperties not set",
                allowed="true",
                change="cdk/endpoint.py: retain_all_variant_properties=True",
                package=endpoint.package,
            )


def _strayed_targets(stack: Stack) -> Iterator[Finding]:
    made = {
        f"endpoint/{endpoint.name}/variant/{variant}"
        for endpoint in endpoints_of(stack)
        for variant in endpoint.variant_names
    }
    for target in stack.resources("AWS::ApplicationAutoScaling::ScalableTarget"):
        named = text_of(target.properties["ResourceId"], stack)
        if target.properties.get("ServiceNamespace") == "sagemaker" and named not in made:
            yield SCALING_ELSEWHERE.broken(
                target.where,
                found=named,
                allowed=" or ".join(sorted(made)) or "no endpoint is in this stack",
                change="resource_id in cdk/scaling.py",
                package=stack.package_name,
            )
