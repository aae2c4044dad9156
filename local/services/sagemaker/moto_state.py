"""Reads models and endpoint configs out of moto's memory, and shows in it how endpoints are.

What the local cloud does not implement is refused by name when a config is made: nothing is skipped later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.models import Model as FakeModel

from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.pending import PendingDeployment, in_service, retaining
from local.services.sagemaker.plan import (
    DEFAULT_STARTUP_SECONDS,
    CapturePlan,
    FleetPlan,
    ModelContainer,
    VariantPlan,
)
from model_packages.errors import UnsupportedResource

Registered = Callable[[str], Sequence[Mapping[str, Any]]]

UNDER_WAY: Final = (EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK)
"""While an endpoint is shown so, a deployment is pending."""

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


def nothing_registered(package_name: str) -> list[Mapping[str, Any]]:
    """The registry of those who have none."""
    raise LookupError(f"Could not find model package {package_name}.")


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


def described(found: Any) -> dict[str, Any]:
    """One of moto's objects under AWS's names; what is not set is left out."""
    members: dict[str, Any] = found.response_object
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


class EndpointConfig(FakeEndpointConfig):
    """moto's endpoint config, without its list of instance types: that lacks g5, g6 and all later ones."""

    def __init__(self, parameters: Mapping[str, Any], *, account_id: str, region: str) -> None:
        self.metrics_config = parameters.get("MetricsConfig")
        self.execution_role_arn = parameters.get("ExecutionRoleArn")
        self.enable_network_isolation = parameters.get("EnableNetworkIsolation")
        self.vpc_config = parameters.get("VpcConfig")
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
        """Whoever makes a config has checked it against the service model."""

    def is_created(self) -> bool:
        """moto's CloudFormation asks; nobody here does."""
        return True


class Model(FakeModel):
    """moto's model, with the isolation that it forgets."""

    def __init__(self, parameters: Mapping[str, Any], *, account_id: str, region: str) -> None:
        super().__init__(
            account_id=account_id,
            region_name=region,
            model_name=parameters["ModelName"],
            execution_role_arn=parameters["ExecutionRoleArn"],
            primary_container=parameters.get("PrimaryContainer") or {},
            vpc_config=parameters.get("VpcConfig") or {},
            containers=parameters.get("Containers") or [],
            tags=parameters.get("Tags") or [],
        )
        self.enable_network_isolation = bool(parameters.get("EnableNetworkIsolation"))

    def is_created(self) -> bool:
        """moto's CloudFormation asks; nobody here does."""
        return True


class Endpoint(FakeEndpoint):
    """moto's endpoint, with what an update may bring. `pending_...` is of the deployment that is under way."""

    pending_deployment_summary: Mapping[str, Any] | None = None
    pending_capture_config: Mapping[str, Any] | None = None

    def __init__(self, parameters: Mapping[str, Any], *, config: FakeEndpointConfig, state: MotoState) -> None:
        super().__init__(
            account_id=state.account_id,
            region_name=state.region,
            endpoint_name=parameters["EndpointName"],
            endpoint_config_name=config.endpoint_config_name,
            production_variants=config.production_variants,
            data_capture_config=config.data_capture_config,
            tags=parameters.get("Tags") or [],
        )
        self.production_variants = state.variants(config)
        self.last_deployment_config = parameters.get("DeploymentConfig")

    def is_created(self) -> bool:
        """moto's CloudFormation asks; nobody here does."""
        return True


