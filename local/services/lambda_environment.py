"""One execution environment: a process that runs a function's code, one invocation at a time, and its log stream.

Says what AWS says when the code does not come back: timeouts, crashes and failed imports have Lambda's own error
documents and log lines. Memory is reported and not limited, and the processor is not throttled.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from local.processes import Child, Children
from local.services import lambda_bootstrap
from local.services.lambda_function import PAYLOAD_LIMIT_BYTES, Function, Invocation
from local.services.lambda_runtime import Event, Exited, InitFailed, Ready, Reply, RuntimeApi

LogSink = Callable[[str, str, Sequence[str]], None]
"""Takes lines of a log: the group, the stream, the lines."""

LOG_TAIL_BYTES = 4096
T = TypeVar("T")


class Credentials(NamedTuple):
    """What the function signs its own AWS calls with."""

    access_key: str
    secret_key: str
    session_token: str | None = None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What every environment is started with: `endpoint_url` is the local cloud's AWS address."""

    children: Children
    log: LogSink
    endpoint_url: str
    region: str
    runtime_folder: Path
    bytecode_folder: Path
    credentials: Callable[[str], Credentials]
    init_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The process did not answer in time."""

    after_seconds: float


Initialization = Ready | InitFailed | Exited | TimedOut
Outcome = Reply | InitFailed | Exited | TimedOut


class ExecutionEnvironment:
    """A function's process, started by the first `run`. After a run it is `warm`, or of no more use."""

    def __init__(self, function: Function, *, code: Path, sandbox: Sandbox, started_at: datetime) -> None:
        self.function = function
        self.log_stream = f"{started_at:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._code = code
        self._sandbox = sandbox
        self._child: Child | None = None
        self._api: RuntimeApi | None = None
        self._log_tail: list[str] = []

    @property
    def warm(self) -> bool:
        """Whether its process waits for an event."""
        return self._child is not None and self._child.exit_code is None

    async def run(self, payload: bytes, *, request_id: str, headers: Mapping[str, str]) -> Invocation:
        """One invocation, from START to REPORT."""
        self._log_tail = []
        init_ms, initialization = (None, Ready()) if self.warm else await self._initialize()
        self._log(f"START RequestId: {request_id} Version: {self.function.version}")
        started = time.perf_counter()
        outcome = await self._outcome(initialization, payload, request_id, headers)
        duration_ms = (time.perf_counter() - started) * 1000
        if self._child is not None:
            self._child.drain_output()
        invocation = self._invocation(outcome, request_id)
        self._report(outcome, request_id=request_id, duration_ms=duration_ms, init_ms=init_ms)
        if not isinstance(outcome, Reply):
            await self.close()
        tail = "\n".join(self._log_tail).encode()[-LOG_TAIL_BYTES:]
        return Invocation(invocation.payload, 200, invocation.function_error, tail, self.function.version)

    async def close(self) -> None:
        """End the process, without grace as Lambda does."""
        if self._api is not None:
            self._api.close()
        if self._child is not None:
            await self._child.kill()

    @property
    def _runtime(self) -> RuntimeApi:
        if self._api is None:
            raise RuntimeError("the process has not been started")
        return self._api

    async def _initialize(self) -> tuple[float, Initialization]:
        self._log(f"INIT_START Runtime Version: python:{sys.version_info.major}.{sys.version_info.minor}.local")
        started = time.perf_counter()
        initialization = await self._start_process(self._sandbox.init_seconds)
        init_ms = (time.perf_counter() - started) * 1000
        if not isinstance(initialization, Ready):
            self._log(f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\t{_status(initialization)}")
        return init_ms, initialization

    async def _start_process(self, limit_seconds: float) -> Initialization:
        self._api = RuntimeApi()
        address = await self._api.start()
        sandbox = self._sandbox
        self._child = await sandbox.children.start(
            [
                *(sys.executable, "-I", "-S", "-X", "utf8", "-X", f"pycache_prefix={sandbox.bytecode_folder}"),
                *(lambda_bootstrap.__file__, sandbox.runtime_folder, self.function.handler),
            ],
            name=f"Lambda function {self.function.name}",
            env={**self._variables(), "AWS_LAMBDA_RUNTIME_API": address},
            cwd=self._code,
            on_line=self._log,
        )
        self._child.on_exit(self._api.process_exited)
        return await _within(limit_seconds, self._api.initialized)

    async def _outcome(
        self, initialization: Initialization, payload: bytes, request_id: str, headers: Mapping[str, str]
    ) -> Outcome:
        limit = self.function.timeout_seconds
        deadline = time.monotonic() + limit
        if isinstance(initialization, TimedOut):
            # AWS starts the function a second time, now within the function's own timeout.
            await self.close()
            initialization = await self._start_process(limit)
        if not isinstance(initialization, Ready):
            return initialization
        left = max(deadline - time.monotonic(), 0.0)
        event = Event(
            request_id, payload, self.function.arn, int((time.time() + left) * 1000), {**headers, **_trace_header()}
        )
        outcome = await _within(left, self._runtime.invoke(event))
        return TimedOut(limit) if isinstance(outcome, TimedOut) else outcome

    def _variables(self) -> dict[str, str]:
        function, sandbox = self.function, self._sandbox
        credentials = sandbox.credentials(function.role_arn)
        token = {"AWS_SESSION_TOKEN": credentials.session_token} if credentials.session_token else {}
        return {
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": os.environ.get("PATH", os.defpath),
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            **function.environment,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(self._code),
            "LAMBDA_RUNTIME_DIR": str(sandbox.runtime_folder),
            "AWS_REGION": sandbox.region,
            "AWS_DEFAULT_REGION": sandbox.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            **token,
            "AWS_ENDPOINT_URL": sandbox.endpoint_url,
            # The developer's own AWS settings must not reach in; HOME is not set, but boto3 finds it all the same.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _invocation(self, outcome: Outcome, request_id: str) -> Invocation:
        if isinstance(outcome, Reply) and not outcome.is_error:
            if len(outcome.payload) <= PAYLOAD_LIMIT_BYTES:
                return Invocation(outcome.payload, 200)
            return _unhandled(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT_BYTES} bytes).",
            )
        if isinstance(outcome, Reply | InitFailed):
            return Invocation(outcome.payload, 200, "Unhandled")
        if isinstance(outcome, TimedOut):
            sentence = f"Task timed out after {outcome.after_seconds:.2f} seconds"
            self._log(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z} {request_id} {sentence}")
            return _unhandled("Sandbox.Timedout", f"RequestId: {request_id} Error: {sentence}")
        sentence = f"RequestId: {request_id} Error: {_exit_reason(outcome.exit_code)}"
        self._log(sentence)
        return _unhandled("Runtime.ExitError", sentence)

    def _report(self, outcome: Outcome, *, request_id: str, duration_ms: float, init_ms: float | None) -> None:
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Billed Duration: {math.ceil(duration_ms + (init_ms or 0.0))} ms",
            f"Memory Size: {self.function.memory_mb} MB",
        ]
        if self._child is not None and (peak_mb := peak_memory_mb(self._child.pid)) is not None:
            fields.append(f"Max Memory Used: {peak_mb} MB")
        if init_ms is not None:
            fields.append(f"Init Duration: {init_ms:.2f} ms")
        if not isinstance(outcome, Reply):
            fields.append(_status(outcome))
        self._log(f"END RequestId: {request_id}")
        self._log("\t".join(fields))

    def _log(self, line: str) -> None:
        # awslambdaric joins the lines of one traceback by carriage returns, which Lambda shows as new lines.
        message = line.replace("\r", "\n")
        self._log_tail.append(message)
        self._sandbox.log(self.function.log_group_name, self.log_stream, [message])


