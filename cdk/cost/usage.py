"""What the costs by use rest on: how many requests, how large, and how long the gateway function waits for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdk.preflight.installation import Installation, Stack
from cdk.preflight.payloads import Payload, examples_of
from model_packages.discovery import ModelPackage

LOGGED_BYTES_A_REQUEST = 2048
"""The gateway's line, the access log's, and Lambda's own two."""
CAPTURE_RECORD_BYTES = 512
"""What SageMaker writes around the payloads of one captured request."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The assumptions about one stack's traffic."""

    requests_a_month: int = 0
    request_bytes: float = 0.0
    response_bytes: float = 0.0
    seconds_a_request: float = 0.0
    monitored_fields: int = 0
    """Fields whose change has a metric of its own."""

    @property
    def payload_bytes(self) -> float:
        """In and out together."""
        return self.request_bytes + self.response_bytes


def usage_of(stack: Stack, installation: Installation) -> Usage:
    """Of a package's stack, what its package.toml and examples.json say; of another, all packages' requests."""
    if stack.package is not None:
        return _usage(stack.package, fields=installation.fields.get(stack.package.name, 0))
    return Usage(requests_a_month=sum(package.config.budget.requests_per_month for _, package in installation.packages))


def _usage(package: ModelPackage, *, fields: int) -> Usage:
    examples, monitor = examples_of(package), package.config.monitor
    unwatched = sum(1 for field in monitor.fields.values() if not field.watch)
    return Usage(
        requests_a_month=package.config.budget.requests_per_month,
        request_bytes=_mean(examples.requests) if examples else 0.0,
        response_bytes=_mean(examples.responses) if examples else 0.0,
        # The slowest hundredth may not be slower than this without being rolled back: an upper bound of the rest.
        seconds_a_request=package.config.rollout.maximum_p99_latency_ms / 1000,
        monitored_fields=max(0, fields - unwatched) if monitor.field_metrics else 0,
    )


def _mean(payloads: Sequence[Payload]) -> float:
    return sum(payload.size_bytes for payload in payloads) / len(payloads)
