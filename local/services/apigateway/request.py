"""One HTTP request, freed from the server that received it, and the `$context` that API Gateway gives it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.services.apigateway.api import ApiKey, Stage
from local.services.apigateway.routing import Route
from local.services.sigv4 import SignedRequest, query_pairs


@dataclass(frozen=True, slots=True)
class Request:
    """`path` and `query` are as on the wire; `stage` has been taken off the path, which then is at least `/`."""

    method: str
    stage: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    protocol: str
    received_at: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def full_path(self) -> str:
        """The path with the stage, as the caller signed it."""
        return f"/{self.stage}{self.path}"

    @property
    def extended_id(self) -> str:
        """What `x-amz-apigw-id` carries."""
        return self.id.replace("-", "")[:15] + "="

    @property
    def trace_id(self) -> str:
        """A trace that no X-Ray knows of, in its form."""
        digits = self.id.replace("-", "")
        return f"Root=1-{int(self.received_at.timestamp()):08x}-{digits[:24]}"

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        return query_pairs(self.query)

    def header(self, name: str) -> str | None:
        """The last value of a header, whatever its case."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)

    def signed(self) -> SignedRequest:
        """The parts that a signature covers."""
        return SignedRequest(self.method, self.full_path, self.query, self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a signature stands for: a user or a role's session, and the id that IAM gave it."""

    arn: str
    id: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as it is known."""

    access_key: str | None = None
    api_key: ApiKey | None = None
    principal: Principal | None = None
    claims: Mapping[str, str] | None = None
    """What a user's token says."""


def request_context(
    request: Request, *, stage: Stage, account_id: str, route: Route | None, caller: Caller
) -> dict[str, Any]:
    """`requestContext` of the event, which is also what `$context` stands for in templates."""
    host = (request.header("host") or "").split(":")[0]
    found: dict[str, Any] = {} if route is None else dict(route_context(route))
    if caller.claims is not None:
        found["authorizer"] = {"claims": dict(caller.claims)}
    return {
        **found,
        "accountId": account_id,
        "apiId": stage.api_id,
        "deploymentId": stage.deployment_id,
        "domainName": host,
        "domainPrefix": host.split(".")[0],
        "extendedRequestId": request.extended_id,
        "httpMethod": request.method,
        "identity": identity(request, caller=caller, account_id=account_id),
        "path": request.full_path,
        "protocol": request.protocol,
        "requestId": request.id,
        "requestTime": request.received_at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": int(request.received_at.timestamp() * 1000),
        "stage": stage.name,
    }


def route_context(route: Route) -> dict[str, str]:
    context = {"resourceId": route.resource.id, "resourcePath": route.resource.path}
    if route.method.operation_name:
        context["operationName"] = route.method.operation_name
    return context


def identity(request: Request, *, caller: Caller, account_id: str) -> dict[str, Any]:
    """What is known of the caller; null where AWS has null."""
    principal = caller.principal
    names: Mapping[str, Any] = (
        {}
        if caller.api_key is None
        else {
            "apiKey": caller.api_key.value,
            "apiKeyId": caller.api_key.id,
        }
    )
    return {
        **names,
        "accessKey": caller.access_key,
        "accountId": account_id if principal else None,
        "caller": principal.id if principal else None,
        "cognitoAuthenticationProvider": None,
        "cognitoAuthenticationType": None,
        "cognitoIdentityId": None,
        "cognitoIdentityPoolId": None,
        "principalOrgId": None,
        "sourceIp": request.source_ip,
        "user": principal.id if principal else None,
        "userAgent": request.header("user-agent"),
        "userArn": principal.arn if principal else None,
    }
