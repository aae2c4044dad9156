"""AWS's runtime interface emulator (RIE), the binary in the wheel of aws-sam-cli, as a process on the loopback."""

from __future__ import annotations

import asyncio
import http.client
import os
import platform
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from local.ports import free_port
from local.processes import Children
from local.services.lambda_function import Function

INVOCATIONS = "/2015-03-31/functions/function/invocations"
OWN_LINES = re.compile(r"^\d\d \w{3} \d{4} [\d:,]+ \[\w+\] \(rapid\)")
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """An emulator that listens; `lines` is what it printed, without what it says about itself."""

    port: int
    lines: list[str]

    async def invoke(self, payload: bytes) -> bytes:
        return await asyncio.to_thread(self._post, payload)

    def _post(self, payload: bytes) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", INVOCATIONS, payload)
            return connection.getresponse().read()
        finally:
            connection.close()


def emulator_binary() -> Path:
    """The binary for this machine. It is in requirements/lock.txt: without it the comparison fails."""
    machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    spec = find_spec("samcli")
    assert spec is not None, "aws-sam-cli is not installed; `make install` installs what the lock names"
    assert spec.origin is not None
    return Path(spec.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


@asynccontextmanager
async def emulator(function: Function, children: Children) -> AsyncIterator[Emulator]:
    """Serves the function's code until the block ends."""
    port = free_port()
    lines: list[str] = []
    code = function.open_code()
    child = await children.start(
        [
            *(emulator_binary(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
            *(sys.executable, "-m", "awslambdaric", function.handler),
        ],
        name="runtime interface emulator",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(code),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{function.timeout_seconds:.0f}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            **function.environment,
        },
        cwd=code,
        on_line=lambda line: None if OWN_LINES.match(line) else lines.append(line),
    )
    try:
        await _listening(port)
        yield Emulator(port, lines)
    finally:
        await child.kill()


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
