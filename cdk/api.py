"""The one REST API of an installation: its stage, its routes, who may call them, and what it logs.

A package's route names its gateway function and nothing more; API Gateway does not look whether it exists. That is what
lets the function live in the package's own stack: docs/decisions/one-api.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.authorization import NO_AUTHORIZATION, Authorization, authorize
from cdk.catalogue import Catalogue
from cdk.firewall import Firewall
from cdk.gateway_responses import GatewayResponses
from cdk.log_group import EncryptedLogGroup
from cdk.names import STAGE, PackageNames
from cdk.rules import acknowledge
from cdk.settings import PlatformSettings
from cdk.statements import arn
from model_packages.discovery import ModelPackage

ACCESS_LOG: Mapping[str, str] = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "responseLatencyMs": "$context.responseLatency",
    "integrationLatencyMs": "$context.integrationLatency",
    "integrationStatus": "$context.integration.status",
    "responseBytes": "$context.responseLength",
    "identityArn": "$context.identity.userArn",
    "apiKeyId": "$context.identity.apiKeyId",
    "userId": "$context.authorizer.claims.sub",
    "sourceIp": "$context.identity.sourceIp",
    "userAgent": "$context.identity.userAgent",
    "errorType": "$context.error.responseType",
    "firewall": "$context.waf.status",
}
"""One line of JSON a request: who, what, how long; never a body, a query or a header that the caller may fill."""


class Api(Construct):
    """`rest_api` with the stage `api`; `url` is where callers find it, `access_log` where each request has a line."""

    def __init__(
        self, scope: Construct, construct_id: str, *, catalogue: Catalogue, key: kms.IKey, settings: PlatformSettings
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._catalogue = settings, catalogue
        self.access_log = EncryptedLogGroup(self, "AccessLog", key=key, settings=settings)
        self.rest_api = self._rest_api()
        self.url = f"https://{self.rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}/{STAGE}/"
        self._validator = self.rest_api.add_request_validator(
            "Validator", validate_request_parameters=True, validate_request_body=True
        )
        self._authorization = authorize(self, rest_api=self.rest_api, settings=settings)
        GatewayResponses(self, "Responses", rest_api=self.rest_api)
        self._add_catalogue()
        self._add_firewall()

    def add_model(self, package: ModelPackage) -> None:
        """Routes everything below /models/<name>/ to the package's gateway function, by its name."""
        name = PackageNames(self._settings.prefix, package).gateway_function
        gateway = _proxy(arn("lambda", f"function:{name}"))
        model = self._models.add_resource(package.name)
        self._document(model)
        self._route(model.add_resource("{proxy+}"), "ANY", gateway, self._authorization)

    def allow_invocation(self, scope: Construct, *, function: lambda_.IFunction, path: str) -> lambda_.CfnPermission:
        """Lets this API, and no other, invoke `function` for requests below `path` ("/*" for all of them)."""
        return lambda_.CfnPermission(
            scope,
            "ApiPermission",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.rest_api.arn_for_execute_api("*", path, STAGE),
        )

    def _rest_api(self) -> apigateway.RestApi:
        rest_api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=self._settings.prefix,
            description="Every model of this installation",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy_options=self._stage_options(),
        )
        rest_api.node.try_remove_child("Endpoint")  # CDK's own output; ApiUrl says the same
        rest_api.deployment_stage.node.add_dependency(_logging_account(self))
        return rest_api

    def _stage_options(self) -> apigateway.StageOptions:
        return apigateway.StageOptions(
            stage_name=STAGE,
            throttling_rate_limit=self._settings.throttling.rate_per_second,
            throttling_burst_limit=self._settings.throttling.burst,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
            access_log_destination=apigateway.LogGroupLogDestination(self.access_log),
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
        )

    def _add_catalogue(self) -> None:
        root = self.rest_api.root
        self._models = root.add_resource("models")
        unknown_model = self._models.add_resource("{name}")
        for resource in (root, self._models, root.add_resource("openapi.json"), unknown_model):
            self._document(resource)
        proxy = _proxy(self._catalogue.function.function_arn)
        self._route(unknown_model.add_resource("{proxy+}"), "ANY", proxy, self._authorization)
        self.allow_invocation(self._catalogue, function=self._catalogue.function, path="/*")

    def _document(self, resource: apigateway.IResource) -> None:
        """Lets the catalogue answer GET, with authorisation or without as the settings say."""
        public = self._settings.documentation == "public"
        authorization = NO_AUTHORIZATION if public else self._authorization
        method = self._route(resource, "GET", _proxy(self._catalogue.function.function_arn), authorization)
        if public:
            reason = "The setting documentation is public: reading the catalogue tells formats, and invokes no model."
            acknowledge(method, "AwsSolutions-APIG4", reason=reason)
            acknowledge(method, "AwsSolutions-COG4", reason=reason)

    def _route(
        self,
        resource: apigateway.IResource,
        http_method: str,
        integration: apigateway.Integration,
        authorization: Authorization,
    ) -> apigateway.Method:
        return resource.add_method(
            http_method,
            integration,
            authorization_type=authorization.type,
            authorizer=authorization.authorizer,
            api_key_required=authorization.api_key_required or None,
            request_validator=self._validator,
        )

    def _add_firewall(self) -> None:
        if self._settings.waf:
            Firewall(self, "Firewall", stage=self.rest_api.deployment_stage, settings=self._settings)
        else:
            reason = "The setting waf is off: the API is throttled, and its models ask for authorisation."
            acknowledge(self.rest_api, "AwsSolutions-APIG3", reason=reason)


def _proxy(function_arn: str) -> apigateway.Integration:
    invocations = f"lambda:path/2015-03-31/functions/{function_arn}/invocations"
    return apigateway.Integration(
        type=apigateway.IntegrationType.AWS_PROXY,
        integration_http_method="POST",
        uri=f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:{invocations}",
    )


def _logging_account(scope: Construct) -> apigateway.CfnAccount:
    """The role that API Gateway writes logs with: one for all APIs of an account and region, hence never deleted."""
    push_logs = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    role = iam.Role(
        scope,
        "LoggingRole",
        assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(push_logs)],
    )
    account = apigateway.CfnAccount(scope, "LoggingAccount", cloud_watch_role_arn=role.role_arn)
    for resource in (role, account):
        resource.apply_removal_policy(RemovalPolicy.RETAIN)
    acknowledge(
        role,
        f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{push_logs}]",
        reason="API Gateway checks that its account's role holds all that this policy of AWS's lists, on every log.",
    )
    return account
