"""Reading deployments, stages and keys from moto, and refusing what cannot be served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.documents import InMemoryDocuments
from local.services.apigateway.api import (
    AccessLog,
    Authorisation,
    GatewayResponse,
    LambdaProxy,
    Mock,
    Quota,
    Throttle,
)
from local.services.apigateway.deployments import Deployments
from model_packages.errors import UnsupportedResource

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:flyball-digits-gateway"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


USER_POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a"
TOKEN_SOURCE = "method.request.header.Authorization"


class ControlPlane:
    """A REST API in moto, built by the calls that a deployment makes."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("apigateway", region_name="us-east-1")
        api = self.client.create_rest_api(name="flyball")
        self.id, self.root = api["id"], api["rootResourceId"]
        self.deployments = Deployments(self.client)

    def method(self, path_part: str = "models", *, http_method: str = "POST", **settings: Any) -> str:
        resource = self.client.create_resource(restApiId=self.id, parentId=self.root, pathPart=path_part)["id"]
        where = {"restApiId": self.id, "resourceId": resource, "httpMethod": http_method}
        self.client.put_method(**where, **{"authorizationType": "AWS_IAM", **settings})
        return str(resource)

    def integrate(self, resource: str, *, http_method: str = "POST", **settings: Any) -> None:
        where = {"restApiId": self.id, "resourceId": resource, "httpMethod": http_method}
        defaults = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": URI}
        self.client.put_integration(**where, **{**defaults, **settings})

    def deploy(self, stage: str = "api") -> str:
        if not any(resource.get("resourceMethods") for resource in self.resources()):
            self.integrate(self.method())
        deployment = self.client.create_deployment(restApiId=self.id)["id"]
        self.deployments.changed("CreateDeployment", rest_api_id=self.id, deployment_id=deployment)
        self.client.create_stage(restApiId=self.id, stageName=stage, deploymentId=deployment)
        self.deployments.changed("CreateStage", rest_api_id=self.id)
        return str(deployment)

    def resources(self) -> list[dict[str, Any]]:
        return list(self.client.get_resources(restApiId=self.id)["items"])

    def patch(self, *operations: tuple[str, str]) -> None:
        patches = [{"op": "replace", "path": path, "value": value} for path, value in operations]
        self.client.update_stage(restApiId=self.id, stageName="api", patchOperations=patches)
        self.deployments.changed("UpdateStage", rest_api_id=self.id)


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        yield ControlPlane()


def test_a_deployment_is_read_with_its_methods(plane: ControlPlane) -> None:
    plane.integrate(plane.method(apiKeyRequired=True), timeoutInMillis=5000)
    binary = {"op": "add", "path": "/binaryMediaTypes", "value": "application/octet-stream"}
    plane.client.update_rest_api(restApiId=plane.id, patchOperations=[binary])

    deployment = plane.deploy()

    served = plane.deployments.serving("api")
    assert served is not None
    assert (served.api.id, served.api.deployment_id) == (plane.id, deployment)
    assert served.api.binary_media_types == {"application/octet-stream"}
    route = served.router.match("POST", "/models")
    assert route is not None
    assert (route.method.authorisation, route.method.api_key_required) == (Authorisation.AWS_IAM, True)
    assert route.method.integration == LambdaProxy("flyball-digits-gateway", None, timeout_seconds=5.0)


def test_a_methods_user_pools_are_those_of_its_authorizer(plane: ControlPlane) -> None:
    authorizer = authorizer_of(plane, type="COGNITO_USER_POOLS", identitySource=TOKEN_SOURCE)
    plane.integrate(plane.method(authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer))

    plane.deploy()

    served = plane.deployments.serving("api")
    route = served.router.match("POST", "/models") if served else None
    assert route is not None
    assert (route.method.authorisation, route.method.user_pools) == (Authorisation.COGNITO_USER_POOLS, (USER_POOL,))


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({"type": "REQUEST", "identitySource": TOKEN_SOURCE}, "Type REQUEST"),
        ({"type": "COGNITO_USER_POOLS", "identitySource": "method.request.header.Token"}, "IdentitySource"),
    ],
)
def test_an_authorizer_of_another_kind_is_refused_by_name(
    plane: ControlPlane, settings: dict[str, Any], detail: str
) -> None:
    authorizer = authorizer_of(plane, **settings)
    plane.integrate(plane.method(authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer))

    with pytest.raises(UnsupportedResource) as refusal:
        plane.deploy()

    assert detail in refusal.value.detail


def authorizer_of(plane: ControlPlane, **settings: Any) -> str:
    made = plane.client.create_authorizer(restApiId=plane.id, name="users", providerARNs=[USER_POOL], **settings)
    return str(made["id"])


