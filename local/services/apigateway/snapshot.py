"""Reads what is deployed from the control plane, and refuses by name what the gateway cannot serve.

moto keeps no copy of an API at its deployment, so the copy is taken here, at the moment a deployment is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from local.services.apigateway.api import (
    AccessLog,
    Api,
    ApiKey,
    Authorisation,
    GatewayResponse,
    Integration,
    LambdaProxy,
    Method,
    Mock,
    Quota,
    Resource,
    Stage,
    Throttle,
    UsagePlan,
)
from model_packages.errors import UnsupportedResource

PAGE: Final = 500
TOKEN_SOURCE: Final = "method.request.header.Authorization"  # noqa: S105  # where a token is, not one
LONGEST_INTEGRATION_SECONDS: Final = 29.0
LAMBDA_URI = re.compile(
    r"^arn:[^:]+:apigateway:[^:]+:lambda:path/2015-03-31/functions/(?P<function_arn>arn:[^/]+)/invocations$"
)
MOCK_STATUS = re.compile(r"""^\s*\{\s*["']?statusCode["']?\s*:\s*["']?(\d{3})["']?\s*,?\s*\}\s*$""")
STATIC_TEXT = re.compile(r"^'[^']*'$")
HEADER_SOURCE = re.compile(r"^('[^']*'|context\.[\w.\-]+|stageVariables\.\w+)$")

MOTO_DEFAULT_THROTTLE: Final = Throttle(rate_per_second=1000.0, burst=2000)
"""What moto writes into a method's settings as soon as any other setting is there; AWS writes the account's limits."""


class ApiGatewayClient(Protocol):
    """The calls of boto3's apigateway client that are needed here."""

    def get_rest_api(self, **parameters: Any) -> dict[str, Any]: ...
    def get_resources(self, **parameters: Any) -> dict[str, Any]: ...
    def get_gateway_responses(self, **parameters: Any) -> dict[str, Any]: ...
    def get_authorizers(self, **parameters: Any) -> dict[str, Any]: ...
    def get_stages(self, **parameters: Any) -> dict[str, Any]: ...
    def get_api_keys(self, **parameters: Any) -> dict[str, Any]: ...
    def get_usage_plans(self, **parameters: Any) -> dict[str, Any]: ...
    def get_usage_plan_keys(self, **parameters: Any) -> dict[str, Any]: ...


def read_api(client: ApiGatewayClient, rest_api_id: str, deployment_id: str) -> Api:
    """The API as it is now, to be served as that deployment."""
    rest_api = client.get_rest_api(restApiId=rest_api_id)
    refuse_api_settings(rest_api)
    resources = client.get_resources(restApiId=rest_api_id, limit=PAGE, embed=["methods"])["items"]
    user_pools = read_user_pools(client, rest_api_id) if any(map(has_authorizer, resources)) else {}
    responses = client.get_gateway_responses(restApiId=rest_api_id, limit=PAGE)["items"]
    return Api(
        id=rest_api_id,
        name=rest_api["name"],
        deployment_id=deployment_id,
        resources=tuple(read_resource(resource, user_pools) for resource in resources),
        gateway_responses={response["responseType"]: read_gateway_response(response) for response in responses},
        binary_media_types=frozenset(kind.replace("~1", "/") for kind in rest_api.get("binaryMediaTypes") or ()),
    )


def refuse_api_settings(rest_api: Mapping[str, Any]) -> None:
    """What a REST API can have and this gateway cannot do."""
    kinds = set((rest_api.get("endpointConfiguration") or {}).get("types") or ())
    refused = {
        "Policy (a resource policy)": rest_api.get("policy"),
        "ApiKeySourceType AUTHORIZER": rest_api.get("apiKeySource") == "AUTHORIZER",
        "MinimumCompressionSize": rest_api.get("minimumCompressionSize") is not None,
        "DisableExecuteApiEndpoint": rest_api.get("disableExecuteApiEndpoint"),
        "EndpointConfiguration PRIVATE": "PRIVATE" in kinds,
    }
    for detail in (detail for detail, found in refused.items() if found):
        raise unsupported("RestApi", rest_api["id"], detail)


def has_authorizer(resource: Mapping[str, Any]) -> bool:
    """Whether one of its methods asks one who calls."""
    return any(method.get("authorizerId") for method in (resource.get("resourceMethods") or {}).values())


def read_user_pools(client: ApiGatewayClient, rest_api_id: str) -> dict[str, tuple[str, ...]]:
    """The pools of each authorizer, by its id; one of another kind is refused."""
    authorizers = client.get_authorizers(restApiId=rest_api_id, limit=PAGE)["items"]
    return {each["id"]: read_authorizer(each) for each in authorizers}


def read_authorizer(authorizer: Mapping[str, Any]) -> tuple[str, ...]:
    """The pools whose users it lets in."""
    refused = {
        f"Type {authorizer['type']}": authorizer["type"] != Authorisation.COGNITO_USER_POOLS,
        f"IdentitySource {authorizer.get('identitySource')}": authorizer.get("identitySource") != TOKEN_SOURCE,
        "IdentityValidationExpression": authorizer.get("identityValidationExpression"),
    }
    for detail in (detail for detail, found in refused.items() if found):
        raise unsupported("Authorizer", authorizer["name"], detail)
    return tuple(authorizer["providerARNs"])


def read_resource(resource: Mapping[str, Any], user_pools: Mapping[str, tuple[str, ...]]) -> Resource:
    """One path with its methods; a method without an integration is refused, as AWS refuses to deploy it."""
    methods = {
        http_method: read_method(method, where=f"{http_method} {resource['path']}", user_pools=user_pools)
        for http_method, method in (resource.get("resourceMethods") or {}).items()
    }
    return Resource(id=resource["id"], path=resource["path"], methods=methods)


def read_method(
    method: Mapping[str, Any], *, where: str, user_pools: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> Method:
    """One method; `where` names it in what is refused."""
    kind = method.get("authorizationType") or "NONE"
    if kind not in tuple(Authorisation):
        raise unsupported("Method", where, f"AuthorizationType {kind}")
    authorizer_id = method.get("authorizerId") or ""
    if kind == Authorisation.COGNITO_USER_POOLS and authorizer_id not in user_pools:
        raise unsupported("Method", where, f"AuthorizerId {authorizer_id!r}, which is no authorizer of the API")
    if method.get("authorizationScopes"):
        raise unsupported("Method", where, "AuthorizationScopes")
    required = [name for name, needed in (method.get("requestParameters") or {}).items() if needed]
    if method.get("requestValidatorId") and (method.get("requestModels") or required):
        raise unsupported("Method", where, "RequestValidatorId with models or required parameters")
    return Method(
        http_method=method["httpMethod"],
        authorisation=Authorisation(kind),
        api_key_required=bool(method.get("apiKeyRequired")),
        integration=read_integration(method.get("methodIntegration"), where=where),
        operation_name=method.get("operationName"),
        user_pools=user_pools.get(authorizer_id, ()),
    )


def read_integration(integration: Mapping[str, Any] | None, *, where: str) -> Integration:
    """AWS_PROXY to a Lambda function, or MOCK."""
    if integration is None:
        raise unsupported("Method", where, "a method without Integration")
    for setting in ("requestParameters", "credentials", "contentHandling", "cacheKeyParameters", "tlsConfig"):
        if integration.get(setting):
            raise unsupported("Method", where, f"Integration.{setting}")
    if integration.get("connectionType") not in (None, "INTERNET"):
        raise unsupported("Method", where, f"Integration.connectionType {integration['connectionType']}")
    if integration["type"] == "AWS_PROXY":
        return read_lambda_proxy(integration, where=where)
    if integration["type"] == "MOCK":
        return read_mock(integration, where=where)
    raise unsupported("Method", where, f"Integration.Type {integration['type']}")


def read_lambda_proxy(integration: Mapping[str, Any], *, where: str) -> LambdaProxy:
    """The function is named by the ARN inside the integration's URI."""
    uri = str(integration.get("uri"))
    match = LAMBDA_URI.match(uri)
    if match is None:
        raise unsupported("Method", where, f"Integration.Uri {uri}")
    function_name, _, qualifier = match["function_arn"].split(":function:", 1)[-1].partition(":")
    milliseconds = int(integration.get("timeoutInMillis") or 29_000)
    return LambdaProxy(
        function_name=function_name,
        qualifier=qualifier or None,
        timeout_seconds=min(milliseconds / 1000, LONGEST_INTEGRATION_SECONDS),
    )


def read_mock(integration: Mapping[str, Any], *, where: str) -> Mock:
    """What a MOCK without VTL always answers: the integration response whose pattern fits its status."""
    template = (integration.get("requestTemplates") or {}).get("application/json") or ""
    status = MOCK_STATUS.match(template)
    if status is None:
        raise unsupported("Method", where, f"the MOCK request template {template!r}")
    response = mock_response(integration, status[1], where=where)
    body = next(iter((response.get("responseTemplates") or {}).items()), ("application/json", ""))
    refuse_mapping_template(body[1] or "", where=where)
    headers = {"Content-Type": body[0]}
    for target, source in (response.get("responseParameters") or {}).items():
        if not STATIC_TEXT.match(source):
            raise unsupported("Method", where, f"the MOCK response parameter {source}")
        headers[target.removeprefix("method.response.header.")] = source[1:-1]
    return Mock(status=int(response["statusCode"]), headers=headers, body=body[1] or "")


def mock_response(integration: Mapping[str, Any], status: str, *, where: str) -> Mapping[str, Any]:
    """The first whose selection pattern fits, else the default one."""
    responses: list[Mapping[str, Any]] = list((integration.get("integrationResponses") or {}).values())
    for response in responses:
        pattern = response.get("selectionPattern")
        if pattern and re.fullmatch(pattern, status):
            return response
    for response in responses:
        if not response.get("selectionPattern"):
            return response
    raise unsupported("Method", where, f"a MOCK without an integration response for {status}")


def refuse_mapping_template(template: str, *, where: str) -> None:
    if "$" in template or "#" in template:
        raise unsupported("Method", where, "a VTL mapping template")


def read_gateway_response(response: Mapping[str, Any]) -> GatewayResponse:
    """Headers come as `gatewayresponse.header.X`."""
    headers = {}
    for target, source in (response.get("responseParameters") or {}).items():
        if not target.startswith("gatewayresponse.header.") or not HEADER_SOURCE.match(source):
            detail = f"ResponseParameters {target}: {source}"
            raise unsupported("GatewayResponse", response["responseType"], detail)
        headers[target.removeprefix("gatewayresponse.header.")] = source
    status = response.get("statusCode")
    return GatewayResponse(
        status=int(status) if status else None,
        headers=headers,
        templates=dict(response.get("responseTemplates") or {}),
    )


def read_stages(client: ApiGatewayClient, rest_api_id: str) -> list[Stage]:
    """The stages of an API as they are now."""
    return [read_stage(stage, rest_api_id) for stage in client.get_stages(restApiId=rest_api_id)["item"]]


def read_stage(stage: Mapping[str, Any], rest_api_id: str) -> Stage:
    """One stage; X-Ray tracing, metrics, log levels and a web ACL are accepted and have no effect."""
    refuse_stage_settings(stage)
    settings: Mapping[str, Any] = stage.get("methodSettings") or {}
    throttles = {method_key(key): throttle for key, value in settings.items() if (throttle := read_throttle(value))}
    return Stage(
        name=stage["stageName"],
        api_id=rest_api_id,
        deployment_id=stage["deploymentId"],
        variables=dict(stage.get("variables") or {}),
        access_log=read_access_log(stage.get("accessLogSettings")),
        throttle=throttles.pop("*/*", Throttle()),
        method_throttles=throttles,
    )


def refuse_stage_settings(stage: Mapping[str, Any]) -> None:
    """What a stage can have and this gateway cannot do."""
    caching = any(setting.get("cachingEnabled") for setting in (stage.get("methodSettings") or {}).values())
    refused = {
        "CacheClusterEnabled": stage.get("cacheClusterEnabled"),
        "MethodSettings.CachingEnabled": caching,
        "CanarySetting": stage.get("canarySettings"),
        "ClientCertificateId": stage.get("clientCertificateId"),
    }
    for detail in (detail for detail, found in refused.items() if found):
        raise unsupported("Stage", stage["stageName"], detail)


def method_key(key: str) -> str:
    """AWS writes the path `/models/{name}` of a method as `~1models~1{name}/GET`."""
    path, _, http_method = key.rpartition("/")
    path = path.replace("~1", "/")
    return key if path == "*" else f"{path if path.startswith('/') else '/' + path}/{http_method}"


def read_throttle(settings: Mapping[str, Any]) -> Throttle | None:
    """The throttle in a method's settings or a usage plan; None where none was set."""
    rate = settings.get("throttlingRateLimit", settings.get("rateLimit"))
    burst = settings.get("throttlingBurstLimit", settings.get("burstLimit"))
    if rate is None and burst is None:
        return None
    default = Throttle()
    throttle = Throttle(
        rate_per_second=default.rate_per_second if rate is None else float(rate),
        burst=default.burst if burst is None else int(burst),
    )
    return None if throttle == MOTO_DEFAULT_THROTTLE else throttle


def read_access_log(settings: Mapping[str, Any] | None) -> AccessLog | None:
    """Only a CloudWatch log group can receive them here."""
    if not settings or not settings.get("destinationArn"):
        return None
    destination = settings["destinationArn"]
    if ":log-group:" not in destination:
        raise unsupported("Stage", destination, "AccessLogSetting to anything but a log group")
    group = destination.split(":log-group:", 1)[1].removesuffix(":*")
    return AccessLog(group=group, template=settings.get("format") or "")


def read_api_keys(client: ApiGatewayClient) -> dict[str, ApiKey]:
    """Every API key with its usage plans, by the value that callers send."""
    plans_of: dict[str, list[UsagePlan]] = {}
    for plan in client.get_usage_plans(limit=PAGE)["items"]:
        for key in client.get_usage_plan_keys(usagePlanId=plan["id"], limit=PAGE)["items"]:
            plans_of.setdefault(key["id"], []).append(read_usage_plan(plan))
    keys = client.get_api_keys(limit=PAGE, includeValues=True)["items"]
    return {key["value"]: read_api_key(key, plans_of.get(key["id"], ())) for key in keys}


def read_api_key(key: Mapping[str, Any], plans: Iterable[UsagePlan]) -> ApiKey:
    return ApiKey(id=key["id"], value=key["value"], enabled=bool(key.get("enabled")), plans=tuple(plans))


def read_usage_plan(plan: Mapping[str, Any]) -> UsagePlan:
    stages: list[Mapping[str, Any]] = plan.get("apiStages") or []
    if any(stage.get("throttle") for stage in stages):
        raise unsupported("UsagePlan", plan["id"], "ApiStages.Throttle (a throttle for one method)")
    quota = plan.get("quota") or {}
    return UsagePlan(
        id=plan["id"],
        stages=frozenset((stage["apiId"], stage["stage"]) for stage in stages),
        throttle=read_throttle(plan.get("throttle") or {}),
        quota=Quota(limit=int(quota["limit"]), period=quota["period"]) if quota.get("limit") else None,
    )


def unsupported(resource: str, logical_id: str, detail: str) -> UnsupportedResource:
    """The error to raise; `resource` is the type without `AWS::ApiGateway::`."""
    return UnsupportedResource(resource_type=f"AWS::ApiGateway::{resource}", logical_id=logical_id, detail=detail)
