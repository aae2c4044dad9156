"""One execution environment: a process that runs a function's code, one invocation at a time, and its log stream.

Says what AWS says when the code does not come back: timeouts, crashes, failed imports and too much memory have
Lambda's own error documents and log lines. Between invocations the process is stopped, as Lambda freezes it. Its
/tmp is a folder of its own, named by TMPDIR; the processor is not throttled.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from local.clock import Clock
from local.processes import Child, Children
from local.services import lambda_bootstrap
from local.services.lambda_function import RESPONSE_LIMIT_BYTES, Function, Invocation
from local.services.lambda_memory import MemoryLimit
from local.services.lambda_platform_log import Phase, PlatformLog, Report, Status
from local.services.lambda_runtime import Event, Exited, InitFailed, Ready, Reply, ReplyTooLarge, RuntimeApi
from local.services.sagemaker.artifact import remove_folder

log = logging.getLogger(__name__)

LogSink = Callable[[str, str, Sequence[str]], None]
"""Takes lines of a log: the group, the stream, the lines."""

MayLog = Callable[[str, str], bool]
"""Whether a role (its ARN) may write to a log group."""

LOG_TAIL_BYTES = 4096
FREEZE_SECONDS = 0.01
"""Lambda freezes at once. So short a delay spares a busy process two signals and a wake-up at each call."""

T = TypeVar("T")


class Credentials(NamedTuple):
    """What the function signs its own AWS calls with."""

    access_key: str
    secret_key: str
    session_token: str | None = None


def _anyone_may_log(_role_arn: str, _log_group: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What every environment is started with: `endpoint_url` is the local cloud's AWS address.

    Each environment has its /tmp below `scratch_folder`. Lines of a role that may not log are lost, as on AWS.
    """

    children: Children
    log: LogSink
    endpoint_url: str
    region: str
    runtime_folder: Path
    bytecode_folder: Path
    scratch_folder: Path
    credentials: Callable[[str, str], Credentials]
    """Of a role, for a session of this name."""
    may_log: MayLog = _anyone_may_log
    init_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Code:
    """Where a function's code and, merged into one folder, its layers lie."""

    folder: Path
    layers: Path | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The process did not answer in time."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The process was killed because it used more memory than the function has."""


Failure = InitFailed | Exited | TimedOut | OutOfMemory
Initialization = Ready | Failure
Outcome = Reply | ReplyTooLarge | Failure


