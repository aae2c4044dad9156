"""A bounded load on a server on this machine: so many connections, so many requests, and what they took.

Each connection sends its next request when it has the answer to the last (closed loop), so the load never exceeds the
number of connections. For figures to compare, not for stress: it refuses any host but the loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

JSON_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load took. Latencies are of answered requests, whatever their status; `failures` are those not 200."""

    connections: int
    requests: int
    failures: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.connections:4d} connections  {self.requests_per_second:8.0f} requests/s  "
            f"p50 {self.p50_ms:7.2f} ms  p99 {self.p99_ms:7.2f} ms  {self.failures} failures"
        )


async def load(
    url: str,
    body: bytes,
    *,
    connections: int,
    requests: int,
    headers: Mapping[str, str] = JSON_HEADERS,
    tls: ssl.SSLContext | None = None,
) -> Figures:
    """POSTs `body` to `url`, `requests` times over `connections` kept-alive connections; `tls` says whom to trust."""
    _require_loopback(url)
    turns = iter(range(requests))
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(limit=connections, ssl=tls or True)
    async with aiohttp.ClientSession(connector=connector, headers=dict(headers)) as session:
        started = time.perf_counter()
        failures = await asyncio.gather(
            *(_connection(session, url, body, turns, latencies) for _ in range(connections))
        )
        seconds = time.perf_counter() - started
    latencies.sort()
    return Figures(
        connections=connections,
        requests=requests,
        failures=sum(failures),
        requests_per_second=requests / seconds,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)],
    )


async def _connection(
    session: aiohttp.ClientSession, url: str, body: bytes, turns: Iterator[int], latencies: list[float]
) -> int:
    failures = 0
    for _ in turns:
        started = time.perf_counter()
        async with session.post(url, data=body) as response:
            await response.read()
            failures += response.status != 200
        latencies.append(time.perf_counter() - started)
    return failures


def _require_loopback(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{url} is not on this machine; allowed: a loopback address")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("body", type=Path, help="a file that holds one request's body")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--requests", type=int, default=5000)
    parsed = parser.parse_args()
    for connections in parsed.connections:
        work = load(parsed.url, parsed.body.read_bytes(), connections=connections, requests=parsed.requests)
        print(asyncio.run(work))


if __name__ == "__main__":
    main()
