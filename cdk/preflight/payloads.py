"""The chain of sizes: the largest request that a package allows, through API Gateway, Lambda and SageMaker, and the
answer back. A row's size is taken from the package's largest example, because a synth runs no code of a package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from cdk.preflight.findings import Finding, warning
from cdk.preflight.installation import Installation
from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES
from model_packages.discovery import ModelPackage

LAMBDA_PAYLOAD_LIMIT_BYTES = 6 * 2**20
"""A synchronous event or answer, with the body as a JSON string in it. API Gateway's own 10 MB are never reached."""
EVENT_BYTES = 10 * 2**10
"""Headers and request context beside the body in a proxy event."""
BASE64_GROWTH = 4 / 3

ROWS_EXCEED_BODY = warning(
    "rows-exceed-body",
    "A request of endpoint.maximum_rows rows is larger than endpoint.maximum_body_bytes: it is refused with 413.",
)
ROWS_EXCEED_QUEUE = warning(
    "rows-exceed-queue",
    "A request of endpoint.maximum_rows rows is larger than batching.queue_rows: it is refused with 429 whenever "
    "anything else waits.",
)
BODY_EXCEEDS_LAMBDA = warning(
    "body-exceeds-lambda",
    "A request of endpoint.maximum_body_bytes does not fit into Lambda's event, where a body is a JSON string (or "
    "base64): API Gateway answers 413 before the gateway function sees it.",
)
ANSWER_EXCEEDS_LAMBDA = warning(
    "answer-exceeds-lambda",
    "The answer to endpoint.maximum_rows rows is larger than what SageMaker or Lambda may return: the caller gets 502.",
)
RULES = (ROWS_EXCEED_BODY, ROWS_EXCEED_QUEUE, BODY_EXCEEDS_LAMBDA, ANSWER_EXCEEDS_LAMBDA)


@dataclass(frozen=True, slots=True)
class Payload:
    """A JSON document: its bytes, and the bytes of a JSON string that holds it."""

    size_bytes: int
    as_string_bytes: int

    @property
    def growth(self) -> float:
        """By how much quoting makes it larger."""
        return self.as_string_bytes / self.size_bytes


def payload_of(document: object) -> Payload:
    """The document as a client without white space would write it."""
    text = json.dumps(document, separators=(",", ":"))
    return Payload(size_bytes=len(text), as_string_bytes=len(json.dumps(text)))


@dataclass(frozen=True, slots=True)
class Examples:
    """The payloads of a package's examples.json."""

    requests: tuple[Payload, ...]
    responses: tuple[Payload, ...]


def examples_of(package: ModelPackage) -> Examples | None:
    """What examples.json holds, or None where the package has none; discovery has checked its form."""
    path = package.path / "examples.json"
    if not path.is_file():
        return None
    pairs = json.loads(path.read_bytes())
    return Examples(
        requests=tuple(payload_of(pair["request"]) for pair in pairs),
        responses=tuple(payload_of(pair["response"]) for pair in pairs),
    )


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at each package that has examples."""
    binary = any(
        api.properties.get("BinaryMediaTypes")
        for stack in installation.stacks
        for api in stack.resources("AWS::ApiGateway::RestApi")
    )
    for _, package in installation.packages:
        yield from _queue_findings(package)
        examples = examples_of(package)
        if examples is not None:
            yield from _request_findings(package, examples, binary=binary)
            yield from _answer_findings(package, examples)


def _queue_findings(package: ModelPackage) -> Iterator[Finding]:
    rows, queue = package.config.endpoint.maximum_rows, package.config.batching.queue_rows
    if rows > queue:
        yield ROWS_EXCEED_QUEUE.broken(
            f"{package.name}/package.toml, batching.queue_rows",
            found=f"{queue}, with endpoint.maximum_rows {rows}",
            allowed=f"{rows} or more",
            change=f"queue_rows = {rows}, or maximum_rows = {queue}",
            package=package.name,
        )


def _request_findings(package: ModelPackage, examples: Examples, *, binary: bool) -> Iterator[Finding]:
    limits, largest = package.config.endpoint, max(examples.requests, key=lambda payload: payload.size_bytes)
    rows_bytes = limits.maximum_rows * (largest.size_bytes + 1) + len('{"instances":[]}')
    if rows_bytes > limits.maximum_body_bytes:
        fitting = max(1, (limits.maximum_body_bytes - len('{"instances":[]}')) // (largest.size_bytes + 1))
        yield ROWS_EXCEED_BODY.broken(
            f"{package.name}/package.toml, endpoint.maximum_rows",
            found=f"{limits.maximum_rows} rows of {largest.size_bytes} bytes, as the largest example: {rows_bytes:,}",
            allowed=f"endpoint.maximum_body_bytes, {limits.maximum_body_bytes:,}",
            change=f"maximum_rows = {fitting}, or a larger maximum_body_bytes",
            package=package.name,
        )
    growth = max(largest.growth, BASE64_GROWTH if binary else 1.0)
    event_bytes = limits.maximum_body_bytes * growth + EVENT_BYTES
    if event_bytes > LAMBDA_PAYLOAD_LIMIT_BYTES:
        most = int((LAMBDA_PAYLOAD_LIMIT_BYTES - EVENT_BYTES) / growth)
        yield BODY_EXCEEDS_LAMBDA.broken(
            f"{package.name}/package.toml, endpoint.maximum_body_bytes",
            found=f"{limits.maximum_body_bytes:,}, which grow by {growth:.2f} in an event: {event_bytes:,.0f}",
            allowed=f"{LAMBDA_PAYLOAD_LIMIT_BYTES:,} bytes of event",
            change=f"maximum_body_bytes = {most}",
            package=package.name,
        )


def _answer_findings(package: ModelPackage, examples: Examples) -> Iterator[Finding]:
    rows, largest = package.config.endpoint.maximum_rows, max(examples.responses, key=lambda it: it.as_string_bytes)
    answer_bytes = rows * (largest.as_string_bytes + 1)
    limit = min(LAMBDA_PAYLOAD_LIMIT_BYTES, SAGEMAKER_PAYLOAD_LIMIT_BYTES) - EVENT_BYTES
    if answer_bytes > limit:
        yield ANSWER_EXCEEDS_LAMBDA.broken(
            f"{package.name}/package.toml, endpoint.maximum_rows",
            found=f"{rows} answers of {largest.as_string_bytes} bytes, as the largest example: {answer_bytes:,}",
            allowed=f"{limit:,} bytes",
            change=f"maximum_rows = {max(1, limit // (largest.as_string_bytes + 1))}",
            package=package.name,
        )
