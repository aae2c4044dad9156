"""The platform's settings: the one place that reads the CDK context.

Everything below the context key `flyball` is typed here; a key that is not known, or a value that is not allowed, stops
the synth with one message for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from aws_cdk import RemovalPolicy
from constructs import Node
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES
from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

CONTEXT_KEY = "flyball"


class Section(BaseModel):
    """A table of the settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Throttling(Section):
    """API Gateway's token bucket, for the whole API."""

    rate_per_second: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Requests a second in the long run."""
    burst: Annotated[int, Field(ge=1, le=5_000)] = 200
    """Requests at once."""


class PlatformSettings(Section):
    """What the owner of an installation chooses; what a model needs stands in its package.toml."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,13}[a-z0-9]$")] = "flyball"
    """First word of every name that has to be known in advance: stacks, endpoints, gateway functions, parameters."""
    authorization: Literal["iam", "api_key", "cognito"] = "iam"
    """How a caller proves who it is."""
    documentation: Literal["public", "authorised"] = "authorised"
    """Whether reading the catalogue and the OpenAPI document needs authorisation too."""
    throttling: Throttling = Throttling()
    """What the API accepts before it answers 429."""
    waf: bool = False
    """Puts a web application firewall before the API; it costs about 9 dollars a month."""
    log_retention_days: Literal[7, 14, 30, 90, 180, 365, 731] = 90
    """CloudWatch and S3 access logs are deleted after this long."""
    removal_policy: Literal["retain", "destroy"] = "retain"
    """What becomes of data when its stack is deleted; a bucket that still holds objects is never deleted."""
    alarm_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Who is told about alarms; none: subscribe to the topic of the output AlarmTopicArn."""
    maximum_body_bytes: Annotated[int, Field(ge=1, le=SAGEMAKER_PAYLOAD_LIMIT_BYTES)] = SAGEMAKER_PAYLOAD_LIMIT_BYTES
    """The most that any package may accept as a request."""

    @property
    def removal(self) -> RemovalPolicy:
        """`removal_policy` as constructs take it; what a failed first deploy made is deleted either way."""
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if self.removal_policy == "retain" else RemovalPolicy.DESTROY


def read_settings(node: Node) -> PlatformSettings:
    """The settings of the app that `node` belongs to.

    Raises: OperatorError that names every bad key with what was found and what is allowed.
    """
    found: Any = node.try_get_context(CONTEXT_KEY)
    try:
        return PlatformSettings.model_validate({} if found is None else found)
    except ValidationError as error:
        problems = "\n".join(f"  {_problem(dict(details))}" for details in error.errors())
        raise OperatorError(f"the settings of cdk.json cannot be used:\n{problems}") from error


def check_packages(packages: Sequence[ModelPackage], settings: PlatformSettings) -> None:
    """Raises: OperatorError for each package that asks for more than the platform allows."""
    limit = settings.maximum_body_bytes
    too_large = [package for package in packages if package.config.endpoint.maximum_body_bytes > limit]
    if too_large:
        problems = "\n".join(
            f"  {package.name}/package.toml: endpoint.maximum_body_bytes is "
            f"{package.config.endpoint.maximum_body_bytes}; allowed by {CONTEXT_KEY}.maximum_body_bytes: up to {limit}"
            for package in too_large
        )
        raise OperatorError(f"packages ask for more than the platform allows:\n{problems}")


def _problem(details: dict[str, Any]) -> str:
    key = ".".join([CONTEXT_KEY, *map(str, details["loc"])])
    if details["type"] == "extra_forbidden":
        return f"{key}: found an unknown key; allowed: {', '.join(PlatformSettings.model_fields)}"
    allowed = details["msg"].removeprefix("Input should be ").removeprefix("String should ")
    return f"{key}: found {details['input']!r}; allowed: {allowed}"
