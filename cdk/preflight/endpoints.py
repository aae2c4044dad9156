"""A template's endpoints as one value each: the endpoint, its config, its variants, its alarms and its scaling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdk.preflight.installation import Installation, Json, Resource, Stack, text_of


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One AWS::SageMaker::Endpoint of a stack."""

    stack: Stack
    resource: Resource
    config: Resource | None
    """None where its config is not of the same stack."""

    @property
    def name(self) -> str:
        return text_of(self.resource.properties.get("EndpointName", f"<{self.resource.logical_id}>"), self.stack)

    @property
    def package(self) -> str | None:
        return self.stack.package_name

    @property
    def variants(self) -> Sequence[Json]:
        """Its production variants."""
        return self.config.properties.get("ProductionVariants", []) if self.config else []

    @property
    def all_variants(self) -> Sequence[Json]:
        """Its shadow variants too."""
        shadows = self.config.properties.get("ShadowProductionVariants", []) if self.config else []
        return [*self.variants, *shadows]

    @property
    def variant_names(self) -> set[str]:
        """The names of its production variants."""
        return {text_of(variant["VariantName"], self.stack) for variant in self.variants}

    @property
    def deployment(self) -> Json:
        """Its DeploymentConfig; empty where it has none."""
        found: Json = self.resource.properties.get("DeploymentConfig", {})
        return found

    @property
    def blue_green(self) -> Json:
        """How traffic moves to a new fleet."""
        found: Json = self.deployment.get("BlueGreenUpdatePolicy", {})
        return found

    @property
    def routing(self) -> Json:
        """In which steps traffic moves, and how long each bakes."""
        found: Json = self.blue_green.get("TrafficRoutingConfiguration", {})
        return found

    @property
    def scalable_targets(self) -> Iterator[Resource]:
        """What scales one of its variants."""
        for target in self.stack.resources("AWS::ApplicationAutoScaling::ScalableTarget"):
            if text_of(target.properties["ResourceId"], self.stack).startswith(f"endpoint/{self.name}/"):
                yield target

    def scalable_targets_of(self, variant: str) -> Iterator[Resource]:
        """What scales the variant of that name."""
        for target in self.scalable_targets:
            if text_of(target.properties["ResourceId"], self.stack).endswith(f"/variant/{variant}"):
                yield target


def endpoints(installation: Installation) -> Iterator[Endpoint]:
    """Every endpoint of every stack."""
    for stack in installation.stacks:
        yield from endpoints_of(stack)


def endpoints_of(stack: Stack) -> Iterator[Endpoint]:
    """Every endpoint of one stack."""
    for resource in stack.resources("AWS::SageMaker::Endpoint"):
        yield Endpoint(stack=stack, resource=resource, config=_config(stack, resource))


def _config(stack: Stack, endpoint: Resource) -> Resource | None:
    match endpoint.properties.get("EndpointConfigName"):
        case {"Fn::GetAtt": [str(logical_id), *_]} | {"Ref": str(logical_id)}:
            return stack.resource(logical_id)
    return None
