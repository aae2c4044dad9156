"""API Gateway's own errors: their types, and the templates that word them.

A response type takes the status and template configured for it, else those of DEFAULT_4XX or DEFAULT_5XX, else
AWS's own `{"message": ...}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from local.services.apigateway.api import Api, GatewayResponse
from local.services.apigateway.context import fill

DEFAULT_4XX: Final = "DEFAULT_4XX"
DEFAULT_5XX: Final = "DEFAULT_5XX"


class ErrorType(StrEnum):
    """The gateway response types that this gateway can produce."""

    DEFAULT_4XX = "DEFAULT_4XX"
    DEFAULT_5XX = "DEFAULT_5XX"
    ACCESS_DENIED = "ACCESS_DENIED"
    API_CONFIGURATION_ERROR = "API_CONFIGURATION_ERROR"
    EXPIRED_TOKEN = "EXPIRED_TOKEN"  # noqa: S105
    INTEGRATION_TIMEOUT = "INTEGRATION_TIMEOUT"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    MISSING_AUTHENTICATION_TOKEN = "MISSING_AUTHENTICATION_TOKEN"  # noqa: S105
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    THROTTLED = "THROTTLED"
    UNAUTHORIZED = "UNAUTHORIZED"


@dataclass(frozen=True, slots=True)
class GatewayError:
    """One error of API Gateway's own. `logged` is for the execution log only: callers never see it."""

    type: ErrorType
    status: int
    code: str
    message: str
    logged: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What the caller gets; `error` where it comes from API Gateway and not from the integration."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: GatewayError | None = None


MISSING_TOKEN: Final = GatewayError(
    ErrorType.MISSING_AUTHENTICATION_TOKEN, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"
)
UNAUTHORIZED: Final = GatewayError(ErrorType.UNAUTHORIZED, 401, "UnauthorizedException", "Unauthorized")
FORBIDDEN: Final = GatewayError(ErrorType.INVALID_API_KEY, 403, "ForbiddenException", "Forbidden")
THROTTLED: Final = GatewayError(ErrorType.THROTTLED, 429, "TooManyRequestsException", "Too Many Requests")
QUOTA_EXCEEDED: Final = GatewayError(ErrorType.QUOTA_EXCEEDED, 429, "LimitExceededException", "Limit Exceeded")
TOO_LARGE: Final = GatewayError(ErrorType.REQUEST_TOO_LARGE, 413, "RequestTooLongException", "Request Too Long")
TIMED_OUT: Final = GatewayError(
    ErrorType.INTEGRATION_TIMEOUT, 504, "InternalServerErrorException", "Endpoint request timed out"
)


def unreadable(reason: str) -> GatewayError:
    """The body breaks off, or is not in the pieces that its headers announce."""
    return GatewayError(ErrorType.DEFAULT_4XX, 400, "BadRequestException", "Bad Request", reason)


def rejected_invocation(reason: str) -> GatewayError:
    """Lambda did not take the invocation: no such function, no permission, throttled, payload too large."""
    return GatewayError(
        ErrorType.API_CONFIGURATION_ERROR, 500, "InternalServerErrorException", "Internal server error", reason
    )


def failed_function(reason: str) -> GatewayError:
    """The function ran, and failed or answered in a form that is not a proxy response."""
    return GatewayError(ErrorType.DEFAULT_5XX, 502, "InternalServerErrorException", "Internal server error", reason)


def render(
    error: GatewayError, api: Api, *, context: Mapping[str, Any], stage_variables: Mapping[str, str], accept: str
) -> Response:
    """Word the error as the API says."""
    configured = configured_response(error, api)
    with_error = {**context, "error": error_context(error)}
    content_type, template = choose_template(configured.templates, accept)
    body = fill(template, context=with_error, stage_variables=stage_variables, absent="")
    headers = {"Content-Type": content_type, "x-amzn-ErrorType": error.code}
    for name, value in configured.headers.items():
        for existing in [known for known in headers if known.lower() == name.lower()]:
            del headers[existing]
        headers[name] = header_value(value, context=with_error, stage_variables=stage_variables)
    return Response(configured.status or error.status, tuple(headers.items()), body.encode(), error)


AWS_TEMPLATE: Final = '{"message":$context.error.messageString}'


def configured_response(error: GatewayError, api: Api) -> GatewayResponse:
    """The API's wording of this type of error. A default keeps the error's own status unless it names one."""
    fallback = DEFAULT_4XX if error.status < 500 else DEFAULT_5XX
    configured = api.gateway_responses.get(error.type) or api.gateway_responses.get(fallback)
    if configured is None:
        return GatewayResponse(status=None, headers={}, templates={"application/json": AWS_TEMPLATE})
    if not configured.templates:
        return GatewayResponse(configured.status, configured.headers, {"application/json": AWS_TEMPLATE})
    return configured


def choose_template(templates: Mapping[str, str], accepted: str) -> tuple[str, str]:
    """(content type, template): the accepted one, else JSON's, else the first."""
    wanted = [part.split(";")[0].strip() for part in accepted.split(",")]
    for content_type in (*wanted, "application/json", *templates):
        if content_type in templates:
            return content_type, templates[content_type]
    raise LookupError("a gateway response without a template")


def error_context(error: GatewayError) -> dict[str, str]:
    return {
        "message": error.message,
        "messageString": json.dumps(error.message),
        "responseType": error.type.value,
    }


def header_value(value: str, *, context: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    """A header mapping is `'text'` in single quotes, `context.x` or `stageVariables.x`."""
    if value.startswith("'") and value.endswith("'"):
        return value[1:-1]
    return fill(f"${value}", context=context, stage_variables=stage_variables, absent="")
