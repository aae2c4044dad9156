"""The Lambda service with real processes under the real awslambdaric."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.clock import ManualClock
from local.lambda_code import runtime_folder
from local.processes import Children
from local.services.lambda_ import LambdaService
from local.services.lambda_environment import Credentials, Sandbox
from local.services.lambda_function import (
    Function,
    FunctionNotFound,
    InvalidRequestContent,
    Invocation,
    InvocationType,
    RequestTooLarge,
    TooManyRequests,
    name_and_qualifier,
)
from local.services.lambda_pool import Limits

pytestmark = pytest.mark.slow

DOCUMENTED_VARIABLES = """
_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME
AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE
AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_LOG_FORMAT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR LANG PATH PYTHONPATH LD_LIBRARY_PATH
AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS TZ
"""
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""

T = TypeVar("T")
MakeFunction = Callable[..., Function]


@dataclass
class Cloud:
    """A running Lambda service and what was logged through it."""

    service: LambdaService
    children: Children
    logs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    slept: list[float] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [line for stream in self.logs.values() for line in stream]

    async def call(self, payload: object = None, *, name: str = "fn") -> Invocation:
        return await self.service.invoke(name, json.dumps(payload).encode())


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session, as the local cloud keeps one in its state folder."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def function(tmp_path: Path) -> MakeFunction:
    """Makes a function from the text of its module."""

    def make(code: str, **settings: Any) -> Function:
        folder = tmp_path / f"code-{abs(hash(code))}"
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text(code)
        defaults = {"name": "fn", "arn": "arn:aws:lambda:us-east-1:1:function:fn", "handler": "app.handler"}
        return Function(**{**defaults, "code_revision": folder.name, "open_code": lambda: folder, **settings})

    return make


@pytest.fixture
def with_cloud(tmp_path: Path, bytecode: Path) -> Callable[..., Any]:
    """Runs a scenario against a Lambda service that knows the functions given."""

    @asynccontextmanager
    async def cloud(functions: Sequence[Function], limits: Limits, init_seconds: float) -> AsyncIterator[Cloud]:
        async with Children() as children:
            logs: dict[str, list[str]] = defaultdict(list)
            slept: list[float] = []

            async def sleep(seconds: float) -> None:
                slept.append(seconds)

            sandbox = Sandbox(
                children=children,
                log=lambda group, stream, lines: logs[f"{group} {stream}"].extend(lines),
                endpoint_url="http://127.0.0.1:8444",
                region="eu-west-1",
                runtime_folder=runtime_folder(tmp_path),
                bytecode_folder=bytecode,
                scratch_folder=tmp_path / "scratch",
                credentials=lambda role, _session: Credentials(f"key of {role}", "secret"),
                init_seconds=init_seconds,
            )
            service = LambdaService(sandbox=sandbox, clock=ManualClock(), limits=limits, sleep=sleep)
            for function in functions:
                service.configure(function)
            yield Cloud(service, children, logs, slept)
            await service.close()

    def run(
        scenario: Callable[[Cloud], Coroutine[Any, Any, T]],
        *functions: Function,
        limits: Limits | None = None,
        init_seconds: float = 10.0,
    ) -> T:
        async def inside() -> T:
            async with cloud(functions, limits or Limits(), init_seconds) as running:
                return await scenario(running)

        return asyncio.run(inside())

    return run


def document(invocation: Invocation) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(invocation.payload)
    return parsed


def test_a_handler_gets_the_event_and_its_answer_comes_back(with_cloud: Any, function: MakeFunction) -> None:
    async def scenario(cloud: Cloud) -> Invocation:
        return await cloud.call({"name": "Flyball"})

    invocation = with_cloud(scenario, function("def handler(event, context): return 'hello ' + event['name']"))

    assert invocation.payload == b'"hello Flyball"'
    assert (invocation.status_code, invocation.function_error) == (200, None)


def test_a_function_sees_the_environment_of_lambda_and_nothing_of_this_process(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function(
        "import os\ndef handler(event, context): return dict(os.environ)",
        environment={"MODEL": "digits"},
        role_arn="the role",
        memory_mb=256,
    )

    variables = document(with_cloud(lambda cloud: cloud.call(), made))

    assert variables["MODEL"] == "digits"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "fn"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/fn"
    assert re.fullmatch(r"2026/01/01/\[\$LATEST\][0-9a-f]{32}", variables["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert (variables["AWS_REGION"], variables["AWS_ACCESS_KEY_ID"]) == ("eu-west-1", "key of the role")
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8444"
    inherited = {name for name in variables if name in os.environ and variables[name] == os.environ[name]}
    assert inherited <= {"PATH", "LANG", "TZ", "LC_CTYPE"}


def test_a_function_sees_its_own_code_the_runtime_and_the_standard_library_only(
    with_cloud: Any, function: MakeFunction
) -> None:
    code = """
        import importlib.util, sys
        def handler(event, context):
            return {name: importlib.util.find_spec(name) is not None for name in event}
    """
    made = function("\n".join(line[8:] for line in code.splitlines()))

    found = document(with_cloud(lambda cloud: cloud.call(["app", "awslambdaric", "json", "boto3", "local"]), made))

    assert found == {"app": True, "awslambdaric": True, "json": True, "boto3": False, "local": False}


def test_the_context_tells_the_request_the_time_left_and_the_log_stream(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function(
        "def handler(event, c): return [c.aws_request_id, c.get_remaining_time_in_millis(), c.log_stream_name]",
        timeout_seconds=7,
    )

    async def scenario(cloud: Cloud) -> tuple[list[Any], list[str]]:
        return json.loads((await cloud.call()).payload), list(cloud.logs)

    (request_id, left_ms, stream), streams = with_cloud(scenario, made)

    assert re.fullmatch(r"[0-9a-f-]{36}", request_id)
    assert 6000 < left_ms <= 7000
    assert streams == [f"/aws/lambda/fn {stream}"]


def test_every_variable_that_lambda_documents_is_set_or_known_to_be_missing(
    with_cloud: Any, function: MakeFunction
) -> None:
    documented = set(DOCUMENTED_VARIABLES.split())
    made = function("import os\ndef handler(event, context): return dict(os.environ)")

    found = document(with_cloud(lambda cloud: cloud.call(), made)).keys()

    # No session token without STS; libraries are the machine's own; nothing listens for X-Ray.
    assert documented - found == {"AWS_SESSION_TOKEN", "LD_LIBRARY_PATH", "AWS_XRAY_DAEMON_ADDRESS"}
    local = {"AWS_ENDPOINT_URL", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}
    assert found - documented - {"LC_CTYPE"} == {*local, "HOME", "TMPDIR"}  # Python sets it where LANG is unknown


def test_temporary_files_last_as_long_as_the_environment_and_nothing_else_can_be_written(
    with_cloud: Any, function: MakeFunction, tmp_path: Path
) -> None:
    code = """
