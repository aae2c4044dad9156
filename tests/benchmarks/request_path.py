"""Requests a second through the whole local path: `python -m tests.benchmarks.request_path`.

A client signs and sends over HTTPS; API Gateway's front door, the gateway function in its process, InvokeEndpoint and
the model server answer. In the same run, what lies below: the model server alone. These are figures of the local cloud
on this machine; they say nothing of AWS.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.benchmarks.load import JSON_HEADERS, Figures, load
from tests.local.checkout import Checkout, give_version, make_checkout

PACKAGE = "tumours"
CONNECTIONS = (1, 8, 64)
REQUESTS = {1: 500, 8: 1500, 64: 3000}
WARM_UP_REQUESTS = 500


def signed_headers(url: str, body: bytes) -> dict[str, str]:
    """One signature for every request: it is good for five minutes."""
    request = AWSRequest(method="POST", url=url, data=body, headers=dict(JSON_HEADERS))
    SigV4Auth(Credentials("local", "local"), "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers.items())


async def through_the_api(checkout: Checkout, body: bytes) -> list[Figures]:
    url = f"https://localhost:{checkout.https_port}/api/models/{PACKAGE}/predict"
    headers = signed_headers(url, body)
    tls = ssl.create_default_context(cafile=checkout.root / ".flyball" / "certificate" / "ca.pem")
    for connections in CONNECTIONS:
        await load(url, body, connections=connections, requests=WARM_UP_REQUESTS, headers=headers, tls=tls)
    return [
        await load(url, body, connections=connections, requests=REQUESTS[connections], headers=headers, tls=tls)
        for connections in CONNECTIONS
    ]


async def model_server_alone(port: int, body: bytes) -> list[Figures]:
    url = f"http://127.0.0.1:{port}/invocations"
    await load(url, body, connections=8, requests=WARM_UP_REQUESTS)
    return [
        await load(url, body, connections=connections, requests=REQUESTS[connections]) for connections in CONNECTIONS
    ]


def model_server_port(checkout: Checkout, package: str) -> int:
    """The port that the local cloud gave to a package's model server."""
    for pid in checkout.processes():
        words = (Path("/proc") / str(pid) / "environ").read_bytes().decode().split("\0")
        variables = dict(word.split("=", 1) for word in words if "=" in word)
        if variables.get("FLYBALL_PACKAGE") == package and "SAGEMAKER_BIND_TO_PORT" in variables:
            return int(variables["SAGEMAKER_BIND_TO_PORT"])
    raise LookupError(f"no model server of {package} runs")


def lift_throttle(checkout: Checkout) -> None:
    """The API refuses more than cdk.json says, and the local cloud too: the path is to be measured, not the refusal."""
    path = checkout.root / "cdk.json"
    configuration = json.loads(path.read_text())
    configuration["context"]["flyball"]["throttling"] = {"rate_per_second": 10_000, "burst": 5_000}
    path.write_text(json.dumps(configuration))


def table(name: str, figures: list[Figures]) -> str:
    rows = [
        f"| {name} | {each.connections} | {each.requests_per_second:.0f} | {each.p50_ms:.1f} | {each.p99_ms:.1f} "
        f"| {each.failures} |"
        for each in figures
    ]
    return "\n".join(rows)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="flyball-path-") as folder:
        checkout = make_checkout(Path(folder) / "flyball", packages=[PACKAGE])
        give_version(checkout, PACKAGE)
        lift_throttle(checkout)
        examples = json.loads((checkout.root / "model_packages" / PACKAGE / "examples.json").read_text())
        body = json.dumps(examples[0]["request"]).encode()
        serving = checkout.up()
        try:
            whole = asyncio.run(through_the_api(checkout, body))
            alone = asyncio.run(model_server_alone(model_server_port(checkout, PACKAGE), body))
        finally:
            serving.stop()
    print(f"| {os.cpu_count()} cores | connections | requests/s | p50 ms | p99 ms | not 200 |")
    print("|---|---|---|---|---|---|")
    print(table("whole path", whole))
    print(table("model server alone", alone))


if __name__ == "__main__":
    main()
