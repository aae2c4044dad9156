"""AWS::Cognito::UserPool and UserPoolClient: whose tokens an API takes. Users and tokens are the pool's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.handlers import AwsResource, Resource

UNSENT = "stored and reported; no mail and no message is sent"
UNASKED = "stored and reported; not judged at sign-in"

_ON_PAPER = words("EnabledMfas UserPoolTier")
"""What no call of moto's takes."""


class UserPool(AwsResource):
    """A pool of users, who sign in at the local Cognito."""

    resource_type = "AWS::Cognito::UserPool"
    service = "cognito-idp"
    implemented = words("UserPoolName UsernameAttributes AutoVerifiedAttributes Policies UserPoolTags")
    simulated: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            words("""
                EmailVerificationMessage EmailVerificationSubject SmsVerificationMessage VerificationMessageTemplate
                AccountRecoverySetting
            """),
            UNSENT,
        ),
        **dict.fromkeys(words("AdminCreateUserConfig MfaConfiguration UserPoolAddOns"), UNASKED),
        **dict.fromkeys(_ON_PAPER, "kept in the stack's state only; not judged at sign-in"),
    }
    attributes = words("Arn ProviderName ProviderURL UserPoolId")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("UserPoolName") or self.identity.name()
        return _pool(self.call("create_user_pool", {**_passed(properties), "PoolName": name})["UserPool"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        # A pool's user names are what they are from its birth.
        passed = {key: value for key, value in _passed(new).items() if key != "UsernameAttributes"}
        self.call("update_user_pool", {**passed, "UserPoolId": physical_id})
        return _pool(self.client.describe_user_pool(UserPoolId=physical_id)["UserPool"])

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_user_pool(UserPoolId=physical_id)

    def create_only(self) -> frozenset[tuple[str, ...]]:
        return super().create_only() | {("UsernameAttributes",)}


def _passed(properties: Properties) -> dict[str, Json]:
    return {key: value for key, value in properties.items() if key not in {*_ON_PAPER, "UserPoolName"}}


def _pool(pool: Mapping[str, Json]) -> Resource:
    _, region, _ = pool["Arn"].split(":", 5)[2:5]
    provider = f"cognito-idp.{region}.amazonaws.com/{pool['Id']}"
    attributes = {"Arn": pool["Arn"], "ProviderName": provider, "ProviderURL": f"https://{provider}"}
    return Resource(pool["Id"], {**attributes, "UserPoolId": pool["Id"]})


class UserPoolClient(AwsResource):
    """An application that users of a pool sign in with."""

    resource_type = "AWS::Cognito::UserPoolClient"
    service = "cognito-idp"
    implemented = words("ClientName ExplicitAuthFlows GenerateSecret UserPoolId")
    simulated: ClassVar[Mapping[str, str]] = {
        "AllowedOAuthFlowsUserPoolClient": "stored and reported; there is no hosted sign-in page",
        "PreventUserExistenceErrors": "stored and reported; an error says when a user does not exist",
        "SupportedIdentityProviders": "stored and reported; users are the pool's own",
    }
    attributes = words("ClientId Name")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("ClientName") or self.identity.name()
        made = self.call("create_user_pool_client", {**properties, "ClientName": name})["UserPoolClient"]
        return Resource(made["ClientId"], {"ClientId": made["ClientId"], "Name": made["ClientName"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        passed = {key: value for key, value in new.items() if key != "GenerateSecret"}
        changed = self.call("update_user_pool_client", {**passed, "ClientId": physical_id})["UserPoolClient"]
        return Resource(physical_id, {"ClientId": physical_id, "Name": changed["ClientName"]})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_user_pool_client(UserPoolId=properties["UserPoolId"], ClientId=physical_id)