import os, pathlib, tempfile
def handler(event, context):
    kept = pathlib.Path(tempfile.gettempdir(), "kept")
    kept.write_text((kept.read_text() if kept.exists() else "") + "x")
    refused = 0
    for place in (os.environ["LAMBDA_TASK_ROOT"], ".", os.path.expanduser("~")):
        try:
            pathlib.Path(place, "new").write_text("")
        except OSError:
            refused += 1
    return [kept.read_text(), refused]
"""
    made = function(code)
    made.open_code().chmod(0o555)

    async def scenario(cloud: Cloud) -> tuple[bytes, bytes]:
        return (await cloud.call()).payload, (await cloud.call()).payload

    assert with_cloud(scenario, made) == (b'["x", 3]', b'["xx", 3]')
    assert list((tmp_path / "scratch").iterdir()) == []


def test_calls_one_after_another_share_a_process(with_cloud: Any, function: MakeFunction) -> None:
    async def scenario(cloud: Cloud) -> list[bytes]:
        return [(await cloud.call()).payload for _ in range(3)]

    answers = with_cloud(
        scenario, function("count = 0\ndef handler(event, context):\n global count; count += 1; return count")
    )

    assert answers == [b"1", b"2", b"3"]


def test_calls_that_overlap_run_in_processes_of_their_own_and_the_one_used_last_is_used_first(
    with_cloud: Any, function: MakeFunction, tmp_path: Path
) -> None:
    barrier = tmp_path / "barrier"
    barrier.mkdir()
    code = f"""
