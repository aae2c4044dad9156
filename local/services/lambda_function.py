"""What the Lambda service knows of a function and says of an invocation, without a process in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from model_packages.errors import CallerError

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
ASYNC_PAYLOAD_LIMIT_BYTES = 1024 * 1024
RESPONSE_LIMIT_BYTES = PAYLOAD_LIMIT_BYTES + 100
"""Lambda's own number for what a function may answer."""

LATEST = "$LATEST"


class InvocationType(StrEnum):
    """The values of the header X-Amz-Invocation-Type."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """A function's LoggingConfig: an empty `group` is the function's own; levels count for the format JSON only."""

    json_format: bool = False
    application_level: str | None = None
    system_level: str = "INFO"
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHandling:
    """What becomes of asynchronous events. Where `on_success`, `on_failure` and `dead_letters` are ARNs, a message
    goes there.
    """

    maximum_retry_attempts: int = 2
    maximum_age_seconds: float = 6 * 3600.0
    on_success: str | None = None
    on_failure: str | None = None
    dead_letters: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One revision of a function; `arn` is without a version. `open_code` and `open_layers` give unpacked folders:
    they block and run in a thread. What an environment need not be started anew for is not compared.
    """

    name: str
    arn: str
    handler: str
    code_revision: str
    open_code: Callable[[], Path] = field(compare=False)
    open_layers: Callable[[], Path | None] = field(compare=False, default=lambda: None)
    layers: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3.0
    memory_mb: int = 128
    role_arn: str = ""
    runtime: str = "python3.14"
    version: str = LATEST
    logging: Logging = Logging()
    reserved_concurrency: int | None = field(compare=False, default=None)
    events: EventHandling = field(compare=False, default=EventHandling())

    @property
    def log_group_name(self) -> str:
        return self.logging.group or f"/aws/lambda/{self.name}"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What Invoke answers. `function_error` is None or "Unhandled"; `log_tail` the last 4 KB of its log."""

    payload: bytes
    status_code: int
    function_error: str | None = None
    log_tail: bytes = b""
    executed_version: str = LATEST


class InvocationRefused(CallerError):
    """Lambda did not run the function at all; `code` is the error's name in the Lambda API."""

    code: ClassVar[str]


class FunctionNotFound(InvocationRefused):
    """There is no function of that name."""

    status = 404
    code = "ResourceNotFoundException"

    def __init__(self, name: str) -> None:
        super().__init__(f"Function not found: {name}")


class ThrottleReason(StrEnum):
    """Which limit an invocation met, in the words of the Lambda API."""

    ACCOUNT = "ConcurrentInvocationLimitExceeded"
    RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


class TooManyRequests(InvocationRefused):
    """As many executions run as the function, or the account, may have."""

    status = 429
    code = "TooManyRequestsException"
    retry_after_seconds = 1

    def __init__(self, reason: ThrottleReason = ThrottleReason.ACCOUNT) -> None:
        self.reason = reason
        super().__init__("Rate Exceeded.")


class InvalidRequestContent(InvocationRefused):
    """The payload is no JSON."""

    status = 400
    code = "InvalidRequestContentException"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Could not parse request body into json: {reason}")


class RequestTooLarge(InvocationRefused):
    """The payload is over Lambda's limit."""

    status = 413
    code = "RequestTooLargeException"

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{size_bytes} byte payload is too large for the invocation type (limit {limit_bytes} bytes)")


def name_and_qualifier(identifier: str) -> tuple[str, str | None]:
    """A function's name and version or alias, from its name, its ARN or either with `:qualifier`."""
    parts = identifier.split(":")
    if "function" in parts[:-1]:
        parts = parts[parts.index("function") + 1 :]
    return parts[0], parts[1] if len(parts) > 1 else None
