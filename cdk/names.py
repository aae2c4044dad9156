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
STATE_MACHINE_LOGS = "/aws/vendedlogs/states"
"""Under /aws/vendedlogs/, because AWS lists every other group that it delivers to in one policy of limited length."""


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
    def datasets(self) -> str:
        """The prefix of what runs of the retraining loop train on, in the captures' bucket."""
        return f"{layout.RETRAINING}/{self.endpoint}/"

    @property
    def artifacts(self) -> str:
        """The prefix of all that there is of this package in the artifacts' bucket."""
        return f"{self.package.aws_name}/"

    @property
    def loop(self) -> str:
        """The prefix of what the retraining loop knows between runs, in the artifacts' bucket."""
        return f"{self.artifacts}{layout.RETRAINING}/"

    @property
    def runs(self) -> str:
        """The prefix of what runs of the retraining loop leave, in the artifacts' bucket."""
        return f"{self.artifacts}runs/"

    @property
    def jobs(self) -> str:
        """What the names of the monitor's and the loop's jobs begin with; the rest takes 24 of 63 characters."""
        return f"{self.endpoint[:39]}-"

    @property
    def gateway_function(self) -> str:
        return f"{self.stack}-gateway"

    @property
    def monitor_function(self) -> str:
        return f"{self.stack}-monitor"

    @property
    def retraining_function(self) -> str:
        return f"{self.stack}-retraining"

    @property
    def libraries_layer(self) -> str:
        """Left to itself, CloudFormation names a layer after the logical id: alike in all stacks of an account."""
        return f"{self.stack}-libraries"

    @property
    def state_machine(self) -> str:
        """The retraining loop's; its function has to know it before it is made."""
        return f"{self.stack}-retraining"

    @property
    def state_machine_log_group(self) -> str:
        return f"{STATE_MACHINE_LOGS}/{self.state_machine}"

    @property
    def champion_parameter(self) -> str:
        return f"/{self.prefix}/{self.package.aws_name}/champion"