def test_changes_after_the_deployment_are_not_served_until_the_next_one(plane: ControlPlane) -> None:
    plane.integrate(plane.method("models"))
    plane.deploy()
    plane.integrate(plane.method("later"))

    before = plane.deployments.serving("api")
    second = plane.client.create_deployment(restApiId=plane.id)["id"]
    plane.deployments.changed("CreateDeployment", rest_api_id=plane.id, deployment_id=second)
    plane.patch(("/deploymentId", second))
    after = plane.deployments.serving("api")

    assert before is not None
    assert after is not None
    assert before.router.match("POST", "/later") is None
    assert after.router.match("POST", "/later") is not None


def test_a_qualified_function_keeps_its_qualifier(plane: ControlPlane) -> None:
    plane.integrate(plane.method(), uri=URI.replace("/invocations", ":live/invocations"))

    plane.deploy()

    served = plane.deployments.serving("api")
    assert served is not None
    assert served.api.resources[1].methods["POST"].integration == LambdaProxy("flyball-digits-gateway", "live", 29.0)


def test_the_preflight_mock_of_cdk_is_read(plane: ControlPlane) -> None:
    resource = plane.method("models", http_method="OPTIONS", authorizationType="NONE")
    template = {"application/json": "{ statusCode: 204 }"}
    plane.integrate(resource, http_method="OPTIONS", type="MOCK", requestTemplates=template)
    plane.client.put_integration_response(
        restApiId=plane.id,
        resourceId=resource,
        httpMethod="OPTIONS",
        statusCode="204",
        selectionPattern="",
        responseParameters={"method.response.header.Access-Control-Allow-Origin": "'*'"},
    )

    plane.deploy()

    served = plane.deployments.serving("api")
    assert served is not None
    integration = served.api.resources[1].methods["OPTIONS"].integration
    assert integration == Mock(204, {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}, "")


def test_gateway_responses_are_read(plane: ControlPlane) -> None:
    plane.client.put_gateway_response(
        restApiId=plane.id,
        responseType="THROTTLED",
        statusCode="429",
        responseParameters={"gatewayresponse.header.Retry-After": "'1'"},
        responseTemplates={"application/json": '{"m":$context.error.messageString}'},
    )

    plane.deploy()

    served = plane.deployments.serving("api")
    assert served is not None
    expected = GatewayResponse(429, {"Retry-After": "'1'"}, {"application/json": '{"m":$context.error.messageString}'})
    assert served.api.gateway_responses == {"THROTTLED": expected}


def test_a_stage_changes_at_once(plane: ControlPlane) -> None:
    plane.deploy()
    group = "arn:aws:logs:us-east-1:123456789012:log-group:access"

    plane.patch(
        ("/*/*/throttling/rateLimit", "50"),
        ("/*/*/throttling/burstLimit", "20"),
        ("/~1models~1{name}/POST/throttling/rateLimit", "5"),
        ("/~1models~1{name}/POST/throttling/burstLimit", "2"),
        ("/*/*/logging/loglevel", "INFO"),
        ("/accessLogSettings/destinationArn", group),
        ("/accessLogSettings/format", "$context.requestId"),
        ("/variables/colour", "blue"),
    )

    served = plane.deployments.serving("api")
    assert served is not None
    assert served.stage.throttle == Throttle(50.0, 20)
    assert served.stage.method_throttles == {"/models/{name}/POST": Throttle(5.0, 2)}
    assert served.stage.access_log == AccessLog("access", "$context.requestId")
    assert served.stage.variables == {"colour": "blue"}


def test_other_settings_bring_no_throttle_with_them(plane: ControlPlane) -> None:
    plane.deploy()

    plane.patch(("/*/*/metrics/enabled", "true"))

    served = plane.deployments.serving("api")
    assert served is not None
    assert served.stage.throttle == Throttle()


def test_a_deleted_stage_is_served_no_more(plane: ControlPlane) -> None:
    plane.deploy()

    plane.client.delete_stage(restApiId=plane.id, stageName="api")
    plane.deployments.changed("DeleteStage", rest_api_id=plane.id)

    assert plane.deployments.serving("api") is None


def test_a_deleted_api_is_served_no_more(plane: ControlPlane) -> None:
    plane.deploy()

    plane.deployments.changed("DeleteRestApi", rest_api_id=plane.id)

    assert plane.deployments.serving("api") is None


