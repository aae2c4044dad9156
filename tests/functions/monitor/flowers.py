"""Requests to the test package `flowers` and answers to them, and both as SageMaker captures them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.shared import layout
from functions.shared.uuid7 import compose

ENDPOINT = "flyball-flowers"
NOON = datetime(2026, 2, 14, 12, 0, tzinfo=UTC)


def requests_of(source: random.Random, count: int, *, longer_by: float = 0.0) -> list[dict[str, Any]]:
    """Ordinary flowers, whose petals may all be longer."""
    return [
        {
            "petal_length": round(min(30.0, max(0.0, source.gauss(10.0, 3.0) + longer_by)), 2),
            "petals": source.randint(5, 60),
            "colour": source.choice(["white", "yellow", "blue"]),
            "wild": source.random() < 0.4,
            "weight": round(source.uniform(1, 9), 2) if source.random() < 0.9 else None,
        }
        for _ in range(count)
    ]


def responses_to(source: random.Random, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "species": "daisy" if request["petals"] > 30 else "crocus",
            "confidence": round(source.uniform(0.5, 1.0), 3),
        }
        for request in requests
    ]


def record_of(
    request: Mapping[str, Any],
    response: Mapping[str, Any],
    *,
    time: datetime = NOON,
    number: int = 0,
    **metadata: Any,
) -> dict[str, Any]:
    """One record, exactly as data capture writes it. `number` tells records of one moment apart."""
    inference_id = str(compose(unix_ms=int(time.timestamp() * 1000), random_bits=number))
    return {
        "captureData": {
            "endpointInput": side("INPUT", request),
            "endpointOutput": side("OUTPUT", {"predictions": [response]}),
        },
        "eventMetadata": {
            "eventId": f"event-{time:%Y%m%dT%H%M%S}-{number}",
            "inferenceId": inference_id,
            "inferenceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            **metadata,
        },
        "eventVersion": "0",
    }


def side(mode: str, content: Any, *, encoding: str = "JSON") -> dict[str, Any]:
    text = json.dumps(content)
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    return {"observedContentType": "application/json", "mode": mode, "data": data, "encoding": encoding}


def lines_of(records: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def captured(
    count: int, *, seed: int = 0, time: datetime = NOON, longer_by: float = 0.0, first_number: int = 0
) -> list[dict[str, Any]]:
    """Records of `count` calls, a second apart."""
    source = random.Random(seed)  # noqa: S311 - the same at each run
    requests = requests_of(source, count, longer_by=longer_by)
    return [
        record_of(request, response, time=time + timedelta(seconds=index), number=first_number + index)
        for index, (request, response) in enumerate(zip(requests, responses_to(source, requests), strict=True))
    ]


def key_of(time: datetime, name: str = "one.jsonl") -> str:
    """Where SageMaker puts a file of that hour."""
    return f"{layout.captures_prefix(ENDPOINT, layout.VARIANT)}{layout.hour_path(time)}/{name}"
