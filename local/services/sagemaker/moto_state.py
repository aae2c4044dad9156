"""Reads models and endpoint configs out of moto's memory, and shows in it how endpoints are.

What the local cloud does not implement is refused by name when a config is made: nothing is skipped later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, SageMakerModelBackend, sagemaker_backends

from local.services.sagemaker.endpoints import EndpointState
from local.services.sagemaker.plan import DEFAULT_STARTUP_SECONDS, FleetPlan, ModelContainer, VariantPlan
from model_packages.errors import UnsupportedResource

INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
REFUSED_CONFIG_MEMBERS: Final = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")
REFUSED_VARIANT_MEMBERS: Final = (
    "ServerlessConfig",
    "InstancePools",
    "AcceleratorPartitionLayouts",
    "CapacityReservationConfig",
)
REFUSED_CONTAINER_MEMBERS: Final = (
    "ModelDataSource",
    "AdditionalModelDataSources",
    "MultiModelConfig",
    "InferenceSpecificationName",
)


class EndpointConfig(FakeEndpointConfig):
    """moto's endpoint config, without its list of instance types: that lacks g5, g6 and all later ones."""

    def __init__(self, parameters: Mapping[str, Any], *, account_id: str, region: str) -> None:
        self.metrics_config = parameters.get("MetricsConfig")
        super().__init__(
            account_id=account_id,
            region_name=region,
            endpoint_config_name=parameters["EndpointConfigName"],
            production_variants=parameters["ProductionVariants"],
            async_inference_config={},
            data_capture_config=parameters.get("DataCaptureConfig") or {},
            tags=parameters.get("Tags") or [],
            kms_key_id=parameters.get("KmsKeyId") or "",
        )

    def validate_instance_type(self, instance_type: str) -> None:
        """Accept whatever has the form of an instance type."""
        if not INSTANCE_TYPE.fullmatch(instance_type):
            raise unsupported("EndpointConfig", "ProductionVariants", f"InstanceType {instance_type}")

    def is_created(self) -> bool:
        """moto's CloudFormation asks; nobody here does."""
        return True


class Endpoint(FakeEndpoint):
    """moto's endpoint, with what an update may bring."""

    def __init__(
        self, parameters: Mapping[str, Any], *, config: FakeEndpointConfig, account_id: str, region: str
    ) -> None:
        super().__init__(
            account_id=account_id,
            region_name=region,
            endpoint_name=parameters["EndpointName"],
            endpoint_config_name=config.endpoint_config_name,
            production_variants=config.production_variants,
            data_capture_config=config.data_capture_config,
            tags=parameters.get("Tags") or [],
        )
        self.last_deployment_config = parameters.get("DeploymentConfig")

    def is_created(self) -> bool:
        """moto's CloudFormation asks; nobody here does."""
        return True