class ExecutionEnvironment:
    """A function's process, started by the first `run`. After a run it is `warm`, or of no more use."""

    def __init__(self, function: Function, *, code: Code, sandbox: Sandbox, clock: Clock) -> None:
        self.function = function
        self.log_stream = f"{clock.now():%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._code = code
        self._sandbox = sandbox
        self._folder = sandbox.scratch_folder / uuid.uuid4().hex
        self._child: Child | None = None
        self._memory: MemoryLimit | None = None
        self._api: RuntimeApi | None = None
        self._is_frozen = False
        self._freezing: asyncio.TimerHandle | None = None
        self._log_tail: list[str] = []
        self._may_log, self._ask_again_at = True, 0.0
        self._platform = PlatformLog(function, emit=self._log, now=clock.now)

    @property
    def warm(self) -> bool:
        """Whether its process waits for an event."""
        return self._child is not None and self._child.exit_code is None

    async def run(self, payload: bytes, *, request_id: str, invoked_arn: str, headers: Mapping[str, str]) -> Invocation:
        """One invocation, from START to REPORT."""
        self._log_tail = []
        self._ask_for_the_log()
        init_ms = None if self.warm else await self._initialize()
        started = time.perf_counter()
        event = partial(Event, request_id, payload, invoked_arn, headers={**headers, **_trace_header()})
        outcome = await self._outcome(event, request_id)
        duration_ms = (time.perf_counter() - started) * 1000
        if self._child is not None:
            self._child.drain_output()
        invocation = self._invocation(outcome, request_id)
        self._platform.report(
            Report(
                request_id=request_id,
                duration_ms=duration_ms,
                init_ms=init_ms,
                peak_mb=None if self._memory is None else self._memory.peak_mb,
                status=_status(outcome),
            )
        )
        if not isinstance(outcome, Reply):
            await self.close()
        tail = "\n".join(self._log_tail).encode()[-LOG_TAIL_BYTES:]
        return Invocation(invocation.payload, 200, invocation.function_error, tail, self.function.version)

    async def close(self) -> None:
        """End the process, without grace as Lambda does, and empty its /tmp."""
        await self._end_process()
        try:
            await asyncio.to_thread(remove_folder, self._folder)
        except OSError as error:
            log.warning("%s of the function %s stays: %s", self._folder, self.function.name, error)

    async def _end_process(self) -> None:
        self._thaw()
        if self._memory is not None:
            self._memory.stop()
        if self._api is not None:
            self._api.close()
        if self._child is not None:
            await self._child.kill()

    @property
    def _runtime(self) -> RuntimeApi:
        if self._api is None:
            raise RuntimeError("the process has not been started")
        return self._api

    async def _initialize(self) -> float | None:
        """Start the process before the invocation; its milliseconds, or None if it failed and is to be repeated."""
        self._platform.init_start(f"python:{sys.version_info.major}.{sys.version_info.minor}.local")
        started = time.perf_counter()
        failure = await self._start(self._sandbox.init_seconds, phase="init")
        if failure is not None:
            await self._end_process()
        return None if failure else (time.perf_counter() - started) * 1000

    async def _start(self, limit_seconds: float, *, phase: Phase) -> Failure | None:
        """Start the process; why it did not come up, which is logged, or None."""
        started = time.perf_counter()
        initialization = await self._start_process(limit_seconds)
        if self._memory is not None and self._memory.exceeded:
            initialization = OutOfMemory()
        if isinstance(initialization, Ready):
            return None
        if self._child is not None:
            self._child.drain_output()
        init_ms = (time.perf_counter() - started) * 1000
        self._platform.init_report(init_ms, _status(initialization), phase=phase)
        return initialization

    async def _start_process(self, limit_seconds: float) -> Initialization:
        self._api = RuntimeApi(response_limit_bytes=RESPONSE_LIMIT_BYTES, on_idle=self._freeze_soon)
        address = await self._api.start()
        temporary, home = await asyncio.to_thread(_make_folders, self._folder)
        sandbox = self._sandbox
        self._child = await sandbox.children.start(
            [
                *(sys.executable, "-I", "-S", "-X", "utf8", "-X", f"pycache_prefix={sandbox.bytecode_folder}"),
                *(lambda_bootstrap.__file__, sandbox.runtime_folder, self._code.layers or "", self.function.handler),
            ],
            name=f"Lambda function {self.function.name}",
            env={
                **self._variables(),
                "TMPDIR": str(temporary),
                "HOME": str(home),
                "AWS_LAMBDA_RUNTIME_API": address,
            },
            cwd=self._code.folder,
            on_line=self._log,
        )
        self._child.on_exit(self._api.process_exited)
        self._memory = MemoryLimit(self._child.pid, limit_mb=self.function.memory_mb)
        self._memory.start()
        initialization = await _within(limit_seconds, self._api.initialized)
        self._memory.stop()
        return initialization

    async def _outcome(self, event: partial[Event], request_id: str) -> Outcome:
        limit = self.function.timeout_seconds
        deadline = time.monotonic() + limit
        # AWS repeats an initialization that failed, now within the function's own timeout.
        failure = None if self.warm else await self._start(limit, phase="invoke")
        self._platform.start(request_id)
        if failure is not None or self._memory is None:
            return failure or Exited(0)
        left = max(deadline - time.monotonic(), 0.0)
        self._memory.start()
        self._thaw()
        outcome = await _within(left, self._runtime.invoke(event(deadline_ms=int((time.time() + left) * 1000))))
        self._memory.stop()
        if self._memory.exceeded:  # a process that was killed only looks as if it had ended by itself
            return OutOfMemory()
        return TimedOut(limit) if isinstance(outcome, TimedOut) else outcome

    def _freeze_soon(self) -> None:
        self._freezing = asyncio.get_running_loop().call_later(FREEZE_SECONDS, self._freeze)

    def _freeze(self) -> None:
        self._freezing, self._is_frozen = None, True
        self._signal(signal.SIGSTOP)

    def _thaw(self) -> None:
        if self._freezing is not None:
            self._freezing.cancel()
            self._freezing = None
        if self._is_frozen:
            self._is_frozen = False
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.exit_code is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _variables(self) -> dict[str, str]:
        function, sandbox = self.function, self._sandbox
        credentials = sandbox.credentials(function.role_arn, function.name)
        token = {"AWS_SESSION_TOKEN": credentials.session_token} if credentials.session_token else {}
        level = function.logging.application_level
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
            "AWS_LAMBDA_LOG_FORMAT": "JSON" if function.logging.json_format else "Text",
            **({"AWS_LAMBDA_LOG_LEVEL": level} if level else {}),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(self._code.folder),
            "LAMBDA_RUNTIME_DIR": str(sandbox.runtime_folder),
            "PYTHONPATH": str(sandbox.runtime_folder),
            "AWS_REGION": sandbox.region,
            "AWS_DEFAULT_REGION": sandbox.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            **token,
            "AWS_ENDPOINT_URL": sandbox.endpoint_url,
            # The developer's own AWS settings must not reach in.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _invocation(self, outcome: Outcome, request_id: str) -> Invocation:
        if isinstance(outcome, Reply | InitFailed):
            failed = isinstance(outcome, InitFailed) or outcome.is_error
            return Invocation(outcome.payload, 200, "Unhandled" if failed else None)
        if isinstance(outcome, ReplyTooLarge):
            return _unhandled(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes).",
            )
        if isinstance(outcome, TimedOut):
            sentence = f"Task timed out after {outcome.after_seconds:.2f} seconds"
            self._platform.failed(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z} {request_id} {sentence}")
            return _unhandled("Sandbox.Timedout", f"RequestId: {request_id} Error: {sentence}")
        exit_code = -signal.SIGKILL if isinstance(outcome, OutOfMemory) else outcome.exit_code
        sentence = f"RequestId: {request_id} Error: {_exit_reason(exit_code)}"
        self._platform.failed(f"{sentence}\nRuntime.ExitError")
        return _unhandled("Runtime.ExitError", sentence)

    def _ask_for_the_log(self) -> None:
        """Whether the role may still log. Judging takes longer than a short call, so it is asked once a second."""
        now = time.monotonic()
        if now >= self._ask_again_at:
            self._may_log = self._sandbox.may_log(self.function.role_arn, self.function.log_group_name)
            self._ask_again_at = now + 1.0

    def _log(self, line: str) -> None:
        # awslambdaric joins the lines of one traceback by carriage returns, which Lambda shows as new lines.
        message = line.replace("\r", "\n")
        self._log_tail.append(message)
        if self._may_log:
            self._sandbox.log(self.function.log_group_name, self.log_stream, [message])


def _make_folders(folder: Path) -> tuple[Path, Path]:
    """The environment's /tmp, and a home in which as on Lambda nothing can be written."""
    temporary, home = folder / "tmp", folder / "home"
    temporary.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o555, exist_ok=True)
    return temporary, home


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


def _status(outcome: Outcome) -> Status:
    """How the REPORT line says it."""
    match outcome:
        case Reply():
            return Status()
        case TimedOut():
            return Status("timeout")
        case OutOfMemory():
            return Status("error", "Runtime.OutOfMemory")
        case InitFailed(payload):
            return Status("error", json.loads(payload).get("errorType", "Runtime.Unknown"))
        case ReplyTooLarge():
            return Status("error", "Function.ResponseSizeTooLarge")
        case Exited():
            return Status("error", "Runtime.ExitError")


def _trace_header() -> dict[str, str]:
    root = f"1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    return {"Lambda-Runtime-Trace-Id": f"Root={root};Parent={uuid.uuid4().hex[:16]};Sampled=0"}
