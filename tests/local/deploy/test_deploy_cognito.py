"""A user pool and its client on moto: made as the platform asks for them, changed in place, destroyed."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.state import InMemoryStore
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

pytestmark = pytest.mark.slow

PASSWORDS = {"MinimumLength": 14, "RequireSymbols": True}
RESOURCES: dict[str, Json] = {
    "Pool": {
        "Type": "AWS::Cognito::UserPool",
        "Properties": {
            "UsernameAttributes": ["email"],
            "AutoVerifiedAttributes": ["email"],
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "MfaConfiguration": "ON",
            "EnabledMfas": ["SOFTWARE_TOKEN_MFA"],
            "Policies": {"PasswordPolicy": PASSWORDS},
            "UserPoolTier": "PLUS",
        },
    },
    "Client": {
        "Type": "AWS::Cognito::UserPoolClient",
        "Properties": {"UserPoolId": {"Ref": "Pool"}, "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"]},
    },
}


@pytest.fixture
def cloud() -> Iterator[MotoCloud]:
    with moto_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(cloud: MotoCloud) -> Engine:
    return Engine(
        clients=cloud.clients,
        store=InMemoryStore(),
        clock=ManualClock(),
        on_event=lambda _event: None,
        receiver=DeafReceiver(),
    )


def deploy(engine: Engine, resources: dict[str, Json]) -> dict[str, str]:
    outputs = {
        "Pool": {"Value": {"Ref": "Pool"}},
        "Client": {"Value": {"Ref": "Client"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Pool", "Arn"]}},
        "Provider": {"Value": {"Fn::GetAtt": ["Pool", "ProviderURL"]}},
    }
    stack = AssemblyStack(name="users", template={"Resources": resources, "Outputs": outputs}, parameters={})
    return dict(engine.execute(engine.plan(stack)).outputs)


def test_a_pool_is_made_as_it_was_asked_for(cloud: MotoCloud, engine: Engine) -> None:
    made = deploy(engine, RESOURCES)

    pool = cloud.clients("cognito-idp").describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 14
    assert (pool["UsernameAttributes"], pool["MfaConfiguration"]) == (["email"], "ON")
    assert made["Arn"].endswith(f":userpool/{made['Pool']}")
    assert made["Provider"] == f"https://cognito-idp.us-east-1.amazonaws.com/{made['Pool']}"


def test_a_pool_and_its_client_change_in_place(cloud: MotoCloud, engine: Engine) -> None:
    before = deploy(engine, RESOURCES)
    edited = copy.deepcopy(RESOURCES)
    edited["Pool"]["Properties"]["Policies"]["PasswordPolicy"]["MinimumLength"] = 20
    edited["Client"]["Properties"]["ExplicitAuthFlows"] = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]

    after = deploy(engine, edited)

    client = cloud.clients("cognito-idp")
    pool = client.describe_user_pool(UserPoolId=after["Pool"])["UserPool"]
    app = client.describe_user_pool_client(UserPoolId=after["Pool"], ClientId=after["Client"])["UserPoolClient"]
    assert after == before
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 20
    assert app["ExplicitAuthFlows"] == ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]


def test_destroying_a_pool_leaves_nothing(cloud: MotoCloud, engine: Engine) -> None:
    deploy(engine, RESOURCES)

    engine.destroy("users")

    assert cloud.clients("cognito-idp").list_user_pools(MaxResults=10)["UserPools"] == []