import os, pathlib, time
folder = pathlib.Path({str(barrier)!r})
def handler(event, context):
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < event:
        time.sleep(0.005)
    return os.getpid()
"""

    async def scenario(cloud: Cloud) -> tuple[set[bytes], bytes, bytes]:
        together = {call.payload for call in await asyncio.gather(*(cloud.call(2) for _ in range(2)))}
        return together, (await cloud.call(2)).payload, (await cloud.call(2)).payload

    together, third, fourth = with_cloud(scenario, function(code, timeout_seconds=20))

    assert len(together) == 2
    assert third == fourth
    assert third in together


def test_a_function_that_uses_too_much_memory_is_killed_and_its_report_says_so(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("def handler(event, context): return len(bytearray(event * 1024 * 1024))")

    async def scenario(cloud: Cloud) -> tuple[Invocation, Invocation]:
        return await cloud.call(256), await cloud.call(1)

    too_much, after = with_cloud(scenario, made)

    assert document(too_much)["errorType"] == "Runtime.ExitError"
    assert document(too_much)["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    report = too_much.log_tail.decode().splitlines()[-1]
    assert "\tMemory Size: 128 MB\tMax Memory Used: 128 MB" in report
    assert report.endswith("\tStatus: error\tError Type: Runtime.OutOfMemory")
    assert after.payload == b"1048576"


def test_a_call_over_the_concurrency_limit_is_throttled(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): return 1")

    async def scenario(cloud: Cloud) -> list[Any]:
        calls = (cloud.call() for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = with_cloud(scenario, made, limits=Limits(concurrency=2))

    assert [type(answer) for answer in answers] == [Invocation, Invocation, TooManyRequests]


def test_a_call_over_the_reserved_concurrency_is_throttled(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): return 1", reserved_concurrency=1)

    async def scenario(cloud: Cloud) -> list[Any]:
        return await asyncio.gather(*(cloud.call() for _ in range(2)), return_exceptions=True)

    assert [type(answer) for answer in with_cloud(scenario, made)] == [Invocation, TooManyRequests]


def test_calls_wait_for_a_process_where_the_machine_is_the_limit(with_cloud: Any, function: MakeFunction) -> None:
    made = function("import os\ndef handler(event, context): return os.getpid()")

    async def scenario(cloud: Cloud) -> list[bytes]:
        return [answer.payload for answer in await asyncio.gather(*(cloud.call() for _ in range(5)))]

    answers = with_cloud(scenario, made, limits=Limits(processes=1))

    assert len(answers) == 5
    assert len(set(answers)) == 1


def test_a_function_with_a_reserved_concurrency_of_none_at_all_is_always_throttled(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("def handler(event, context): return 1", reserved_concurrency=0)

    with pytest.raises(TooManyRequests):
        with_cloud(lambda cloud: cloud.call(), made)


def test_an_exception_is_an_unhandled_function_error_with_its_trace(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): raise ValueError('not a digit')")

    invocation = with_cloud(lambda cloud: cloud.call(), made)

    assert invocation.function_error == "Unhandled"
    assert document(invocation)["errorType"] == "ValueError"
    assert document(invocation)["errorMessage"] == "not a digit"
    assert b"[ERROR] ValueError: not a digit\nTraceback" in invocation.log_tail


def test_a_function_that_cannot_be_imported_says_so_in_the_reply_and_is_tried_anew_at_each_call(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("import nowhere")

    async def scenario(cloud: Cloud) -> tuple[Invocation, Invocation, list[str]]:
        return await cloud.call(), await cloud.call(), cloud.lines

    first, second, lines = with_cloud(scenario, made)

    assert document(first)["errorType"] == "Runtime.ImportModuleError"
    assert document(first)["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"
    assert second.function_error == "Unhandled"
    reports = [line for line in lines if line.startswith(("INIT_REPORT", "REPORT"))]
    assert [re.search(r"Phase: (\w+)", line) is not None for line in reports] == [True, True, False] * 2
    assert all(line.endswith("Status: error\tError Type: Runtime.ImportModuleError") for line in reports)


@pytest.mark.slow
def test_a_function_that_takes_too_long_is_killed_and_the_next_call_gets_a_new_process(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function(
        "import os, time\ndef handler(event, context):\n time.sleep(event); return os.getpid()", timeout_seconds=1
    )

    async def scenario(cloud: Cloud) -> tuple[Invocation, Invocation, Invocation]:
        return await cloud.call(0), await cloud.call(60), await cloud.call(0)

    before, late, after = with_cloud(scenario, made)

    assert late.function_error == "Unhandled"
    assert document(late)["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert b"Status: timeout" in late.log_tail
    assert before.payload != after.payload


@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_process_that_ends_during_a_call_is_an_exit_error(
    with_cloud: Any, function: MakeFunction, crash: str, reason: str
) -> None:
    made = function(f"import os\ndef handler(event, context): {crash}")

    invocation = with_cloud(lambda cloud: cloud.call(), made)

    assert document(invocation)["errorType"] == "Runtime.ExitError"
    assert document(invocation)["errorMessage"].endswith(f"Error: {reason}")


def test_an_import_that_takes_too_long_is_started_again_within_the_timeout_of_the_function(
    with_cloud: Any, function: MakeFunction, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    code = f"""
