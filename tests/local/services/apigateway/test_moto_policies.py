"""Reading a function's resource policy out of moto."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.services.apigateway.gateway import Account
from local.services.apigateway.moto_policies import moto_policies
from local.services.apigateway.permission import may_invoke

pytestmark = pytest.mark.slow

ACCOUNT = Account("123456789012", "us-east-1", {"local": "local"}.get)
ROUTE = "arn:aws:execute-api:us-east-1:123456789012:abc/api/POST/models/digits/*"


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        role = boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=json.dumps({}))["Role"]["Arn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "")
        client = boto3.client("lambda", region_name="us-east-1")
        client.create_function(
            FunctionName="gateway",
            Role=role,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
        )
        yield client


def permit(client: Any, source_arn: str) -> None:
    client.add_permission(
        FunctionName="gateway",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source_arn,
    )


@pytest.mark.parametrize(
    ("source_arn", "allowed"),
    [
        ("arn:aws:execute-api:us-east-1:123456789012:abc/*/*/models/digits/*", True),
        ("arn:aws:execute-api:us-east-1:123456789012:abc/*/*/models/other/*", False),
    ],
)
def test_what_add_permission_wrote_decides(functions: Any, source_arn: str, *, allowed: bool) -> None:
    permit(functions, source_arn)

    statements = moto_policies(ACCOUNT)("gateway", None)

    assert may_invoke(statements, source_arn=ROUTE, source_account=ACCOUNT.id) is allowed


@pytest.mark.parametrize(("name", "qualifier"), [("gateway", None), ("none", None), ("gateway", "live")])
def test_without_a_policy_or_a_function_there_are_no_statements(
    functions: Any, name: str, qualifier: str | None
) -> None:
    assert moto_policies(ACCOUNT)(name, qualifier) == ()
