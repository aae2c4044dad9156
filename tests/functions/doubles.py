"""Stand-ins for what a function is handed, and proxy events as API Gateway sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.gateway.endpoint import Invocation
from functions.gateway.feedback import StoredFeedback
from functions.gateway.gateway import Gateway
from functions.gateway.payloads import Payloads
from functions.gateway.telemetry import RequestRecord
from functions.shared.uuid7 import Issuer
from model_packages.errors import StoreUnavailable
from model_packages.interface import load_interface

ISSUER = Issuer("flowers/flyball-flowers")
INFERENCE_ID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
REQUEST: dict[str, Any] = {"petal_length": 1.5, "petals": 34, "colour": "white", "wild": True}
RESPONSE: dict[str, Any] = {"species": "daisy", "confidence": 0.93}


def answer_with(*predictions: Mapping[str, Any]) -> Invocation:
    """What a container that works answers."""
    content = json.dumps({"predictions": predictions}).encode()
    return Invocation(content=content, version="7", variant="main")


@dataclass
class ScriptedEndpoint:
    """Answers with `outcome`, or raises it; remembers what it was asked."""

    outcome: Invocation | Exception = field(default_factory=lambda: answer_with(RESPONSE))
    bodies: list[bytes] = field(default_factory=list)
    inference_ids: list[str] = field(default_factory=list)
    callers: list[str | None] = field(default_factory=list)

    def invoke(self, body: bytes, *, inference_id: str, caller: str | None = None) -> Invocation:
        self.bodies.append(body)
        self.inference_ids.append(inference_id)
        self.callers.append(caller)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass
class RememberedStore:
    """Keeps objects, or refuses each once it is `broken`."""

    objects: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False

    def put(self, key: str, content: bytes) -> None:
        if self.broken:
            raise StoreUnavailable("S3 refused it: SlowDown")
        self.objects[key] = content

    def lines(self) -> list[dict[str, Any]]:
        """Every line of every object, in the order of the keys."""
        return [json.loads(line) for _, content in sorted(self.objects.items()) for line in content.splitlines()]


@dataclass
class RememberedTelemetry:
    """Keeps the records."""

    records: list[RequestRecord] = field(default_factory=list)

    def record(self, request: RequestRecord) -> None:
        self.records.append(request)


@dataclass
class SteppingClock:
    """Every look at it is a step later."""

    step_seconds: float = 0.25
    now_seconds: float = 0.0

    def __call__(self) -> float:
        self.now_seconds += self.step_seconds
        return self.now_seconds


def make_gateway(
    *,
    endpoint: ScriptedEndpoint | None = None,
    telemetry: RememberedTelemetry | None = None,
    store: RememberedStore | None = None,
    maximum_body_bytes: int = 10_000,
) -> Gateway:
    """The gateway of the package `flowers` with doubles around it; a prediction takes a label for 30 days."""
    interface = load_interface("flowers")
    return Gateway(
        package="flowers",
        payloads=Payloads(interface, maximum_rows=4),
        endpoint=endpoint or ScriptedEndpoint(),
        telemetry=telemetry or RememberedTelemetry(),
        feedback=StoredFeedback(
            interface=interface,
            issuer=ISSUER,
            store=store or RememberedStore(),
            endpoint_name="flyball-flowers",
            label_days=30,
            maximum_rows=4,
        ),
        maximum_body_bytes=maximum_body_bytes,
        make_id=lambda _unix_ms: INFERENCE_ID,
        clock_seconds=SteppingClock(),
    )


def proxy_event(
    body: str | None = None,
    *,
    method: str = "POST",
    path: str = "predict",
    headers: Mapping[str, str] | None = None,
    is_base64: bool = False,
) -> dict[str, Any]:
    """An event of `ANY /models/flowers/{proxy+}` in the stage `api`; without a body, one with REQUEST."""
    return {
        "resource": "/models/flowers/{proxy+}",
        "path": f"/models/flowers/{path}",
        "httpMethod": method,
        "headers": {"content-type": "application/json"} if headers is None else dict(headers),
        "pathParameters": {"proxy": path},
        "requestContext": {"path": f"/api/models/flowers/{path}", "stage": "api"},
        "body": json.dumps(REQUEST) if body is None else body,
        "isBase64Encoded": is_base64,
    }


def catalogue_event(
    path: str, *, method: str = "GET", resource: str | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An event of the catalogue's routes; `resource` is API Gateway's name for the path where it is not the path."""
    name, _, rest = path.removeprefix("/models/").partition("/")
    parameters = {"name": name, **({"proxy": rest} if rest else {})} if resource else None
    return {
        "resource": resource or path,
        "path": path,
        "httpMethod": method,
        "headers": dict(headers or {}),
        "pathParameters": parameters,
        "requestContext": {
            "path": f"/api{path}",
            "stage": "api",
            "domainName": "abc123.execute-api.us-east-1.amazonaws.com",
        },
        "body": None,
        "isBase64Encoded": False,
    }
