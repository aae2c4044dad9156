"""A template's gateway functions: the Lambda function before an endpoint, and the API's routes that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdk.preflight.installation import Installation, Json, Resource, Stack, name_of, text_of

GATEWAY_VARIABLE = "FLYBALL_TIMEOUT_SECONDS"
"""What tells a gateway function from others: functions/gateway/settings.py reads it."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway function of a package's stack."""

    stack: Stack
    function: Resource
    routes: tuple[Resource, ...]

    @property
    def timeout_seconds(self) -> int:
        """Lambda's default is three seconds."""
        return int(self.function.properties.get("Timeout", 3))


def gateways(installation: Installation) -> Iterator[Gateway]:
    """Every gateway function, with the API methods whose integration names it."""
    for stack in installation.stacks:
        for function in stack.resources("AWS::Lambda::Function"):
            if GATEWAY_VARIABLE in variables_of(function):
                yield Gateway(stack=stack, function=function, routes=_routes(installation, function, stack))


def variables_of(function: Resource) -> Json:
    """The environment variables of a Lambda function."""
    variables: Json = function.properties.get("Environment", {}).get("Variables", {})
    return variables


def _routes(installation: Installation, function: Resource, stack: Stack) -> tuple[Resource, ...]:
    name = name_of(function, stack)
    return tuple(
        method
        for other in installation.stacks
        for method in other.resources("AWS::ApiGateway::Method")
        if f":function:{name}/" in text_of(method.properties.get("Integration", {}).get("Uri", ""), other)
    )