class MotoState:
    """The SageMaker objects of one account and region.

    `registered` finds the containers of a version in the Model Registry; it raises LookupError where there is none.
    """

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        registered: Registered = nothing_registered,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.account_id, self.region, self.now = account_id, region, now
        self.registered = registered

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a model, an endpoint or a config."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"

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
        if isinstance(shown, Endpoint) and state.status not in UNDER_WAY:
            shown.pending_deployment_summary = shown.pending_capture_config = None
        shown.endpoint_status = state.status.value
        shown.failure_reason = state.failure_reason  # type: ignore[assignment]  # moto's is always None
        shown.last_modified_time = self.now().replace(tzinfo=None)

    def remove(self, endpoint: str) -> None:
        """Make the endpoint unknown."""
        del self.backend.endpoints[endpoint]

    def stage(self, endpoint: str, pending: PendingDeployment) -> None:
        """Make DescribeEndpoint say where a deployment stands."""
        shown = self.backend.endpoints[endpoint]
        if isinstance(shown, Endpoint):
            shown.pending_deployment_summary = pending.summary()

    def _show_config(self, shown: FakeEndpoint, name: str, config: FakeEndpointConfig | None) -> None:
        shown.endpoint_config_name = name
        if config is None:
            return
        shown.production_variants = self.variants(config)
        shown.data_capture_config = config.data_capture_config
        if isinstance(shown, Endpoint) and (pending := shown.pending_deployment_summary) is not None:
            if pending["EndpointConfigName"] == name:
                shown.production_variants = in_service(shown.production_variants, pending)
            if shown.pending_capture_config is not None:
                shown.data_capture_config = dict(shown.pending_capture_config)

    def variants(self, config: FakeEndpointConfig) -> list[dict[str, Any]]:
        """The variants of a config as DescribeEndpoint shows them once they serve."""
        return [self._shown_variant(variant) for variant in config.production_variants]

    def _shown_variant(self, variant: Mapping[str, Any]) -> dict[str, Any]:
        weight, count = variant.get("InitialVariantWeight", 1.0), variant.get("InitialInstanceCount", 1)
        return {
            "VariantName": variant["VariantName"],
            **self._deployed_images(variant["ModelName"]),
            **{f"{when}Weight": weight for when in ("Current", "Desired")},
            **{f"{when}InstanceCount": count for when in ("Current", "Desired")},
            **{name: variant[name] for name in ("ManagedInstanceScaling", "RoutingConfig") if name in variant},
        }

    def _deployed_images(self, model_name: str) -> dict[str, Any]:
        """Nothing where the model has been deleted since: that does not stop its servers."""
        try:
            image = self._container(model_name).image
        except LookupError:
            return {}
        return {"DeployedImages": [{"SpecifiedImage": image, "ResolutionTime": self.now().isoformat()}]}

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
        role = getattr(config, "execution_role_arn", None)
        return FleetPlan(config_name, variants, _capture_plan(config.data_capture_config), role)

    def retained(self, plan: FleetPlan, endpoint: FakeEndpoint, *, excluded: Collection[str] = ()) -> FleetPlan:
        """The plan with what the endpoint has now: its variants' counts and weights, and what it captures."""
        kept = retaining(plan, endpoint.production_variants or (), excluded=excluded)
        if "DataCaptureConfig" in excluded:
            return kept
        return replace(kept, capture=_capture_plan(endpoint.data_capture_config or {}))

    def _variant(self, variant: Mapping[str, Any]) -> VariantPlan:
        return VariantPlan(
            name=variant["VariantName"],
            container=self._container(variant["ModelName"]),
            weight=float(variant.get("InitialVariantWeight", 1.0)),
            instances=int(variant.get("InitialInstanceCount", 1)),
            instance_type=variant.get("InstanceType"),
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
            role_arn=model.execution_role_arn,
            network_isolated=bool(model.enable_network_isolation),
        )

    def _registered(self, package_name: str) -> Mapping[str, Any]:
        """The container of a version in the Model Registry, named by name or ARN."""
        containers = self.registered(package_name)
        if len(containers) != 1:
            raise unsupported(
                "ModelPackage", package_name, f"an InferenceSpecification of {len(containers)} Containers"
            )
        refuse_members(containers[0], REFUSED_CONTAINER_MEMBERS, resource="ModelPackage", name=package_name)
        return containers[0]


def _capture_plan(config: Mapping[str, Any]) -> CapturePlan | None:
    """None where nothing is captured."""
    if not config.get("EnableCapture"):
        return None
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    types = config.get("CaptureContentTypeHeader") or {}
    return CapturePlan(
        percent=int(config["InitialSamplingPercentage"]),
        destination=config["DestinationS3Uri"],
        kms_key=config.get("KmsKeyId") or None,
        takes_input=bool(modes & {"Input", "InputAndOutput"}),
        takes_output=bool(modes & {"Output", "InputAndOutput"}),
        json_types=frozenset(name.lower() for name in types.get("JsonContentTypes") or ()),
        csv_types=frozenset(name.lower() for name in types.get("CsvContentTypes") or ()),
    )


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
