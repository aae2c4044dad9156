"""How a caller proves who it is: IAM, an API key or a Cognito user pool, by setting."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from cdk.rules import acknowledge
from cdk.settings import PlatformSettings


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a method of the API is made with, so that it asks callers who they are."""

    type: apigateway.AuthorizationType
    api_key_required: bool = False
    authorizer: apigateway.IAuthorizer | None = None


NO_AUTHORIZATION = Authorization(apigateway.AuthorizationType.NONE)


def authorize(scope: Construct, *, rest_api: apigateway.RestApi, settings: PlatformSettings) -> Authorization:
    """The way that the settings name, for `rest_api`."""
    if settings.authorization == "api_key":
        return ApiKeys(scope, "ApiKeys", rest_api=rest_api, settings=settings).authorization
    if settings.authorization == "cognito":
        return Users(scope, "Users", settings=settings).authorization
    acknowledge(
        rest_api, "AwsSolutions-COG4", reason="The setting is IAM: callers are AWS principals, not users of a pool."
    )
    return Authorization(apigateway.AuthorizationType.IAM)


class ApiKeys(Construct):
    """One key in the x-api-key header, and a usage plan that throttles its holder."""

    def __init__(
        self, scope: Construct, construct_id: str, *, rest_api: apigateway.RestApi, settings: PlatformSettings
    ) -> None:
        super().__init__(scope, construct_id)
        self.authorization = Authorization(apigateway.AuthorizationType.NONE, api_key_required=True)
        plan = apigateway.UsagePlan(
            self,
            "Plan",
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.throttling.rate_per_second, burst_limit=settings.throttling.burst
            ),
            api_stages=[apigateway.UsagePlanPerApiStage(api=rest_api, stage=rest_api.deployment_stage)],
        )
        key = apigateway.ApiKey(self, "Key")
        plan.add_api_key(key)
        CfnOutput(Stack.of(self), "ApiKeyId", value=key.key_id)
        acknowledge(
            rest_api, "AwsSolutions-APIG4", reason="The setting is an API key: methods require one, and no authorizer."
        )
        acknowledge(rest_api, "AwsSolutions-COG4", reason="The setting is an API key, not a user pool.")


class Users(Construct):
    """Users of a pool of this installation, with a second factor; the ID token goes into the Authorization header."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: PlatformSettings) -> None:
        super().__init__(scope, construct_id)
        user_pool = _user_pool(self, settings)
        client = user_pool.add_client(
            "Client",
            auth_flows=cognito.AuthFlow(user_srp=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
        )
        authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self, "Authorizer", cognito_user_pools=[user_pool], results_cache_ttl=Duration.minutes(5)
        )
        CfnOutput(Stack.of(self), "UserPoolId", value=user_pool.user_pool_id)
        CfnOutput(Stack.of(self), "UserPoolClientId", value=client.user_pool_client_id)
        self.authorization = Authorization(apigateway.AuthorizationType.COGNITO, authorizer=authorizer)


def _user_pool(scope: Construct, settings: PlatformSettings) -> cognito.UserPool:
    return cognito.UserPool(
        scope,
        "Pool",
        self_sign_up_enabled=False,
        sign_in_aliases=cognito.SignInAliases(email=True),
        password_policy=cognito.PasswordPolicy(
            min_length=14, require_digits=True, require_lowercase=True, require_symbols=True, require_uppercase=True
        ),
        mfa=cognito.Mfa.REQUIRED,
        mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
        account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
        feature_plan=cognito.FeaturePlan.PLUS,
        standard_threat_protection_mode=cognito.StandardThreatProtectionMode.FULL_FUNCTION,
        removal_policy=settings.removal,
    )
