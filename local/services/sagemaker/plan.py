"""What an endpoint config asks for, resolved down to images and artifacts. Immutable data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_STARTUP_SECONDS = 480.0


@dataclass(frozen=True, slots=True)
class ModelContainer:
    """The one container of a model: its image, its artifact in S3, and the environment that the model sets.

    The platform fetches both in the name of `role_arn`, whose credentials the process gets unless it is isolated.
    """

    image: str
    model_data_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    role_arn: str | None = None
    network_isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantPlan:
    """One production variant. `weight` is its share of the traffic, relative to the other variants'.

    `instances` is the capacity that it asks for; here one process stands for all of them.
    """

    name: str
    container: ModelContainer
    weight: float = 1.0
    instances: int = 1
    instance_type: str | None = None
    startup_seconds: float = DEFAULT_STARTUP_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePlan:
    """What a config's DataCaptureConfig asks for; `percent` of the requests, on the sides that are taken.

    Content types are in lower case; a body of any other is stored in base64.
    """

    percent: int
    destination: str
    kms_key: str | None
    takes_input: bool
    takes_output: bool
    json_types: frozenset[str]
    csv_types: frozenset[str]


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Everything that one endpoint config makes an endpoint run. `role_arn` is the config's own role, if it has one."""

    config_name: str
    variants: tuple[VariantPlan, ...]
    capture: CapturePlan | None = None
    role_arn: str | None = None

    @property
    def instances(self) -> int:
        """The capacity of all variants."""
        return sum(variant.instances for variant in self.variants)

    @property
    def execution_role(self) -> str | None:
        """In whose name SageMaker looks at what belongs to the endpoint as a whole, such as its rollback alarms."""
        models = (variant.container.role_arn for variant in self.variants)
        return self.role_arn or next(models, None)

    def role_of(self, variant: str) -> str | None:
        """The role of a variant's model."""
        return next((each.container.role_arn for each in self.variants if each.name == variant), None)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What stands for a container image here: its build context, and what its Dockerfile's ENV lines set."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a variant did not come into service, in the words of `FailureReason`."""

    reason: str
