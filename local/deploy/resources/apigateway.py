"""AWS::ApiGateway::RestApi and what stands below it: routes, deployments, stages. Keys are in apigateway_keys.py.

The calls go to the control plane; what serves requests is the local API Gateway service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, PropertyPath, compact, text, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource, unless_gone
from local.deploy.tags import change_tags, tag_map

Patch = dict[str, str]


def replaced(path: str, value: Json) -> Patch:
    """The patch operation that puts `value` at `path`."""
    written = compact(value) if isinstance(value, (dict, list)) else text(value)
    return {"op": "replace", "path": path, "value": written}


def patches(old: Properties, new: Properties, paths: Mapping[str, str]) -> list[Patch]:
    """A replacement for each property that differs; one that goes away becomes the empty string."""
    return [replaced(path, new.get(key, "")) for key, path in paths.items() if old.get(key) != new.get(key)]


_REFUSED_LATER = "stored; an API that has it is refused when it is deployed"


class RestApi(AwsResource):
    """An API, empty at first."""

    resource_type = "AWS::ApiGateway::RestApi"
    service = "apigateway"
    implemented = words("Name Description ApiKeySourceType BinaryMediaTypes")
    simulated: ClassVar[Mapping[str, str]] = {
        "EndpointConfiguration": (
            "stored and reported; the API is served at one local address; PRIVATE is refused; a change makes a new API"
        ),
        "DisableExecuteApiEndpoint": f"{_REFUSED_LATER}; a change makes a new API",
        "MinimumCompressionSize": f"{_REFUSED_LATER}; a change makes a new API",
        "Policy": _REFUSED_LATER,
        "Tags": "stored and reported as they were at creation; a later change is kept in the stack's state only",
    }
    attributes = words("RestApiId RootResourceId")

    def create(self, properties: Properties) -> Resource:
        passed = ("Name", "Description", "EndpointConfiguration", "DisableExecuteApiEndpoint", "MinimumCompressionSize")
        answer = self.call(
            "create_rest_api",
            {
                **{key: properties.get(key) for key in (*passed, "Policy")},
                "ApiKeySource": properties.get("ApiKeySourceType"),
                "Tags": tag_map(properties),
            },
        )
        with self.created(answer["id"]):
            # moto's CreateRestApi drops them.
            self._take_as_binary(answer["id"], properties.get("BinaryMediaTypes", []))
        return Resource(answer["id"], {"RestApiId": answer["id"], "RootResourceId": answer["rootResourceId"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        by_header = {"ApiKeySourceType": "HEADER"}
        operations = patches(
            {**by_header, **old},
            {**by_header, **new},
            {
                "Name": "/name",
                "Description": "/description",
                "ApiKeySourceType": "/apiKeySource",
                "Policy": "/policy",
            },
        )
        if operations:
            self.client.update_rest_api(restApiId=physical_id, patchOperations=operations)
        self._take_as_binary(physical_id, new.get("BinaryMediaTypes", []))
        root = self.client.get_rest_api(restApiId=physical_id)["rootResourceId"]
        return Resource(physical_id, {"RestApiId": physical_id, "RootResourceId": root})

    def delete(self, physical_id: str, properties: Properties) -> None:
        # moto has no answer of its own to the deletion of what is not there; reading it has.
        self.client.get_rest_api(restApiId=physical_id)
        self.client.delete_rest_api(restApiId=physical_id)

    def _take_as_binary(self, api: str, wanted: list[str]) -> None:
        present = self.client.get_rest_api(restApiId=api).get("binaryMediaTypes", [])
        changes = [("remove", media) for media in present if media not in wanted]
        changes += [("add", media) for media in wanted if media not in present]
        operations = [
            {"op": op, "path": f"/binaryMediaTypes/{media.replace('/', '~1')}", "value": media} for op, media in changes
        ]
        if operations:
            self.client.update_rest_api(restApiId=api, patchOperations=operations)

    def create_only(self) -> frozenset[PropertyPath]:
        # moto cannot change these; a change of one is rare, and a new API is the honest answer.
        fixed = words("EndpointConfiguration DisableExecuteApiEndpoint MinimumCompressionSize")
        return super().create_only() | {(name,) for name in fixed}


class ApiResource(AwsResource):
    """One part of a path."""

    resource_type = "AWS::ApiGateway::Resource"
    service = "apigateway"
    name_properties = ("RestApiId", "ParentId", "PathPart")
    implemented = words("RestApiId ParentId PathPart")
    attributes = words("ResourceId")

    def create(self, properties: Properties) -> Resource:
        self._refuse_twin(properties)
        resource_id = self.call("create_resource", properties)["id"]
        return Resource(resource_id, {"ResourceId": resource_id})

    def _refuse_twin(self, properties: Properties) -> None:
        name = properties["PathPart"]
        for page in self.client.get_paginator("get_resources").paginate(restApiId=properties["RestApiId"]):
            for item in page["items"]:
                if (item.get("parentId"), item.get("pathPart")) == (properties["ParentId"], name):
                    reason = f"Another resource with the same parent already has this name: {name}"
                    raise ResourceFailed(reason, code="AlreadyExists")

    def delete(self, physical_id: str, properties: Properties) -> None:
        where = {"restApiId": properties["RestApiId"], "resourceId": physical_id}
        self.client.get_resource(**where)
        self.client.delete_resource(**where)


_INTEGRATION = words("""
    Type IntegrationHttpMethod Uri Credentials RequestTemplates RequestParameters PassthroughBehavior ContentHandling
    TimeoutInMillis ConnectionType CacheNamespace CacheKeyParameters ResponseTransferMode
