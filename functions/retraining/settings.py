"""The retraining function's environment variables, typed. The stack imports this to set what the function reads.

What the package declares comes with the function's code, as package.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.gateway.metrics import NAMESPACE
from functions.shared.environment import read_text, read_whole_number


@dataclass(frozen=True, slots=True)
class RetrainingSettings:
    """One package's loop. Each value may be a CloudFormation reference while the stack is made."""

    package: str
    endpoint_name: str
    champion_parameter: str
    model_package_group: str
    artifacts_bucket: str
    captures_bucket: str
    initial_model_uri: str
    """s3://bucket/key of the initial version's model.tar.gz: the champion while the pointer says none."""
    base_data_uri: str
    """s3://bucket/key of a zip with the package's data folder, or the s3:// prefix that package.toml names."""
    image_uri: str
    execution_role_arn: str
    """Of the models that the loop makes: the endpoint's own."""
    topic_arn: str
    """Who is told how a run ended, and asked for an approval."""
    drift_alarm: str
    quality_alarm: str
    rollback_alarms: tuple[str, ...]
    """Names of the alarms that take a rollout back."""
    state_machine_arn: str
    key_arn: str
    initial_baseline_uri: str = ""
    """s3://bucket/key of a zip with the initial version's baseline; needed where the package gives costs."""
    minimum_instances: int = 0
    """Of the endpoint, as its environment has it; 0: as package.toml declares. The same of the most."""
    maximum_instances: int = 0
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    log_level: str = "INFO"

    @property
    def aws_name(self) -> str:
        """The package's name where AWS allows no underscore."""
        return self.package.replace("_", "-")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RetrainingSettings:
        """Raises: OperatorError that names the first variable which is missing or wrong."""
        return cls(
            package=read_text(environment, "FLYBALL_PACKAGE"),
            endpoint_name=read_text(environment, "FLYBALL_ENDPOINT_NAME"),
            champion_parameter=read_text(environment, "FLYBALL_CHAMPION_PARAMETER"),
            model_package_group=read_text(environment, "FLYBALL_MODEL_PACKAGE_GROUP"),
            artifacts_bucket=read_text(environment, "FLYBALL_ARTIFACTS_BUCKET"),
            captures_bucket=read_text(environment, "FLYBALL_CAPTURES_BUCKET"),
            initial_model_uri=read_text(environment, "FLYBALL_INITIAL_MODEL"),
            base_data_uri=read_text(environment, "FLYBALL_BASE_DATA"),
            image_uri=read_text(environment, "FLYBALL_IMAGE"),
            execution_role_arn=read_text(environment, "FLYBALL_EXECUTION_ROLE"),
            topic_arn=read_text(environment, "FLYBALL_TOPIC"),
            drift_alarm=read_text(environment, "FLYBALL_DRIFT_ALARM"),
            quality_alarm=environment.get("FLYBALL_QUALITY_ALARM", ""),
            rollback_alarms=_names(environment, "FLYBALL_ROLLBACK_ALARMS"),
            state_machine_arn=read_text(environment, "FLYBALL_STATE_MACHINE"),
            key_arn=read_text(environment, "FLYBALL_KEY"),
            initial_baseline_uri=environment.get("FLYBALL_INITIAL_BASELINE", ""),
            minimum_instances=_count(environment, "FLYBALL_MINIMUM_INSTANCES"),
            maximum_instances=_count(environment, "FLYBALL_MAXIMUM_INSTANCES"),
            subnet_ids=_names(environment, "FLYBALL_SUBNETS"),
            security_group_ids=_names(environment, "FLYBALL_SECURITY_GROUPS"),
            log_level=environment.get("POWERTOOLS_LOG_LEVEL", "INFO"),
        )

    def to_environment(self) -> dict[str, str]:
        """What the stack sets on the function; the POWERTOOLS_ names are AWS Lambda Powertools' own."""
        optional = {
            "FLYBALL_INITIAL_BASELINE": self.initial_baseline_uri,
            "FLYBALL_QUALITY_ALARM": self.quality_alarm,
            "FLYBALL_ROLLBACK_ALARMS": ",".join(self.rollback_alarms),
            "FLYBALL_MINIMUM_INSTANCES": str(self.minimum_instances or ""),
            "FLYBALL_MAXIMUM_INSTANCES": str(self.maximum_instances or ""),
            "FLYBALL_SUBNETS": ",".join(self.subnet_ids),
            "FLYBALL_SECURITY_GROUPS": ",".join(self.security_group_ids),
        }
        return {
            "FLYBALL_PACKAGE": self.package,
            "FLYBALL_ENDPOINT_NAME": self.endpoint_name,
            "FLYBALL_CHAMPION_PARAMETER": self.champion_parameter,
            "FLYBALL_MODEL_PACKAGE_GROUP": self.model_package_group,
            "FLYBALL_ARTIFACTS_BUCKET": self.artifacts_bucket,
            "FLYBALL_CAPTURES_BUCKET": self.captures_bucket,
            "FLYBALL_INITIAL_MODEL": self.initial_model_uri,
            "FLYBALL_BASE_DATA": self.base_data_uri,
            "FLYBALL_IMAGE": self.image_uri,
            "FLYBALL_EXECUTION_ROLE": self.execution_role_arn,
            "FLYBALL_TOPIC": self.topic_arn,
            "FLYBALL_DRIFT_ALARM": self.drift_alarm,
            "FLYBALL_STATE_MACHINE": self.state_machine_arn,
            "FLYBALL_KEY": self.key_arn,
            **{name: value for name, value in optional.items() if value},
            "POWERTOOLS_SERVICE_NAME": self.package,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_LOG_LEVEL": self.log_level,
        }


def _count(environment: Mapping[str, str], variable: str) -> int:
    """0 where it is not set."""
    return read_whole_number(environment, variable) if environment.get(variable) else 0


def _names(environment: Mapping[str, str], variable: str) -> tuple[str, ...]:
    """The names in a list with commas; none where it is not set."""
    return tuple(name for name in environment.get(variable, "").split(",") if name)
