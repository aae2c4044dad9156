"""Finds functions in moto's state, as the Lambda service needs them: looked up at each invocation, by name.

So CreateFunction, UpdateFunctionCode and the rest need no hook: a function that has changed is another value.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from moto.awslambda.exceptions import GenericResourcNotFound, UnknownAliasException, UnknownFunctionException
from moto.awslambda.models import lambda_backends

from local.lambda_code import unpack
from local.services.lambda_ import FindFunction
from local.services.lambda_function import Function
from model_packages.errors import OperatorError

LATEST = "$LATEST"


class NotAZipFunction(OperatorError):
    """A function of a kind that the local cloud cannot run."""


def moto_functions(*, account: str, region: str, code_folder: Path) -> FindFunction:
    """Finds the functions of one account and region; their code is unpacked below `code_folder`."""

    def find(name: str, qualifier: str | None) -> Function | None:
        try:
            stored = lambda_backends[account][region].get_function(name, qualifier)
        except (GenericResourcNotFound, UnknownAliasException, UnknownFunctionException):
            return None
        return _function(stored, code_folder)

    return find


def _function(stored: Any, code_folder: Path) -> Function:
    """moto's record as a Function. Raises NotAZipFunction."""
    if stored.package_type != "Zip" or stored.layers:
        kind = "a container image" if stored.package_type != "Zip" else "layers"
        raise NotAZipFunction(f"the local cloud runs zip functions without layers; {stored.function_name} uses {kind}")
    reserved = stored.reserved_concurrency
    return Function(
        name=stored.function_name,
        arn=stored.function_arn,
        handler=stored.handler,
        code_revision=stored.code_sha_256,
        open_code=partial(unpack, stored.code_bytes, code_folder),
        environment=_variables(stored.environment_vars),
        timeout_seconds=float(stored.timeout),
        memory_mb=int(stored.memory_size),
        role_arn=stored.role,
        runtime=stored.run_time,
        version=version_of(stored),
        log_group=(getattr(stored, "logging_config", None) or {}).get("LogGroup", ""),
        reserved_concurrency=None if reserved is None else int(reserved),
        maximum_retry_attempts=_retries(stored.event_invoke_config),
    )


def version_of(stored: Any) -> str:
    """`$LATEST`, or the number of a published version."""
    tail = stored.function_arn.rpartition(":")[2]
    return str(tail) if tail.isdigit() else LATEST


def _variables(environment: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


def _retries(event_invoke_configs: list[Mapping[str, Any]]) -> int:
    return next((int(config.get("MaximumRetryAttempts", 2)) for config in event_invoke_configs), 2)