class MotoState:
    """The SageMaker objects of one account and region."""

    def __init__(self, *, account_id: str, region: str) -> None:
        self.account_id, self.region = account_id, region

    @property
    def backend(self) -> SageMakerModelBackend:
        """moto's own store."""
        return sagemaker_backends[self.account_id][self.region]

    def show(self, endpoint: str, state: EndpointState) -> None:
        """Make DescribeEndpoint and ListEndpoints say so."""
        shown = self.backend.endpoints[endpoint]
        if shown.endpoint_config_name != state.config_name:
            config = self.backend.endpoint_configs.get(state.config_name)
            self._show_config(shown, state.config_name, config)
        shown.endpoint_status = state.status.value
        shown.failure_reason = state.failure_reason  # type: ignore[assignment]  # moto's is always None
        shown.last_modified_time = datetime.now(UTC).replace(tzinfo=None)

    def remove(self, endpoint: str) -> None:
        """Make the endpoint unknown."""
        del self.backend.endpoints[endpoint]

    def _show_config(self, shown: FakeEndpoint, name: str, config: FakeEndpointConfig | None) -> None:
        shown.endpoint_config_name = name
        if config is not None:
            shown.production_variants = shown._process_production_variants(config.production_variants)
            shown.data_capture_config = config.data_capture_config

    def reweigh(self, endpoint: str, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Show new weights and instance counts.

        Raises: LookupError for a variant that the endpoint does not have.
        """
        shown = self.backend.endpoints[endpoint]
        variants = {variant["VariantName"]: variant for variant in shown.production_variants}
        for change in wanted:
            name = change["VariantName"]
            if name not in variants:
                config = shown.endpoint_config_name
                raise LookupError(
                    f'The variant name(s) "{name}" is/are not present within endpoint configuration "{config}".'
                )
            for member in ("Weight", "InstanceCount"):
                if (value := change.get(f"Desired{member}")) is not None:
                    variants[name] |= {f"Current{member}": value, f"Desired{member}": value}

    def plan(self, config_name: str) -> FleetPlan | None:
        """What the config makes an endpoint run; None where there is no such config.

        Raises: UnsupportedResource for what is not implemented here; LookupError for a model that does not exist.
        """
        config = self.backend.endpoint_configs.get(config_name)
        if config is None:
            return None
        variants = tuple(self._variant(variant) for variant in config.production_variants)
        return FleetPlan(config_name, variants)

    def _variant(self, variant: Mapping[str, Any]) -> VariantPlan:
        return VariantPlan(
            name=variant["VariantName"],
            container=self._container(variant["ModelName"]),
            weight=float(variant.get("InitialVariantWeight", 1.0)),
            startup_seconds=float(variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_SECONDS)),
        )

    def _container(self, model_name: str) -> ModelContainer:
        """The model's one container; what a registered version says comes first, what the model adds is laid over."""
        model = self.backend._models.get(model_name)
        if model is None:
            raise LookupError(f"Could not find model {model_name}.")
        containers: Sequence[Mapping[str, Any]] = model.containers or [model.primary_container]
        if len(containers) != 1:
            raise unsupported("Model", model_name, f"a pipeline of {len(containers)} Containers")
        own = containers[0]
        refuse_members(own, REFUSED_CONTAINER_MEMBERS, resource="Model", name=model_name)
        if own.get("Mode", "SingleModel") != "SingleModel":
            raise unsupported("Model", model_name, f"Mode {own['Mode']}")
        registered = self._registered(own["ModelPackageName"]) if own.get("ModelPackageName") else {}
        image = own.get("Image") or registered.get("Image")
        if not image:
            raise unsupported("Model", model_name, "a container without an Image")
        return ModelContainer(
            image=image,
            model_data_url=own.get("ModelDataUrl") or registered.get("ModelDataUrl"),
            environment={**(registered.get("Environment") or {}), **(own.get("Environment") or {})},
        )

    def _registered(self, package_name: str) -> Mapping[str, Any]:
        """The container of a version in the Model Registry, named by name or ARN."""
        backend = self.backend
        package = backend.model_packages.get(backend.model_package_name_mapping.get(package_name, package_name))
        if package is None:
            raise LookupError(f"Could not find model package {package_name}.")
        containers: list[Mapping[str, Any]] = (package.inference_specification or {}).get("Containers") or []
        if len(containers) != 1:
            raise unsupported(
                "ModelPackage", package_name, f"an InferenceSpecification of {len(containers)} Containers"
            )
        refuse_members(containers[0], REFUSED_CONTAINER_MEMBERS, resource="ModelPackage", name=package_name)
        return containers[0]


def refuse_config(parameters: Mapping[str, Any]) -> None:
    """Refuse what CreateEndpointConfig may ask for and nobody here can do."""
    name = parameters["EndpointConfigName"]
    refuse_members(parameters, REFUSED_CONFIG_MEMBERS, resource="EndpointConfig", name=name)
    for variant in parameters["ProductionVariants"]:
        refuse_members(variant, REFUSED_VARIANT_MEMBERS, resource="EndpointConfig", name=name)
        if not variant.get("ModelName"):
            raise unsupported("EndpointConfig", name, "a variant without ModelName (inference components)")


def refuse_members(members: Mapping[str, Any], refused: Iterable[str], *, resource: str, name: str) -> None:
    for member in refused:
        if members.get(member):
            raise unsupported(resource, name, member)


def unsupported(resource: str, name: str, detail: str) -> UnsupportedResource:
    """The error to raise; `resource` is the type without `AWS::SageMaker::`."""
    return UnsupportedResource(resource_type=f"AWS::SageMaker::{resource}", logical_id=name, detail=detail)
