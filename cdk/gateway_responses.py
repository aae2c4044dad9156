"""What API Gateway answers when it refuses or fails by itself: the same problem documents as the gateway function's."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from functions.shared.problems import PROBLEM_MEDIA_TYPE, problem_document

MESSAGE = "$context.error.messageString"  # API Gateway puts its own sentence here, with quotation marks


@dataclass(frozen=True, slots=True)
class EdgeProblem:
    """One of API Gateway's response types, with the status and the problem's code that a caller gets for it."""

    response_type: str
    status: int
    code: str
    retry_after_seconds: int | None = None


EDGE_PROBLEMS = (
    EdgeProblem("ACCESS_DENIED", 403, "access-denied"),
    EdgeProblem("API_CONFIGURATION_ERROR", 503, "gateway-unavailable", retry_after_seconds=1),  # and: Lambda throttles
    EdgeProblem("AUTHORIZER_FAILURE", 500, "internal-error"),
    EdgeProblem("BAD_REQUEST_PARAMETERS", 400, "bad-request"),
    EdgeProblem("DEFAULT_4XX", 400, "bad-request"),
    EdgeProblem("DEFAULT_5XX", 500, "internal-error"),
    EdgeProblem("EXPIRED_TOKEN", 403, "expired-token"),
    EdgeProblem("INTEGRATION_FAILURE", 504, "gateway-failed"),
    EdgeProblem("INTEGRATION_TIMEOUT", 504, "gateway-timed-out"),
    EdgeProblem("INVALID_API_KEY", 403, "invalid-api-key"),
    EdgeProblem("INVALID_SIGNATURE", 403, "invalid-signature"),
    EdgeProblem("MISSING_AUTHENTICATION_TOKEN", 403, "missing-authentication-token"),  # and: no such route
    EdgeProblem("QUOTA_EXCEEDED", 429, "quota-exceeded"),
    EdgeProblem("REQUEST_TOO_LARGE", 413, "payload-too-large"),
    EdgeProblem("THROTTLED", 429, "too-many-requests", retry_after_seconds=1),
    EdgeProblem("UNAUTHORIZED", 401, "unauthorized"),
    EdgeProblem("WAF_FILTERED", 403, "refused-by-firewall"),
)
"""Every type has its own status, because a template cannot read the status that API Gateway would have chosen."""


class GatewayResponses(Construct):
    """One gateway response for each edge problem."""

    def __init__(self, scope: Construct, construct_id: str, *, rest_api: apigateway.RestApi) -> None:
        super().__init__(scope, construct_id)
        for problem in EDGE_PROBLEMS:
            apigateway.GatewayResponse(
                self,
                problem.response_type,
                rest_api=rest_api,
                type=apigateway.ResponseType.of(problem.response_type),
                status_code=str(problem.status),
                response_headers=_headers(problem),
                templates={"application/json": _template(problem)},
            )


def _headers(problem: EdgeProblem) -> dict[str, str]:
    headers = {"Content-Type": f"'{PROBLEM_MEDIA_TYPE}'"}
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = f"'{problem.retry_after_seconds}'"
    return headers


def _template(problem: EdgeProblem) -> str:
    document = problem_document(
        code=problem.code, status=problem.status, detail=MESSAGE, instance="urn:uuid:$context.requestId"
    )
    return json.dumps(document).replace(json.dumps(MESSAGE), MESSAGE)