def test_api_keys_come_with_their_plans(plane: ControlPlane) -> None:
    plane.deploy()
    key = plane.client.create_api_key(name="caller", enabled=True, value="a-value-of-twenty-characters")
    plan = plane.client.create_usage_plan(
        name="plan",
        apiStages=[{"apiId": plane.id, "stage": "api"}],
        throttle={"rateLimit": 5.0, "burstLimit": 10},
        quota={"limit": 100, "period": "DAY"},
    )
    plane.client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")

    plane.deployments.changed("CreateUsagePlanKey", rest_api_id=None)

    known, served = plane.deployments.api_key("a-value-of-twenty-characters"), plane.deployments.serving("api")
    assert known is not None
    assert served is not None
    found = known.plan_for(served.stage)
    assert found is not None
    assert (found.throttle, found.quota) == (Throttle(5.0, 10), Quota(100, "DAY"))


def test_two_apis_may_not_share_a_stage_name(plane: ControlPlane) -> None:
    plane.deploy()
    other = plane.client.create_rest_api(name="other")["id"]
    plane.client.create_stage(restApiId=other, stageName="api", deploymentId="none")

    with pytest.raises(UnsupportedResource, match="a second REST API with a stage 'api'"):
        plane.deployments.changed("CreateStage", rest_api_id=other)


@pytest.mark.parametrize(
    ("method", "integration", "detail"),
    [
        ({"authorizationType": "CUSTOM", "authorizerId": "x"}, {}, "AuthorizationType CUSTOM"),
        ({"authorizationType": "COGNITO_USER_POOLS", "authorizerId": "x"}, {}, "AuthorizerId 'x', which is no"),
        ({}, {"type": "HTTP_PROXY", "uri": "http://example.com"}, "Integration.Type HTTP_PROXY"),
        ({}, {"type": "AWS", "uri": URI}, "Integration.Type AWS"),
        ({}, {"uri": URI.replace("invocations", "response-streaming-invocations")}, "Integration.Uri"),
        ({}, {"requestParameters": {"integration.request.header.a": "'b'"}}, "Integration.requestParameters"),
        ({}, {"contentHandling": "CONVERT_TO_TEXT"}, "Integration.contentHandling"),
        ({}, {"type": "MOCK", "requestTemplates": {"application/json": "#set($a = 1)"}}, "MOCK request template"),
        ({}, {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}, "a MOCK without an"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_served_is_refused_by_name(
    plane: ControlPlane, method: dict[str, Any], integration: dict[str, Any], detail: str
) -> None:
    resource = plane.method(**method)
    plane.integrate(resource, **integration)

    with pytest.raises(UnsupportedResource) as refusal:
        plane.deploy()

    assert detail in refusal.value.detail
    assert refusal.value.logical_id == "POST /models"


def test_a_method_without_an_integration_is_refused(plane: ControlPlane) -> None:
    plane.method()

    with pytest.raises(UnsupportedResource, match="a method without Integration"):
        plane.deployments.changed("CreateDeployment", rest_api_id=plane.id, deployment_id="any")


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({"policy": json.dumps({"Statement": []})}, "Policy"),
        ({"apiKeySource": "AUTHORIZER"}, "ApiKeySourceType AUTHORIZER"),
        ({"minimumCompressionSize": 0}, "MinimumCompressionSize"),
        ({"disableExecuteApiEndpoint": True}, "DisableExecuteApiEndpoint"),
        ({"endpointConfiguration": {"types": ["PRIVATE"]}}, "EndpointConfiguration PRIVATE"),
    ],
)
def test_settings_of_the_api_are_refused_by_name(plane: ControlPlane, settings: dict[str, Any], detail: str) -> None:
    api = plane.client.create_rest_api(name="other", **settings)["id"]

    with pytest.raises(UnsupportedResource) as refusal:
        plane.deployments.changed("CreateDeployment", rest_api_id=api, deployment_id="any")

    assert detail in refusal.value.detail


def test_a_cache_is_refused(plane: ControlPlane) -> None:
    plane.deploy()

    with pytest.raises(UnsupportedResource, match="CacheClusterEnabled"):
        plane.patch(("/cacheClusterEnabled", "true"))


def test_a_new_gateway_serves_what_a_former_one_deployed_and_not_what_came_later(plane: ControlPlane) -> None:
    kept = InMemoryDocuments()
    plane.deployments = Deployments(plane.client, kept)
    resource = plane.method()
    plane.integrate(resource)
    plane.deploy()
    served = plane.deployments.serving("api")
    plane.integrate(plane.method("later"))

    again = Deployments(plane.client, kept)
    again.restore()

    found = again.serving("api")
    assert served is not None
    assert found is not None
    assert (found.api, found.stage) == (served.api, served.stage)
    assert [resource.path for resource in found.api.resources if resource.methods] == ["/models"]
