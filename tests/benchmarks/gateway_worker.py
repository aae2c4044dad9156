"""One process of the gateway benchmark: imports a handler, answers one request, then times rounds of them.

`python -m tests.benchmarks.gateway_worker MODULE`: every line on standard input is a number of requests; every answer
is a line with their times in microseconds. What the handler prints goes nowhere.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import model_packages

PACKAGES = Path(__file__).parents[1] / "functions" / "packages"
REQUEST = {
    "petal_length": 1.5,
    "petals": 34,
    "colour": "white",
    "wild": True,
    "spectrum": [0.25, 0.5, 0.125, 1.0],
}
CONTEXT = SimpleNamespace(
    function_name="flyball-flowers-gateway",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:flyball-flowers-gateway",
    aws_request_id="00000000-0000-0000-0000-000000000000",
)
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def proxy_event() -> dict[str, Any]:
    """As API Gateway's REST proxy integration sends it, with the headers of a usual client."""
    return {
        "resource": "/models/flowers/{proxy+}",
        "path": "/models/flowers/predict",
        "httpMethod": "POST",
        "headers": {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Authorization": "AWS4-HMAC-SHA256 Credential=...",
            "Content-Type": "application/json",
            "Host": "example.execute-api.us-east-1.amazonaws.com",
            "User-Agent": "python-requests/2.34",
            "X-Amz-Date": "20260101T000000Z",
        },
        "queryStringParameters": None,
        "pathParameters": {"proxy": "predict"},
        "requestContext": {"path": "/api/models/flowers/predict", "stage": "api", "requestId": "r"},
        "body": json.dumps(REQUEST),
        "isBase64Encoded": False,
    }


def _time_once(handler: Handler) -> float:
    event = proxy_event()
    started = time.perf_counter_ns()
    answer = handler(event, CONTEXT)
    microseconds = (time.perf_counter_ns() - started) / 1000
    if answer["statusCode"] != 200:
        raise SystemExit(f"the handler answered {answer}")
    return microseconds


def main(module: str) -> None:
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    model_packages.__path__.append(str(PACKAGES))
    handler: Handler = importlib.import_module(module).handler
    print(_time_once(handler), file=results)
    for line in sys.stdin:
        print(*(_time_once(handler) for _ in range(int(line))), file=results)


if __name__ == "__main__":
    main(sys.argv[1])