import pathlib, time
if not pathlib.Path({str(first)!r}).exists():
    pathlib.Path({str(first)!r}).touch()
    time.sleep(60)
def handler(event, context): return 'imported'
"""

    async def scenario(cloud: Cloud) -> tuple[Invocation, list[str]]:
        return await cloud.call(), cloud.lines

    invocation, lines = with_cloud(scenario, function(code, timeout_seconds=20), init_seconds=3.0)

    assert invocation.payload == b'"imported"'
    assert any(re.search("INIT_REPORT .*Phase: init\tStatus: timeout", line) for line in lines)


def test_the_log_of_a_call_runs_from_start_to_report_with_the_functions_lines_in_between(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("def handler(event, context):\n for n in range(3): print('line', n)")

    async def scenario(cloud: Cloud) -> tuple[list[str], Invocation]:
        await cloud.call()
        cold = len(cloud.lines)
        warm = await cloud.call()
        return cloud.lines[cold:], warm

    lines, invocation = with_cloud(scenario, made)

    assert [line.split(" RequestId")[0] for line in lines] == ["START", "line 0", "line 1", "line 2", "END", "REPORT"]
    assert re.fullmatch(
        r"REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB"
        + (r"\tMax Memory Used: \d+ MB" if sys.platform == "linux" else ""),
        lines[-1],
    )
    assert invocation.log_tail.decode() == "\n".join(lines)


def test_the_report_of_a_cold_start_tells_its_init_duration(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): pass")

    async def scenario(cloud: Cloud) -> list[str]:
        await cloud.call()
        return cloud.lines

    lines = with_cloud(scenario, made)

    assert lines[0].startswith("INIT_START")
    assert re.search(r"\tInit Duration: [\d.]+ ms$", lines[-1])


def test_a_changed_function_runs_in_new_processes_and_the_old_ones_are_ended(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("import os\ndef handler(event, context): return os.environ['STAGE']", environment={"STAGE": "old"})

    async def scenario(cloud: Cloud) -> tuple[bytes, bytes, int]:
        before = await cloud.call()
        cloud.service.configure(replace(made, environment={"STAGE": "new"}))
        after = await cloud.call()
        await cloud.service.settle()
        return before.payload, after.payload, len(cloud.children.running)

    assert with_cloud(scenario, made) == (b'"old"', b'"new"', 1)


def test_a_removed_function_is_not_found_and_leaves_no_process(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): pass")

    async def scenario(cloud: Cloud) -> int:
        await cloud.call()
        cloud.service.remove("fn")
        await cloud.service.settle()
        with pytest.raises(FunctionNotFound):
            await cloud.call()
        return len(cloud.children.running)

    assert with_cloud(scenario, made) == 0


def test_a_process_without_calls_is_ended_after_the_idle_time(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): pass")

    async def scenario(cloud: Cloud) -> int:
        await cloud.call()
        (child,) = cloud.children.running
        return await child.wait()

    assert with_cloud(scenario, made, limits=Limits(idle_seconds=0.01)) == -9


def test_an_event_is_accepted_at_once_and_a_failing_one_is_run_three_times(
    with_cloud: Any, function: MakeFunction
) -> None:
    made = function("def handler(event, context): raise RuntimeError(event)")

    async def scenario(cloud: Cloud) -> tuple[Invocation, list[str], list[float]]:
        accepted = await cloud.service.invoke("fn", b"1", invocation_type=InvocationType.EVENT)
        await cloud.service.settle()
        return accepted, [line for line in cloud.lines if line.startswith("START")], cloud.slept

    accepted, starts, slept = with_cloud(scenario, made)

    assert (accepted.status_code, accepted.payload) == (202, b"")
    assert len(starts) == 3
    assert len(set(starts)) == 1
    assert slept == [60.0, 120.0]


def test_events_wait_for_a_free_process_instead_of_being_throttled(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): print('ran', event)")

    async def scenario(cloud: Cloud) -> list[str]:
        for n in range(4):
            await cloud.service.invoke("fn", b"%d" % n, invocation_type=InvocationType.EVENT)
        await cloud.service.settle()
        return sorted(line for line in cloud.lines if line.startswith("ran"))

    assert with_cloud(scenario, made, limits=Limits(concurrency=1)) == ["ran 0", "ran 1", "ran 2", "ran 3"]


def test_a_dry_run_runs_nothing(with_cloud: Any, function: MakeFunction) -> None:
    async def scenario(cloud: Cloud) -> tuple[Invocation, list[str]]:
        return await cloud.service.invoke("fn", b"{}", invocation_type=InvocationType.DRY_RUN), cloud.lines

    invocation, lines = with_cloud(scenario, function(""))

    assert (invocation.status_code, lines) == (204, [])


@pytest.mark.parametrize(
    ("payload", "refusal"), [(b"{", InvalidRequestContent), (b'"' + b"x" * 6_300_000 + b'"', RequestTooLarge)]
)
def test_a_payload_that_lambda_would_not_take_is_refused(
    with_cloud: Any, function: MakeFunction, payload: bytes, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        with_cloud(lambda cloud: cloud.service.invoke("fn", payload), function(""))


def test_an_answer_over_six_megabytes_is_an_error_of_the_function(with_cloud: Any, function: MakeFunction) -> None:
    made = function("def handler(event, context): return 'x' * 6_300_000")

    invocation = with_cloud(lambda cloud: cloud.call(), made)

    assert document(invocation)["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("fn", ("fn", None)),
        ("fn:live", ("fn", "live")),
        ("arn:aws:lambda:us-east-1:123456789012:function:fn", ("fn", None)),
        ("arn:aws:lambda:us-east-1:123456789012:function:fn:3", ("fn", "3")),
        ("123456789012:function:fn", ("fn", None)),
    ],
)
def test_a_function_can_be_named_in_each_way_the_api_allows(identifier: str, expected: tuple[str, str | None]) -> None:
    assert name_and_qualifier(identifier) == expected
