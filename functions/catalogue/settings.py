"""The catalogue's environment variables, typed. The stack imports this to set what the function reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from functions.shared.environment import read_choice

AuthorizationName = Literal["iam", "api_key", "cognito"]
DocumentationName = Literal["public", "authorised"]

SERVICE_NAME = "catalogue"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class CatalogueSettings:
    """How callers prove who they are, and whether reading the catalogue needs it too. `region` is Lambda's own."""

    authorization: AuthorizationName
    documentation: DocumentationName = "authorised"
    region: str = DEFAULT_REGION

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CatalogueSettings:
        """Raises: OperatorError that names the first variable which is missing or wrong."""
        authorization = read_choice(environment, "FLYBALL_AUTHORIZATION", get_args(AuthorizationName))
        documentation = read_choice(environment, "FLYBALL_DOCUMENTATION", get_args(DocumentationName))
        return cls(
            authorization=cast(AuthorizationName, authorization),
            documentation=cast(DocumentationName, documentation),
            region=environment.get("AWS_REGION", DEFAULT_REGION),
        )

    def to_environment(self) -> dict[str, str]:
        """What the stack sets on the function."""
        return {
            "FLYBALL_AUTHORIZATION": self.authorization,
            "FLYBALL_DOCUMENTATION": self.documentation,
            "POWERTOOLS_SERVICE_NAME": SERVICE_NAME,
        }
