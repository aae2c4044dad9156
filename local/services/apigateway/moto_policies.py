"""Reads a function's resource policy straight from moto's memory: one HTTP call for each request would cost more
than the rest of the gateway. Asserts at import that what it reaches into is still there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.awslambda.exceptions import GenericResourcNotFound, UnknownAliasException, UnknownFunctionException
from moto.awslambda.models import LambdaStorage, lambda_backends

from local.services.apigateway.gateway import Account, PolicyLookup

assert hasattr(LambdaStorage, "get_function_by_name_or_arn_with_qualifier")  # noqa: S101  # moto has been upgraded


def moto_policies(account: Account) -> PolicyLookup:
    """The statements of any function of the account; none where the function does not exist."""

    def statements(function_name: str, qualifier: str | None) -> Sequence[Mapping[str, Any]]:
        storage = lambda_backends[account.id][account.region]._lambdas
        try:
            function = storage.get_function_by_name_or_arn_with_qualifier(function_name, qualifier)
        except (GenericResourcNotFound, UnknownFunctionException, UnknownAliasException):
            return ()
        return tuple(function.policy.statements)

    return statements