""")


class Method(AwsResource):
    """A method on a resource, with its integration. An update makes it anew, as moto cannot patch one."""

    resource_type = "AWS::ApiGateway::Method"
    service = "apigateway"
    name_properties = ("RestApiId", "ResourceId", "HttpMethod")
    implemented = words("""
        RestApiId ResourceId HttpMethod AuthorizationType AuthorizerId AuthorizationScopes ApiKeyRequired OperationName
        RequestModels RequestParameters RequestValidatorId
        MethodResponses.StatusCode MethodResponses.ResponseModels MethodResponses.ResponseParameters
        Integration.IntegrationResponses
    """) | {f"Integration.{name}" for name in _INTEGRATION - {"Credentials", "CacheNamespace", "CacheKeyParameters"}}
    simulated: ClassVar[Mapping[str, str]] = {
        "Integration.Credentials": _REFUSED_LATER,
        "Integration.CacheNamespace": "stored and reported; nothing is cached",
        "Integration.CacheKeyParameters": _REFUSED_LATER,
    }

    def create(self, properties: Properties) -> Resource:
        self.refuse_existing("get_method", _place(properties))
        with self.created(self.identity.name()):
            self._put(properties)
        return Resource(self.identity.name())

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.delete(physical_id, old)
        self._put(new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        with unless_gone():
            self.call("delete_method", _place(properties))

    def _put(self, properties: Properties) -> None:
        place = _place(properties)
        apart = ("Integration", "MethodResponses")
        self.call("put_method", {key: value for key, value in properties.items() if key not in apart})
        for response in properties.get("MethodResponses", []):
            self.call("put_method_response", {**place, **response})
        if integration := properties.get("Integration"):
            passed = {key: integration.get(key) for key in _INTEGRATION}
            self.call("put_integration", {**place, **passed})
            for response in integration.get("IntegrationResponses", []):
                self.call("put_integration_response", {**place, **response})


def _place(properties: Properties) -> dict[str, str]:
    return {key: properties[key] for key in ("RestApiId", "ResourceId", "HttpMethod")}


class RequestValidator(AwsResource):
    """What of a request is checked against a method's models and parameters."""

    resource_type = "AWS::ApiGateway::RequestValidator"
    service = "apigateway"
    implemented = words("RestApiId Name ValidateRequestBody ValidateRequestParameters")
    attributes = words("RequestValidatorId")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name()
        validator_id = self.call("create_request_validator", {**properties, "Name": name})["id"]
        return _validator(validator_id)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        switches = {
            "ValidateRequestBody": "/validateRequestBody",
            "ValidateRequestParameters": "/validateRequestParameters",
        }
        off = dict.fromkeys(switches, False)
        self.client.update_request_validator(
            restApiId=new["RestApiId"],
            requestValidatorId=physical_id,
            patchOperations=patches({**off, **old}, {**off, **new}, switches),
        )
        return _validator(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        where = {"restApiId": properties["RestApiId"], "requestValidatorId": physical_id}
        self.client.get_request_validator(**where)
        self.client.delete_request_validator(**where)


def _validator(validator_id: str) -> Resource:
    return Resource(validator_id, {"RequestValidatorId": validator_id})


class Model(AwsResource):
    """A request's or answer's JSON schema; an update makes it anew, as moto cannot patch one."""

    resource_type = "AWS::ApiGateway::Model"
    service = "apigateway"
    name_properties = ("RestApiId", "Name")
    implemented = words("RestApiId Name Description ContentType Schema")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name().replace("-", "")
        self.refuse_existing(
            "get_model",
            {"RestApiId": properties["RestApiId"], "ModelName": name},
            words=f"Model name already exists for this REST API: {name}",
        )
        self._put(name, properties)
        return Resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.delete(physical_id, old)
        self._put(physical_id, new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        with unless_gone():
            self.client.delete_model(restApiId=properties["RestApiId"], modelName=physical_id)

    def _put(self, name: str, properties: Properties) -> None:
        content_type = properties.get("ContentType", "application/json")
        schema = properties.get("Schema", {})
        self.call("create_model", {**properties, "Name": name, "ContentType": content_type, "Schema": schema})


class GatewayResponse(AwsResource):
    """What the gateway itself answers where no integration does."""

    resource_type = "AWS::ApiGateway::GatewayResponse"
    service = "apigateway"
    name_properties = ("RestApiId", "ResponseType")
    implemented = words("RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates")
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        place = {key: properties[key] for key in ("RestApiId", "ResponseType")}
        self.refuse_existing("get_gateway_response", place)
        self.call("put_gateway_response", properties)
        name = self.identity.name()
        return Resource(name, {"Id": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.call("put_gateway_response", new)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        arguments = {key: properties[key] for key in ("RestApiId", "ResponseType")}
        self.call("delete_gateway_response", arguments)


class Authorizer(AwsResource):
    """Who judges a caller; every change makes a new one."""

    resource_type = "AWS::ApiGateway::Authorizer"
    service = "apigateway"
    implemented = words("RestApiId Name ProviderARNs")
    simulated: ClassVar[Mapping[str, str]] = {
        "Type": "COGNITO_USER_POOLS is carried out; an API that uses another is refused when it is deployed",
        "IdentitySource": "the header Authorization; an API that uses another is refused when it is deployed",
        "AuthorizerResultTtlInSeconds": "stored and reported; a token is judged at every request",
        **dict.fromkeys(
            words("AuthType AuthorizerUri AuthorizerCredentials IdentityValidationExpression"),
            "stored; an API with a method that uses such an authorizer is refused when it is deployed",
        ),
    }
    attributes = words("AuthorizerId")

    def create(self, properties: Properties) -> Resource:
        authorizer_id = self.call("create_authorizer", properties)["id"]
        return Resource(authorizer_id, {"AuthorizerId": authorizer_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        where = {"restApiId": properties["RestApiId"], "authorizerId": physical_id}
        self.client.get_authorizer(**where)
        self.client.delete_authorizer(**where)

    def create_only(self) -> frozenset[PropertyPath]:
        return frozenset((name,) for name in (*self.implemented, *self.simulated))


class Deployment(AwsResource):
    """A snapshot of the API for its stages; CDK gives it a new logical id whenever the API changes."""

    resource_type = "AWS::ApiGateway::Deployment"
    service = "apigateway"
    implemented = words("RestApiId Description")
    attributes = words("DeploymentId")

    def create(self, properties: Properties) -> Resource:
        deployment_id = self.call("create_deployment", properties)["id"]
        return Resource(deployment_id, {"DeploymentId": deployment_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_deployment(restApiId=properties["RestApiId"], deploymentId=physical_id)

    def create_only(self) -> frozenset[PropertyPath]:
        return super().create_only() | {("Description",)}


_METHOD_SETTINGS = {
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}


class Stage(AwsResource):
    """A deployment under an address, with its limits and its access log."""

    resource_type = "AWS::ApiGateway::Stage"
    service = "apigateway"
    name_properties = ("RestApiId", "StageName")
    implemented = words("""
        RestApiId StageName DeploymentId Description Variables AccessLogSetting.DestinationArn AccessLogSetting.Format
        MethodSettings.HttpMethod MethodSettings.ResourcePath MethodSettings.ThrottlingBurstLimit
        MethodSettings.ThrottlingRateLimit Tags
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "TracingEnabled": "stored and reported; nothing is sent to X-Ray",
        "MethodSettings.LoggingLevel": "stored and reported; the execution log has errors alone, whatever it says",
        "MethodSettings.DataTraceEnabled": "stored and reported; no payload is logged",
        "MethodSettings.MetricsEnabled": "stored and reported; metrics are by API and stage, none by method",
    }

    def create(self, properties: Properties) -> Resource:
        self._create(properties)
        return Resource(properties["StageName"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        if _settings(old).keys() - _settings(new).keys():
            # moto cannot take a method setting back.
            self.delete(physical_id, old)
            self._create(new)
        else:
            self._change(old, new)
        return Resource(physical_id)

    def _create(self, properties: Properties) -> None:
        passed = ("RestApiId", "StageName", "DeploymentId", "Description", "Variables", "TracingEnabled")
        arguments = {key: properties.get(key) for key in passed}
        self.call("create_stage", {**arguments, "Tags": tag_map(properties)})
        with self.created(properties["StageName"]):
            self._patch(properties, [*_access_log_patches({}, properties), *_setting_patches({}, properties)])

    def _change(self, old: Properties, new: Properties) -> None:
        untraced = {"TracingEnabled": False}
        paths = {"DeploymentId": "/deploymentId", "Description": "/description", "TracingEnabled": "/tracingEnabled"}
        operations = [
            *patches({**untraced, **old}, {**untraced, **new}, paths),
            *_variable_patches(old, new),
            *_access_log_patches(old, new),
            *_setting_patches(old, new),
        ]
        self._patch(new, operations)
        api, stage = new["RestApiId"], new["StageName"]
        arn = f"arn:aws:apigateway:{self.surroundings.region}::/restapis/{api}/stages/{stage}"
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(resourceArn=arn, tags=tags),
            remove=lambda keys: self.client.untag_resource(resourceArn=arn, tagKeys=keys),
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        with unless_gone():
            self.client.delete_stage(restApiId=properties["RestApiId"], stageName=physical_id)

    def _patch(self, properties: Properties, operations: list[Patch]) -> None:
        if operations:
            where = {"restApiId": properties["RestApiId"], "stageName": properties["StageName"]}
            self.client.update_stage(**where, patchOperations=operations)


def _variable_patches(old: Properties, new: Properties) -> list[Patch]:
    before, after = old.get("Variables", {}), new.get("Variables", {})
    gone = [{"op": "remove", "path": f"/variables/{name}"} for name in before if name not in after]
    return gone + [replaced(f"/variables/{name}", value) for name, value in after.items() if before.get(name) != value]


def _access_log_patches(old: Properties, new: Properties) -> list[Patch]:
    before, after = old.get("AccessLogSetting"), new.get("AccessLogSetting")
    if after and after != before:
        paths = {"DestinationArn": "/accessLogSettings/destinationArn", "Format": "/accessLogSettings/format"}
        return patches({}, after, paths)
    return [{"op": "remove", "path": "/accessLogSettings"}] if before and not after else []


def _setting_patches(old: Properties, new: Properties) -> list[Patch]:
    before, after = _settings(old), _settings(new)
    return [replaced(path, value) for path, value in after.items() if before.get(path) != value]


def _settings(properties: Properties) -> dict[str, Json]:
    """Method settings by the path that a patch writes them at."""
    return {
        f"/{_escaped(setting['ResourcePath'])}/{setting['HttpMethod']}/{_METHOD_SETTINGS[key]}": value
        for setting in properties.get("MethodSettings", [])
        for key, value in setting.items()
        if key in _METHOD_SETTINGS
    }


def _escaped(resource_path: str) -> str:
    return "*" if resource_path == "/*" else resource_path.replace("/", "~1")
