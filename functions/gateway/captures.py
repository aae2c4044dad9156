"""Captures that the gateway writes itself (`capture.by = "gateway"`), in the form and at the place of SageMaker's own.

One object a request: Lambda freezes a process between two calls, and what it had kept back might never be written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from functions.gateway.bucket import Store
from functions.gateway.endpoint import Invocation
from functions.shared.layout import captures_prefix, hour_path
from functions.shared.proxy import JSON_MEDIA_TYPE
from functions.shared.uuid7 import share_of, time_of


def make_event_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, kw_only=True, slots=True)
class Captures:
    """Keeps `percent` of the requests; which ones, their ids decide."""

    store: Store
    endpoint_name: str
    percent: int
    make_event_id: Callable[[], str] = make_event_id

    def keep(self, body: bytes, invocation: Invocation, *, inference_id: str, caller: str | None = None) -> None:
        """Writes one record, where the request is among those that are kept. Raises: StoreUnavailable."""
        if share_of(inference_id) * 100 >= self.percent:
            return
        moment = time_of(inference_id)
        record = {
            "captureData": {
                "endpointInput": _side("INPUT", body),
                "endpointOutput": _side("OUTPUT", invocation.content),
            },
            "eventMetadata": {
                "eventId": self.make_event_id(),
                **({"customAttributes": [f"caller={caller}"]} if caller else {}),
                "inferenceId": inference_id,
                "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            },
            "eventVersion": "0",
        }
        self.store.put(self._key(invocation.variant, moment, inference_id), to_json(record) + b"\n")

    def _key(self, variant: str, moment: datetime, inference_id: str) -> str:
        """Minute, second and millisecond, then an id, as SageMaker names its files."""
        file = f"{moment:%M-%S}-{moment.microsecond // 1000:03}-{inference_id}.jsonl"
        return f"{captures_prefix(self.endpoint_name, variant)}{hour_path(moment)}/{file}"


def _side(mode: str, content: bytes) -> dict[str, Any]:
    try:
        data, encoding = content.decode(), "JSON"
    except UnicodeDecodeError:
        data, encoding = base64.b64encode(content).decode(), "BASE64"
    return {"observedContentType": JSON_MEDIA_TYPE, "mode": mode, "data": data, "encoding": encoding}
