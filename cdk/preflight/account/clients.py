"""One place that makes AWS clients and says what an AWS error means for a question."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from model_packages.errors import OperatorError

TIMEOUT_SECONDS = 20
NOT_FOUND_CODES = (
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NotFound",
    "NotFoundException",
    "ParameterNotFound",
    "RepositoryNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ValidationError",
    "ValidationException",
)
"""How services say that a thing is not there: SageMaker and CloudFormation call it a validation error."""


class NotAsked(Exception):
    """A question that the account did not answer: a missing permission, or a service that is not there."""


class NoCredentials(OperatorError):
    """There is no account to ask."""


@dataclass(frozen=True)
class Account:
    """An account and region to ask. `make` makes the client of a service; tests hand in their own."""

    number: str
    region: str
    make: Callable[[str], Any]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The one client of that service."""
        if service not in self._clients:
            self._clients[service] = self.make(service)
        return self._clients[service]

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """The answer, or None where the service says that the thing is not there.

        Raises: NotAsked if it says anything else.
        """
        try:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**parameters)
        except ClientError as problem:
            if problem.response["Error"]["Code"] in NOT_FOUND_CODES:
                return None
            raise NotAsked(f"{service} {operation}: {problem}") from problem
        except BotoCoreError as problem:
            raise NotAsked(f"{service} {operation}: {problem}") from problem
        return answer


def current_account() -> Account:
    """The account of the credentials that botocore finds; AWS_ENDPOINT_URL leads to the local cloud.

    Raises: NoCredentials if there are none, or no region; OperatorError if nobody answers.
    """
    session = Session()
    config = Config(connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 3})
    # AWS_REGION is what other SDKs and the CDK read; botocore knows AWS_DEFAULT_REGION and profiles alone.
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if session.get_credentials() is None:
        raise NoCredentials("found no AWS credentials; allowed: AWS_PROFILE, or the usual AWS_* variables")
    if region is None:
        raise NoCredentials("found no region; allowed: AWS_REGION, or a region in the profile")

    def make(service: str) -> Any:
        return session.create_client(service, region_name=region, config=config)

    try:
        number = make("sts").get_caller_identity()["Account"]
    except (ClientError, BotoCoreError) as problem:
        raise OperatorError(
            f"sts get_caller_identity: {problem}; look at AWS_PROFILE and AWS_ENDPOINT_URL"
        ) from problem
    return Account(number=number, region=region, make=make)
