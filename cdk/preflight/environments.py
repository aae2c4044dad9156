"""Whether the environment variables of functions and containers are within the limits of Lambda and SageMaker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cdk.preflight.findings import Finding, error
from cdk.preflight.gateways import variables_of
from cdk.preflight.installation import Installation, Json, Resource, Stack, text_of, walk

LAMBDA_ENVIRONMENT_BYTES = 4 * 2**10
CONTAINER_VARIABLE_BYTES = 1024
CONTAINER_ENVIRONMENT_BYTES = 32 * 2**10

FUNCTION_ENVIRONMENT = error(
    "function-environment", "The variables of a function are larger than 4 KB together: Lambda refuses the function."
)
CONTAINER_VARIABLE = error(
    "container-variable",
    "A key or value of a container's environment is longer than 1,024 bytes: SageMaker refuses it.",
)
CONTAINER_ENVIRONMENT = error(
    "container-environment", "The variables of a container are larger than 32 KB together: SageMaker refuses the model."
)
RULES = (FUNCTION_ENVIRONMENT, CONTAINER_VARIABLE, CONTAINER_ENVIRONMENT)


def check(installation: Installation) -> Iterator[Finding]:
    """A value that only a deployment knows counts with about the length that it will have."""
    for stack in installation.stacks:
        for function in stack.resources("AWS::Lambda::Function"):
            yield from _function_findings(function, stack)
        for model in stack.resources("AWS::SageMaker::Model"):
            for environment in _container_environments(model.properties):
                yield from _container_findings(model, environment, stack)


def _function_findings(function: Resource, stack: Stack) -> Iterator[Finding]:
    size_bytes = sum(_sizes(variables_of(function), stack).values())
    if size_bytes > LAMBDA_ENVIRONMENT_BYTES:
        yield FUNCTION_ENVIRONMENT.broken(
            function.where,
            found=f"{size_bytes:,} bytes",
            allowed=f"{LAMBDA_ENVIRONMENT_BYTES:,} bytes",
            change="put long values into a parameter, and its name into the environment",
            package=stack.package_name,
        )


def _container_findings(model: Resource, environment: Json, stack: Stack) -> Iterator[Finding]:
    sizes = _sizes(environment, stack)
    for key, value in environment.items():
        longest = max(len(key.encode()), len(text_of(value, stack).encode()))
        if longest > CONTAINER_VARIABLE_BYTES:
            yield CONTAINER_VARIABLE.broken(
                f"{model.where}, {key[:64]}",
                found=f"{longest:,} bytes",
                allowed=f"{CONTAINER_VARIABLE_BYTES:,} bytes in a key, and in a value",
                change="put it into a file of the artifact or the image",
                package=stack.package_name,
            )
    if sum(sizes.values()) > CONTAINER_ENVIRONMENT_BYTES:
        yield CONTAINER_ENVIRONMENT.broken(
            model.where,
            found=f"{sum(sizes.values()):,} bytes",
            allowed=f"{CONTAINER_ENVIRONMENT_BYTES:,} bytes",
            change="put long values into files of the artifact or the image",
            package=stack.package_name,
        )


def _container_environments(properties: Any) -> Iterator[Json]:
    """Wherever a container stands: alone, in a list, or in a choice by a condition."""
    for table in walk(properties):
        if isinstance(table, dict) and isinstance(table.get("Environment"), dict):
            yield table["Environment"]


def _sizes(environment: Json, stack: Stack) -> dict[str, int]:
    return {key: len(key.encode()) + len(text_of(value, stack).encode()) for key, value in environment.items()}
