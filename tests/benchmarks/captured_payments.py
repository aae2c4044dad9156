"""Captured payments for benchmarks: records as SageMaker writes them, any number, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

from functions.shared.layout import VARIANT, captures_prefix, hour_path
from functions.shared.uuid7 import compose
from model_packages.dataset import read_records
from model_packages.discovery import ROOT as PACKAGES

FILES_AN_HOUR = 60
PACKAGE = "payments"


def requests(count: int, *, seed: int) -> list[Mapping[str, Any]]:
    """The package's payments again and again, with other amounts."""
    source = random.Random(seed)  # noqa: S311 - the same at each run
    found = [record["request"] for record in read_records(PACKAGES / PACKAGE / "data")]
    return [
        {**request, "amount": max(0.01, round(request["amount"] * source.uniform(0.9, 1.1), 2))}
        for request in islice(cycle(found), count)
    ]


def response(source: random.Random) -> Mapping[str, Any]:
    probability = round(source.betavariate(1, 30), 6)
    return {"fraud_probability": probability, "decision": "review" if probability > 0.1 else "approve"}


def captured_files(count: int, *, endpoint: str, hour: datetime, seed: int = 0) -> dict[str, bytes]:
    """Files of one hour by their keys, with `count` records in all."""
    source = random.Random(seed)  # noqa: S311 - the same at each run
    gap, prefix = timedelta(hours=1) / count, f"{captures_prefix(endpoint, VARIANT)}{hour_path(hour)}/"
    lines: dict[str, list[bytes]] = {}
    for index, request in enumerate(requests(count, seed=seed)):
        moment = hour + index * gap
        key = f"{prefix}{moment.minute % FILES_AN_HOUR:02}-00-000-{seed:032x}.jsonl"
        lines.setdefault(key, []).append(_line(request, response(source), moment=moment, number=source.getrandbits(74)))
    return {key: b"".join(some) for key, some in lines.items()}


def _line(request: Mapping[str, Any], answered: Mapping[str, Any], *, moment: datetime, number: int) -> bytes:
    record = {
        "captureData": {
            "endpointInput": _side("INPUT", request),
            "endpointOutput": _side("OUTPUT", {"predictions": [answered]}),
        },
        "eventMetadata": {
            "eventId": str(compose(unix_ms=0, random_bits=number)),
            "customAttributes": [f"caller={number % 50:016x}"],
            "inferenceId": str(compose(unix_ms=int(moment.timestamp() * 1000), random_bits=number)),
            "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }
    return json.dumps(record).encode() + b"\n"


def _side(mode: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "observedContentType": "application/json",
        "mode": mode,
        "data": json.dumps(content),
        "encoding": "JSON",
    }
