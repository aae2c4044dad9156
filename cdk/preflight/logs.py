"""Whether every log group is one that a template makes: with a key, and with an end to what it keeps."""

from __future__ import annotations

from collections.abc import Iterator

from cdk.names import ENDPOINT_LOGS
from cdk.preflight.endpoints import Endpoint, endpoints
from cdk.preflight.findings import Finding, warning
from cdk.preflight.installation import Installation, Resource, Stack, name_of, text_of

LAMBDA_LOGS = "/aws/lambda"  # Lambda's choice

ENDPOINT_UNMANAGED = warning(
    "endpoint-logs-unmanaged",
    "No template makes the endpoint's log group: SageMaker makes it, unencrypted and kept for ever.",
)
FUNCTION_UNMANAGED = warning(
    "function-logs-unmanaged",
    "No template makes the function's log group: Lambda makes it, unencrypted and kept for ever.",
)
RULES = (ENDPOINT_UNMANAGED, FUNCTION_UNMANAGED)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at every endpoint and every function."""
    for endpoint in endpoints(installation):
        yield from _endpoint_findings(endpoint)
    for stack in installation.stacks:
        for function in stack.resources("AWS::Lambda::Function"):
            yield from _function_findings(function, stack)


def _endpoint_findings(endpoint: Endpoint) -> Iterator[Finding]:
    needed = f"{ENDPOINT_LOGS}/{endpoint.name}"
    if needed not in _names(endpoint.stack):
        yield ENDPOINT_UNMANAGED.broken(
            endpoint.resource.where,
            found=f"log groups {', '.join(sorted(_names(endpoint.stack))) or 'without names'}",
            allowed=needed,
            change="make the log group in the endpoint's stack",
            package=endpoint.package,
        )


def _function_findings(function: Resource, stack: Stack) -> Iterator[Finding]:
    """A function names its log group, or has the one of its own name."""
    chosen = function.properties.get("LoggingConfig", {}).get("LogGroup")
    own = name_of(function, stack)
    needed = text_of(chosen, stack) if chosen is not None else f"{LAMBDA_LOGS}/{own or f'<{function.logical_id}>'}"
    groups = {f"<{group.logical_id}>" for group in stack.resources("AWS::Logs::LogGroup")}
    if needed not in groups | _names(stack):
        yield FUNCTION_UNMANAGED.broken(
            function.where,
            found=needed,
            allowed="a log group of the same template",
            change="make it, and name it in LoggingConfig",
            package=stack.package_name,
        )


def _names(stack: Stack) -> set[str]:
    """The names that a template gives its log groups."""
    return {name for group in stack.resources("AWS::Logs::LogGroup") if (name := name_of(group, stack))}
