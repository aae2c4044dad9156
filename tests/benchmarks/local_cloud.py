"""What the local cloud costs on this machine: `python -m tests.benchmarks.local_cloud`.

Seconds of the real `cdk` command line against it, from bootstrap to destroy; what an invocation takes through the AWS
API beside the model server alone; the memory of an idle cloud. None of these is a figure of AWS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.benchmarks.load import JSON_HEADERS, Figures, load
from tests.benchmarks.request_path import model_server_port
from tests.local.checkout import Checkout, Serving, environment, give_version, make_checkout

PACKAGES = ("digits", "payments", "tumours")
INVOKED = "tumours"
CONNECTIONS = (1, 8)
REQUESTS = 1000
CLI_SECONDS = 600.0
ASSEMBLY = ("--app", "cdk.out")
"""Without a synth: that takes the same seconds wherever it is deployed to."""


def cdk(checkout: Checkout, *arguments: str) -> float:
    """Seconds that one command of the real CLI takes."""
    started = time.perf_counter()
    done = subprocess.run(
        ["cdk", *arguments],  # noqa: S607
        cwd=checkout.root,
        env=environment()
        | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{checkout.cloud_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        },
        capture_output=True,
        text=True,
        timeout=CLI_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - started


def cli_seconds(checkout: Checkout) -> dict[str, float]:
    """From an empty cloud to a deployed one, and an edit of one line of a package."""
    deploy = ("deploy", "--all", "--require-approval", "never")
    seconds = {
        "bootstrap": cdk(checkout, "bootstrap", *ASSEMBLY),
        "first deploy": cdk(checkout, *deploy, *ASSEMBLY),
        "no-change deploy": cdk(checkout, *deploy, *ASSEMBLY),
    }
    settings = checkout.root / "model_packages" / INVOKED / "package.toml"
    settings.write_text(re.sub(r"timeout_seconds = \d+", "timeout_seconds = 19", settings.read_text(), count=1))
    synth = checkout.flyball("synth")
    assert synth.returncode == 0, synth.stderr
    seconds["one-line edit"] = cdk(checkout, *deploy, *ASSEMBLY)
    return seconds


def signed_headers(url: str, body: bytes) -> dict[str, str]:
    """One signature for every request: it is good for five minutes."""
    request = AWSRequest(method="POST", url=url, data=body, headers=dict(JSON_HEADERS))
    SigV4Auth(Credentials("local", "local"), "sagemaker", "us-east-1").add_auth(request)
    return dict(request.headers.items())


async def invocations(checkout: Checkout, body: bytes) -> dict[str, list[Figures]]:
    """The same request to the API operation InvokeEndpoint and to the model server behind it, in turns."""
    api = f"http://127.0.0.1:{checkout.cloud_port}/endpoints/flyball-{INVOKED}/invocations"
    server = f"http://127.0.0.1:{model_server_port(checkout, INVOKED)}/invocations"
    headers = {api: signed_headers(api, body), server: dict(JSON_HEADERS)}
    figures: dict[str, list[Figures]] = {"InvokeEndpoint": [], "model server alone": []}
    for connections in CONNECTIONS:
        for name, url in (("InvokeEndpoint", api), ("model server alone", server)):
            await load(url, body, connections=connections, requests=REQUESTS // 4, headers=headers[url])
            measured = await load(url, body, connections=connections, requests=REQUESTS, headers=headers[url])
            assert measured.failures == 0, measured
            figures[name].append(measured)
    return figures


def memory_mb(checkout: Checkout) -> dict[str, float]:
    """Memory by kind of process; what processes share is divided among them (PSS)."""
    found: dict[str, float] = defaultdict(float)
    for pid in checkout.processes():
        folder = Path("/proc") / str(pid)
        lines = (folder / "smaps_rollup").read_text().splitlines()
        pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        found[kind_of_process((folder / "cmdline").read_bytes().decode())] += pss / 1024
    return dict(found)


def kind_of_process(command: str) -> str:
    if "container" in command:
        return "three model servers"
    return "functions" if "lambda" in command else "the cloud itself"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="flyball-cloud-") as folder:
        checkout = make_checkout(Path(folder) / "flyball", packages=PACKAGES)
        for package in PACKAGES:
            give_version(checkout, package)
        assert checkout.flyball("synth").returncode == 0
        serving = Serving.start(
            [sys.executable, str(checkout.root / "cli.py"), "up", "--no-deploy", *checkout.ports], cwd=checkout.root
        )
        try:
            serving.wait_for("Ctrl-C stops it", seconds=120)
            seconds = cli_seconds(checkout)
            idle = memory_mb(checkout)
            examples = json.loads((checkout.root / "model_packages" / INVOKED / "examples.json").read_text())
            figures = asyncio.run(invocations(checkout, json.dumps(examples[0]["request"]).encode()))
            seconds["destroy"] = cdk(checkout, "destroy", "--all", "--force", *ASSEMBLY)
        finally:
            serving.stop()
    print(f"| `cdk` ({os.cpu_count()} cores) | seconds |\n|---|---:|")
    print("\n".join(f"| {name} | {value:.1f} |" for name, value in seconds.items()))
    print("\n| | connections | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for name, measured in figures.items():
        for each in measured:
            row = (
                name,
                each.connections,
                f"{each.requests_per_second:.0f}",
                f"{each.p50_ms:.1f}",
                f"{each.p99_ms:.1f}",
            )
            print(f"| {' | '.join(map(str, row))} |")
    print("\n| idle, three packages | MB |\n|---|---:|")
    print("\n".join(f"| {name} | {value:.0f} |" for name, value in sorted(idle.items())))


if __name__ == "__main__":
    main()
