"""The chain of timeouts: API Gateway outlives the function, the function the endpoint, which SageMaker ends at 60 s."""

from __future__ import annotations

from collections.abc import Iterator

from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.gateways import Gateway, gateways
from cdk.preflight.installation import Installation, Json, Resource
from model_packages.discovery import ModelPackage

API_DEFAULT_TIMEOUT_MS = 29_000
"""What API Gateway waits where a method says nothing, and the most without a raised quota."""
API_OVERHEAD_SECONDS = 1
"""Kept for the function's own work and a cold start that is not the first, of what API Gateway waits."""
FUNCTION_MARGIN_SECONDS = 2
"""What the function needs after the endpoint's timeout, to answer 504 itself."""

API_GIVES_UP_FIRST = error(
    "api-gives-up-first",
    "API Gateway answers 504 before the endpoint's timeout is over: the model goes on computing for nobody.",
    rests_on_estimate=True,
)
FUNCTION_GIVES_UP_FIRST = error(
    "function-gives-up-first",
    "Lambda kills the gateway function before the endpoint's timeout is over: the caller gets no problem document.",
)
RAISED_API_TIMEOUT = warning(
    "api-timeout-raised",
    "A route waits longer than 29 s, which API Gateway refuses until the account's quota has been raised.",
)
RULES = (API_GIVES_UP_FIRST, FUNCTION_GIVES_UP_FIRST, RAISED_API_TIMEOUT)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at each package's timeout, its gateway function and the routes that lead there."""
    for gateway in gateways(installation):
        package = gateway.stack.package
        if package is not None:
            yield from _function_findings(gateway, package)
            yield from _api_findings(gateway, package)
    yield from _raised_findings(installation)


def _function_findings(gateway: Gateway, package: ModelPackage) -> Iterator[Finding]:
    least = package.config.endpoint.timeout_seconds + FUNCTION_MARGIN_SECONDS
    if gateway.timeout_seconds < least:
        yield FUNCTION_GIVES_UP_FIRST.broken(
            gateway.function.where,
            found=f"Timeout {gateway.timeout_seconds} s, with endpoint.timeout_seconds "
            f"{package.config.endpoint.timeout_seconds}",
            allowed=f"{least} s or more",
            change="GATEWAY_MARGIN_SECONDS in cdk/time_limits.py",
            package=package.name,
        )


def _api_findings(gateway: Gateway, package: ModelPackage) -> Iterator[Finding]:
    waits_ms = min(map(_timeout_ms, (route.properties for route in gateway.routes)), default=API_DEFAULT_TIMEOUT_MS)
    most = waits_ms // 1000 - API_OVERHEAD_SECONDS
    if package.config.endpoint.timeout_seconds > most:
        yield API_GIVES_UP_FIRST.broken(
            f"{package.name}/package.toml, endpoint.timeout_seconds",
            found=f"{package.config.endpoint.timeout_seconds} s, and API Gateway waits {waits_ms / 1000:g} s",
            allowed=f"{most} s or less",
            change=f"timeout_seconds = {most}",
            package=package.name,
        )


def raised_timeouts(installation: Installation) -> Iterator[Resource]:
    """The API methods that wait longer than API Gateway does by default."""
    for stack in installation.stacks:
        for method in stack.resources("AWS::ApiGateway::Method"):
            if _timeout_ms(method.properties) > API_DEFAULT_TIMEOUT_MS:
                yield method


def _raised_findings(installation: Installation) -> Iterator[Finding]:
    for method in raised_timeouts(installation):
        yield RAISED_API_TIMEOUT.broken(
            method.where,
            found=f"TimeoutInMillis {_timeout_ms(method.properties)}",
            allowed=f"{API_DEFAULT_TIMEOUT_MS}, or what Service Quotas grants a Regional API",
            change="ask for the quota 'Maximum integration timeout in milliseconds', or set less",
        )


def _timeout_ms(method: Json) -> int:
    return int(method.get("Integration", {}).get("TimeoutInMillis", API_DEFAULT_TIMEOUT_MS))
