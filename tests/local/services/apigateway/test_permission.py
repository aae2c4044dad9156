"""A function's resource policy against one route."""

from __future__ import annotations

from typing import Any

import pytest

from local.services.apigateway.permission import may_invoke

ROUTE = "arn:aws:execute-api:us-east-1:123456789012:abc/api/POST/models/digits/*"


def statement(*, effect: str = "Allow", condition: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Action": "lambda:InvokeFunction",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Condition": condition or {},
        **changes,
    }


def source(pattern: str) -> dict[str, Any]:
    return {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:us-east-1:123456789012:{pattern}"}}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([], False),
        ([statement()], True),
        ([statement(condition=source("abc/api/POST/models/digits/*"))], True),
        ([statement(condition=source("abc/*/*/models/digits/*"))], True),
        ([statement(condition=source("abc/*"))], True),
        ([statement(condition=source("abc/test-invoke-stage/POST/models/digits/*"))], False),
        ([statement(condition=source("other/*"))], False),
        ([statement(condition={"StringEquals": {"AWS:SourceAccount": "123456789012"}})], True),
        ([statement(condition={"StringEquals": {"AWS:SourceAccount": "999999999999"}})], False),
        ([statement(condition={"IpAddress": {"aws:SourceIp": "127.0.0.1"}})], False),
        ([statement(Principal={"Service": "events.amazonaws.com"})], False),
        ([statement(Principal={"AWS": "arn:aws:iam::123456789012:root"})], False),
        ([statement(Action="lambda:GetFunction")], False),
        ([statement(Action="lambda:*")], True),
        ([statement(), statement(effect="Deny", condition=source("abc/*"))], False),
    ],
)
def test_a_statement_has_to_fit_in_principal_action_and_conditions(
    statements: list[dict[str, Any]], *, allowed: bool
) -> None:
    assert may_invoke(statements, source_arn=ROUTE, source_account="123456789012") is allowed
