"""Whether a function's resource policy lets API Gateway invoke it for one route.

Covers Allow and Deny statements with a service principal and the conditions that `AddPermission` writes
(`ArnLike`/`ArnEquals` and `StringEquals`/`StringLike` on SourceArn and SourceAccount); any other condition fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

PRINCIPAL: Final = "apigateway.amazonaws.com"
ACTION: Final = "lambda:InvokeFunction"


def may_invoke(statements: Iterable[Mapping[str, Any]], *, source_arn: str, source_account: str) -> bool:
    """One Allow that applies is needed, and no Deny that applies."""
    facts = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account}
    effects = {statement.get("Effect") for statement in statements if applies(statement, facts)}
    return "Allow" in effects and "Deny" not in effects


def applies(statement: Mapping[str, Any], facts: Mapping[str, str]) -> bool:
    """Whether principal, action and every condition fit."""
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, Mapping) else principal
    if PRINCIPAL not in as_list(service) and "*" not in as_list(service):
        return False
    if not any(wildcard_match(action, ACTION) for action in as_list(statement.get("Action"))):
        return False
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition") or {}
    return all(holds(operator, tests, facts) for operator, tests in conditions.items())


def holds(operator: str, tests: Mapping[str, Any], facts: Mapping[str, str]) -> bool:
    """Whether one operator's tests are all true."""
    if operator not in ("ArnLike", "ArnEquals", "StringLike", "StringEquals"):
        return False
    literal = operator == "StringEquals"
    return all(
        any(value == fact if literal else wildcard_match(value, fact) for value in as_list(allowed))
        for key, allowed in tests.items()
        for fact in (facts.get(key.lower(), ""),)
    )


def wildcard_match(pattern: str, text: str) -> bool:
    """`*` stands for any run of characters, `?` for one."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
