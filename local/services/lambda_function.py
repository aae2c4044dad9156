"""What the Lambda service knows of a function and says of an invocation, without a process in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from model_packages.errors import CallerError

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
ASYNC_PAYLOAD_LIMIT_BYTES = 1024 * 1024


class InvocationType(StrEnum):
    """The values of the header X-Amz-Invocation-Type."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One revision of a function. `open_code` gives its unpacked code folder; it blocks and runs in a thread."""

    name: str
    arn: str
    handler: str
    code_revision: str
    open_code: Callable[[], Path] = field(compare=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3.0
    memory_mb: int = 128
    role_arn: str = ""
    runtime: str = "python3.14"
    version: str = "$LATEST"
    log_group: str = ""
    reserved_concurrency: int | None = None
    maximum_retry_attempts: int = 2

    @property
    def log_group_name(self) -> str:
        return self.log_group or f"/aws/lambda/{self.name}"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What Invoke answers. `function_error` is None or "Unhandled"; `log_tail` the last 4 KB of its log."""

    payload: bytes
    status_code: int
    function_error: str | None = None
    log_tail: bytes = b""
    executed_version: str = "$LATEST"


class InvocationRefused(CallerError):
    """Lambda did not run the function at all; `code` is the error's name in the Lambda API."""

    code: ClassVar[str]


class FunctionNotFound(InvocationRefused):
    """There is no function of that name."""

    status = 404
    code = "ResourceNotFoundException"

    def __init__(self, name: str) -> None:
        super().__init__(f"Function not found: {name}")


class TooManyRequests(InvocationRefused):
    """As many executions run as the function may have."""

    status = 429
    code = "TooManyRequestsException"

    def __init__(self) -> None:
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
