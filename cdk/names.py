"""The names that two stacks, or a stack and a caller, agree on without a reference between them.

Every other name is CloudFormation's to make. Why these are plain names: docs/decisions/one-api.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.shared import layout
from model_packages.discovery import ModelPackage

VARIANT = layout.VARIANT
STAGE = "api"
CAPTURES_PREFIX = layout.CAPTURES
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"  # SageMaker's choice


@dataclass(frozen=True, slots=True)
class PackageNames:
    """What AWS calls the parts of one model package."""

    prefix: str
    package: ModelPackage

    @property
    def stack(self) -> str:
        return f"{self.prefix}-{self.package.aws_name}"

    @property
    def endpoint(self) -> str:
        return self.stack

    @property
    def model_package_group(self) -> str:
        return self.stack

    @property
    def endpoint_log_group(self) -> str:
        return f"{ENDPOINT_LOGS}/{self.endpoint}"

    @property
    def captures(self) -> str:
        """The prefix of the endpoint's captures in their bucket; SageMaker adds the endpoint's name itself."""
        return f"{CAPTURES_PREFIX}/{self.endpoint}/"

    @property
    def labels(self) -> str:
        """The prefix of what callers fed back, in the captures' bucket."""
        return layout.labels_prefix(self.endpoint)

    @property
    def monitored(self) -> str:
        """The prefix of all that the monitor writes, in the captures' bucket."""
        return layout.monitor_prefix(self.endpoint)

    @property
    def processing_jobs(self) -> str:
        """What the names of the monitor's jobs begin with; what tells them apart takes 24 of 63 characters."""
        return f"{self.endpoint[:39]}-"

    @property
    def gateway_function(self) -> str:
        return f"{self.stack}-gateway"

    @property
    def monitor_function(self) -> str:
        return f"{self.stack}-monitor"

    @property
    def champion_parameter(self) -> str:
        return f"/{self.prefix}/{self.package.aws_name}/champion"
