"""The monitor's environment variables, typed. The stack imports this to set what the function reads.

What the package declares (`[monitor]`, the task) comes with the function's code, as package.toml: too much for here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.gateway.metrics import NAMESPACE
from functions.shared.environment import read_text


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """One package's monitor. Each value may be a CloudFormation reference while the stack is made."""

    package: str
    endpoint_name: str
    captures_bucket: str
    initial_baseline_uri: str
    """s3://bucket/key of a zip with the initial version's baseline; a registered version names its own."""
    champion_parameter: str
    gateway_log_group: str
    processing_role_arn: str
    processing_image_uri: str
    """AWS's Spark image for SageMaker Processing."""
    processing_app_uri: str
    """s3://bucket/key of spark.py, which the job runs."""
    processing_code_uri: str
    """s3://bucket/key of a zip with what it imports."""
    key_arn: str
    """Encrypts what a job spools to its disks; empty where the instances' own disks do that."""
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MonitorSettings:
        """Raises: OperatorError that names the first variable which is missing or wrong."""
        return cls(
            package=read_text(environment, "FLYBALL_PACKAGE"),
            endpoint_name=read_text(environment, "FLYBALL_ENDPOINT_NAME"),
            captures_bucket=read_text(environment, "FLYBALL_CAPTURES_BUCKET"),
            initial_baseline_uri=read_text(environment, "FLYBALL_INITIAL_BASELINE"),
            champion_parameter=read_text(environment, "FLYBALL_CHAMPION_PARAMETER"),
            gateway_log_group=read_text(environment, "FLYBALL_GATEWAY_LOG_GROUP"),
            processing_role_arn=read_text(environment, "FLYBALL_PROCESSING_ROLE"),
            processing_image_uri=read_text(environment, "FLYBALL_PROCESSING_IMAGE"),
            processing_app_uri=read_text(environment, "FLYBALL_PROCESSING_APP"),
            processing_code_uri=read_text(environment, "FLYBALL_PROCESSING_CODE"),
            key_arn=environment.get("FLYBALL_KEY", ""),
            log_level=environment.get("POWERTOOLS_LOG_LEVEL", "INFO"),
        )

    def to_environment(self) -> dict[str, str]:
        """What the stack sets on the function; the POWERTOOLS_ names are AWS Lambda Powertools' own."""
        return {
            "FLYBALL_PACKAGE": self.package,
            "FLYBALL_ENDPOINT_NAME": self.endpoint_name,
            "FLYBALL_CAPTURES_BUCKET": self.captures_bucket,
            "FLYBALL_INITIAL_BASELINE": self.initial_baseline_uri,
            "FLYBALL_CHAMPION_PARAMETER": self.champion_parameter,
            "FLYBALL_GATEWAY_LOG_GROUP": self.gateway_log_group,
            "FLYBALL_PROCESSING_ROLE": self.processing_role_arn,
            "FLYBALL_PROCESSING_IMAGE": self.processing_image_uri,
            "FLYBALL_PROCESSING_APP": self.processing_app_uri,
            "FLYBALL_PROCESSING_CODE": self.processing_code_uri,
            "FLYBALL_KEY": self.key_arn,
            "POWERTOOLS_SERVICE_NAME": self.package,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": self.log_level,
        }
