"""Tokens of a user pool, as moto's Cognito gives them: whose they are, and which an API takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.services.apigateway.claims import ClaimsLookup
from local.services.apigateway.moto_user_pools import moto_user_pools

ACCOUNT, REGION = "123456789012", "us-east-1"
FAR_FUTURE_SECONDS = 9_999_999_999.0
EMAIL, PASSWORD = "ada@example.com", "Correct-horse-battery-1"

pytestmark = pytest.mark.slow


@dataclass
class Pool:
    """A pool with one user, who has signed in."""

    arn: str
    tokens: dict[str, str]
    claims_of: ClaimsLookup


def sign_in(client: Any, pool_id: str) -> dict[str, str]:
    made = client.create_user_pool_client(
        UserPoolId=pool_id, ClientName="app", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )
    client.admin_create_user(
        UserPoolId=pool_id, Username=EMAIL, UserAttributes=[{"Name": "email", "Value": EMAIL}], MessageAction="SUPPRESS"
    )
    client.admin_set_user_password(UserPoolId=pool_id, Username=EMAIL, Password=PASSWORD, Permanent=True)
    answer = client.admin_initiate_auth(
        UserPoolId=pool_id,
        ClientId=made["UserPoolClient"]["ClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": EMAIL, "PASSWORD": PASSWORD},
    )
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens


@pytest.fixture(scope="module")
def cognito() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("cognito-idp", region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local")


@pytest.fixture(scope="module")
def pool(cognito: Any) -> Pool:
    made = cognito.create_user_pool(PoolName="users", UsernameAttributes=["email"])["UserPool"]
    return Pool(
        arn=made["Arn"],
        tokens=sign_in(cognito, made["Id"]),
        claims_of=moto_user_pools(account=ACCOUNT, region=REGION),
    )


@pytest.mark.parametrize("scheme", ["", "Bearer "])
def test_a_users_id_token_says_who_it_is(pool: Pool, scheme: str) -> None:
    claims = pool.claims_of(scheme + pool.tokens["IdToken"], [pool.arn])

    assert claims is not None
    assert (claims["email"], claims["token_use"]) == (EMAIL, "id")
    assert all(isinstance(value, str) for value in claims.values())


def test_an_access_token_is_not_taken_where_no_scope_is_asked_for(pool: Pool) -> None:
    assert pool.claims_of(pool.tokens["AccessToken"], [pool.arn]) is None


@pytest.mark.parametrize("token", ["", "Bearer", "not.a.token", "a.b"])
def test_what_is_no_token_is_not_taken(pool: Pool, token: str) -> None:
    assert pool.claims_of(token, [pool.arn]) is None


def test_a_token_that_somebody_changed_is_not_taken(pool: Pool) -> None:
    header, payload, signature = pool.tokens["IdToken"].split(".")
    another = "A" if payload[10] != "A" else "B"

    changed = ".".join([header, payload[:10] + another + payload[11:], signature])

    assert pool.claims_of(changed, [pool.arn]) is None


def test_another_pools_token_is_not_taken(pool: Pool, cognito: Any) -> None:
    other = cognito.create_user_pool(PoolName="others", UsernameAttributes=["email"])["UserPool"]

    assert pool.claims_of(pool.tokens["IdToken"], [other["Arn"]]) is None
    assert pool.claims_of(sign_in(cognito, other["Id"])["IdToken"], [pool.arn]) is None


def test_a_token_is_taken_until_it_expires(pool: Pool) -> None:
    later = moto_user_pools(account=ACCOUNT, region=REGION, now_seconds=lambda: FAR_FUTURE_SECONDS)

    assert later(pool.tokens["IdToken"], [pool.arn]) is None


def test_a_pool_that_is_gone_gives_nobody_entrance(pool: Pool) -> None:
    assert pool.claims_of(pool.tokens["IdToken"], [f"{pool.arn}gone"]) is None
