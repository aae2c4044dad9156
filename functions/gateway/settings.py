"""The gateway's environment variables, typed. The stack imports this to set what the function reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.gateway.metrics import NAMESPACE
from functions.shared.environment import read_choice, read_text, read_whole_number

BLOCKS = ("row", "time", "caller")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One package's gateway. Names may be CloudFormation references while the stack is made."""

    package: str
    endpoint_name: str
    timeout_seconds: int
    maximum_body_bytes: int
    maximum_rows: int
    captures_bucket: str
    """Where labels are stored, and captures where the gateway writes them."""
    label_days: int
    """A prediction takes a label for this long."""
    capture_percent: int
    """Share of requests that the gateway captures; 0 where the endpoint does, or nobody."""
    block: str
    """monitor.block; with "caller" the captures tell callers apart."""
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
            captures_bucket=read_text(environment, "FLYBALL_CAPTURES_BUCKET"),
            label_days=read_whole_number(environment, "FLYBALL_LABEL_DAYS"),
            capture_percent=read_whole_number(environment, "FLYBALL_CAPTURE_PERCENT", least=0),
            block=read_choice(environment, "FLYBALL_BLOCK", BLOCKS),
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
            "FLYBALL_CAPTURES_BUCKET": self.captures_bucket,
            "FLYBALL_LABEL_DAYS": str(self.label_days),
            "FLYBALL_CAPTURE_PERCENT": str(self.capture_percent),
            "FLYBALL_BLOCK": self.block,
            "POWERTOOLS_SERVICE_NAME": self.package,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": self.log_level,
        }
