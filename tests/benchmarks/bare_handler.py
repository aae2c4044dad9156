"""The least a proxy function can do: forward the body with the gateway's own client, and answer what came back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from functions.gateway.endpoint import make_client

_client = make_client(timeout_seconds=float(os.environ["FLYBALL_TIMEOUT_SECONDS"]))
_endpoint_name = os.environ["FLYBALL_ENDPOINT_NAME"]


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    answer = _client.invoke_endpoint(
        EndpointName=_endpoint_name, Body=event["body"].encode(), ContentType="application/json"
    )
    return {"statusCode": 200, "body": answer["Body"].read().decode()}