def peak_memory_mb(pid: int) -> int | None:
    """The most memory that the process has had resident; None where the system does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return math.ceil(int(line.split()[1]) / 1024)
    return None


async def _within(limit_seconds: float, future: asyncio.Future[T]) -> T | TimedOut:
    await asyncio.wait([future], timeout=limit_seconds)
    return future.result() if future.done() else TimedOut(limit_seconds)


def _unhandled(error_type: str, message: str) -> Invocation:
    document = {"errorType": error_type, "errorMessage": message}
    return Invocation(json.dumps(document).encode(), 200, "Unhandled")


def _exit_reason(exit_code: int) -> str:
    if exit_code == 0:
        return "Runtime exited without providing a reason"
    if exit_code > 0:
        return f"Runtime exited with error: exit status {exit_code}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-exit_code) or str(-exit_code)).lower()}"


def _status(outcome: InitFailed | Exited | TimedOut) -> str:
    """How a REPORT line says that the function did not answer."""
    if isinstance(outcome, TimedOut):
        return "Status: timeout"
    if isinstance(outcome, Exited):
        return "Status: error\tError Type: Runtime.ExitError"
    return f"Status: error\tError Type: {json.loads(outcome.payload).get('errorType', 'Runtime.Unknown')}"


def _trace_header() -> dict[str, str]:
    root = f"1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    return {"Lambda-Runtime-Trace-Id": f"Root={root};Parent={uuid.uuid4().hex[:16]};Sampled=0"}
