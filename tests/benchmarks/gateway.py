"""What the gateway costs beside a bare handler and beside the usual way, warm and cold, in one interleaved run.

`python -m tests.benchmarks.gateway [--rounds N] [--colds N]`. All three call the same stub endpoint on the loopback.
The figures compare the three on one machine; they are not Lambda's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from functions.gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
CANDIDATES: Mapping[str, str] = {
    "gateway": "functions.gateway.handler",
    "bare": "tests.benchmarks.bare_handler",
    "usual": "tests.benchmarks.usual_handler",
}
REQUESTS_A_ROUND = 200
WARM_UP_REQUESTS = 200


@dataclass
class Measured:
    """Times of one candidate: `warm_us` a request; `cold_ms` from the start of a process to its first answer."""

    warm_us: list[float] = field(default_factory=list)
    cold_ms: list[float] = field(default_factory=list)


def measure(*, rounds: int, colds: int) -> dict[str, Measured]:
    """Takes turns, so that whatever else the machine does falls on all candidates alike."""
    measured = {name: Measured() for name in CANDIDATES}
    with _stub_endpoint() as port:
        for _ in range(colds):
            for name, module in CANDIDATES.items():
                measured[name].cold_ms.append(_cold_start_ms(module, port))
        with ExitStack() as stack:
            workers = {name: stack.enter_context(_worker(module, port)) for name, module in CANDIDATES.items()}
            for worker in workers.values():
                _time_requests(worker, WARM_UP_REQUESTS)
            for _ in range(rounds):
                for name, worker in workers.items():
                    measured[name].warm_us += _time_requests(worker, REQUESTS_A_ROUND)
    return measured


def table(measured: Mapping[str, Measured]) -> str:
    """The figures as Markdown; ratios are to the bare handler."""
    bare = measured["bare"]
    lines = [
        "| handler | warm p50 us | x bare | warm p99 us | cold min ms | cold median ms | x bare |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in measured.items():
        warm, cold = statistics.median(one.warm_us), statistics.median(one.cold_ms)
        warm_ratio = warm / statistics.median(bare.warm_us)
        cold_ratio = cold / statistics.median(bare.cold_ms)
        p99 = statistics.quantiles(one.warm_us, n=100)[98]
        lines.append(
            f"| {name} | {warm:.0f} | {warm_ratio:.2f} | {p99:.0f} | {min(one.cold_ms):.0f} | {cold:.0f} "
            f"| {cold_ratio:.2f} |"
        )
    return "\n".join(lines)


@contextmanager
def _stub_endpoint() -> Iterator[int]:
    with _process("tests.benchmarks.stub_endpoint", environment=dict(os.environ)) as server:
        yield int(_read_line(server))


@contextmanager
def _worker(module: str, port: int) -> Iterator[subprocess.Popen[str]]:
    with _process("tests.benchmarks.gateway_worker", module, environment=_environment(port)) as worker:
        _read_line(worker)
        yield worker


@contextmanager
def _process(*arguments: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _cold_start_ms(module: str, port: int) -> float:
    started = time.perf_counter()
    with _worker(module, port):
        return (time.perf_counter() - started) * 1000


def _time_requests(worker: subprocess.Popen[str], count: int) -> list[float]:
    assert worker.stdin is not None
    worker.stdin.write(f"{count}\n")
    worker.stdin.flush()
    return [float(microseconds) for microseconds in _read_line(worker).split()]


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended without an answer")
    return line


def _environment(port: int) -> dict[str, str]:
    """What Lambda sets, as far as one of the candidates reads it, and the gateway's own."""
    settings = GatewaySettings(
        package="flowers",
        endpoint_name="flyball-flowers",
        timeout_seconds=20,
        maximum_body_bytes=1_048_576,
        maximum_rows=256,
        captures_bucket="captures",
        label_days=30,
        capture_percent=0,
        block="time",
    )
    return {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "flyball-flowers-gateway",
        "LAMBDA_TASK_ROOT": "/var/task",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
        **settings.to_environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help=f"rounds of {REQUESTS_A_ROUND} warm requests each")
    parser.add_argument("--colds", type=int, default=7, help="cold starts of each handler")
    arguments = parser.parse_args()
    print(table(measure(rounds=arguments.rounds, colds=arguments.colds)))


if __name__ == "__main__":
    main()
