"""The gateway's environment variables, typed. The stack imports this to set what the function reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.gateway.metrics import NAMESPACE
from functions.shared.environment import read_text, read_whole_number


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One package's gateway. `endpoint_name` may be a CloudFormation reference while the stack is made."""

    package: str
    endpoint_name: str
    timeout_seconds: int
    maximum_body_bytes: int
    maximum_rows: int
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> GatewaySettings:
        """Raises: OperatorError that names the first variable which is missing or wrong."""
        return cls(
            package=read_text(environment, "FLYBALL_PACKAGE"),
            endpoint_name=read_text(environment, "FLYBALL_ENDPOINT_NAME"),
            timeout_seconds=read_whole_number(environment, "FLYBALL_TIMEOUT_SECONDS"),
            maximum_body_bytes=read_whole_number(environment, "FLYBALL_MAXIMUM_BODY_BYTES"),
            maximum_rows=read_whole_number(environment, "FLYBALL_MAXIMUM_ROWS"),
            log_level=environment.get("POWERTOOLS_LOG_LEVEL", "INFO"),
        )

    def to_environment(self) -> dict[str, str]:
        """What the stack sets on the function; the POWERTOOLS_ names are AWS Lambda Powertools' own."""
        return {
            "FLYBALL_PACKAGE": self.package,
            "FLYBALL_ENDPOINT_NAME": self.endpoint_name,
            "FLYBALL_TIMEOUT_SECONDS": str(self.timeout_seconds),
            "FLYBALL_MAXIMUM_BODY_BYTES": str(self.maximum_body_bytes),
            "FLYBALL_MAXIMUM_ROWS": str(self.maximum_rows),
            "POWERTOOLS_SERVICE_NAME": self.package,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": self.log_level,
        }
