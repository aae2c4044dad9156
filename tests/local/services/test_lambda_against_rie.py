"""Our Lambda service and AWS's runtime interface emulator (RIE) on the same code, over a table of cases.

Where they are to differ, the case says in a sentence why, and what each of them answers: ours follows Lambda.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.clock import SystemClock
from local.lambda_code import runtime_folder, unpack
from local.processes import Children
from local.services.lambda_ import LambdaService
from local.services.lambda_environment import Credentials, Sandbox
from local.services.lambda_function import Function, InvocationRefused
from tests.local.services.interface_emulator import Emulator, emulator

pytestmark = pytest.mark.slow

ARN = "arn:aws:lambda:us-east-1:012345678912:function:fn"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Difference:
    """Why ours does not answer what the emulator answers, and what they do answer, payload by payload."""

    because: str
    emulator: Sequence[Any]
    ours: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A module `app.py` and the payloads it gets one after another."""

    name: str
    code: str
    payloads: Sequence[bytes] = (b"{}",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """The two that are compared; `lines` is the log of ours."""

    emulator: Emulator
    ours: LambdaService
    lines: list[str]
    code: Path

    async def emulated(self, payload: bytes) -> Any:
        return self._normalised(await self.emulator.invoke(payload))

    async def answered(self, payload: bytes) -> Any:
        try:
            invocation = await self.ours.invoke("fn", payload)
        except InvocationRefused as refusal:
            return refusal.code
        return self._normalised(invocation.payload)

    def _normalised(self, answer: bytes) -> Any:
        """As a document, without what is different each time."""
        text = UUID.sub("ID", answer.decode()).replace(str(self.code), "CODE")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text


def exit_error(reason: str) -> dict[str, str]:
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: ID Error: {reason}"}


TIMED_OUT = {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: ID Error: Task timed out after 1.00 seconds"}
TIMED_OUT_IN_EMULATOR = "Task timed out after 1.00 seconds"
PLAIN_TEXT_TIMEOUT = "the emulator answers plain text; Lambda answers an error document of the type Sandbox.Timedout"
SILENT_INIT = "the emulator closes the connection; Lambda answers Runtime.ExitError"

CASES = (
    Case(
        name="a value comes back", code="def handler(event, context): return event", payloads=[b'{"a": [1, 2.5, null]}']
    ),
    Case(name="nothing comes back as null", code="def handler(event, context): pass"),
    Case(
        name="unicode, in and out",
        code="def handler(event, context): return [event, len(event), '\u2603']",
        payloads=['"\u00e9\U0001f600"'.encode(), b'"\\u00e9"'],
    ),
    Case(name="a value that is no JSON", code="def handler(event, context): return {1, 2}"),
    Case(name="bytes are no JSON", code="def handler(event, context): return b'x'"),
    Case(name="not a number", code="def handler(event, context): return str([float('nan')])"),
    Case(name="an exception", code="def handler(event, context): raise ValueError('not a digit')"),
    Case(
        name="an exception of one's own, with a cause",
        code="""
class Refused(Exception): pass
def deeper(): raise Refused('because\\nof this') from KeyError('k')
def handler(event, context): deeper()
""",
    ),
    Case(name="an exception while importing", code="raise ValueError('at import')"),
    Case(name="a module that is missing", code="import nowhere_to_be_found"),
    Case(name="a syntax error", code="def handler(event, context)\n    pass"),
    Case(name="no such function in the module", code="x = 1"),
    Case(name="no such module", code="x = 1", settings={"handler": "nowhere.handler"}),
    Case(name="a handler without a dot", code="x = 1", settings={"handler": "app"}),
    Case(name="a handler in a built-in module", code="x = 1", settings={"handler": "time.sleep"}),
    Case(name="exit code 1", code="import os\ndef handler(event, context): os._exit(1)"),
    Case(name="exit code 0", code="import os\ndef handler(event, context): os._exit(0)"),
    Case(name="killed", code="import os\ndef handler(event, context): os.kill(os.getpid(), 9)"),
    Case(name="sys.exit(3)", code="import sys\ndef handler(event, context): sys.exit(3)"),
    Case(name="sys.exit(0)", code="import sys\ndef handler(event, context): sys.exit(0)"),
    Case(
        name="exit while importing",
        code="import os; os._exit(3)",
        difference=Difference(SILENT_INIT, [""], [exit_error("Runtime exited with error: exit status 3")]),
    ),
    Case(
        name="a timeout",
        code="import time\ndef handler(event, context): time.sleep(60)",
        settings={"timeout_seconds": 1.0},
        difference=Difference(PLAIN_TEXT_TIMEOUT, [TIMED_OUT_IN_EMULATOR], [TIMED_OUT]),
    ),
    Case(
        name="a timeout while importing",
        code="import time; time.sleep(60)",
        settings={"timeout_seconds": 1.0},
        difference=Difference(PLAIN_TEXT_TIMEOUT, [TIMED_OUT_IN_EMULATOR], [TIMED_OUT]),
    ),
    Case(
        name="an answer over 6 MB, and the next",
        code="count = 0\ndef handler(e, context):\n global count; count += 1; return 'x' * e if e else count",
        payloads=[b"6300000", b"0"],
    ),
    Case(
        name="an answer of 6 MB exactly",
        code="def handler(event, context): return 'x' * event",
        payloads=[b"6291554", b"6291555"],
    ),
    Case(
        name="no payload",
        code="def handler(event, context): return event",
        payloads=[b""],
        difference=Difference(
            "the emulator hands over nothing, which is no JSON; Lambda makes an empty document of it",
            [
                {
                    "errorMessage": "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)",
                    "errorType": "Runtime.UnmarshalError",
                    "requestId": "ID",
                    "stackTrace": [],
                }
            ],
            [{}],
        ),
    ),
    Case(
        name="a payload that is no JSON",
        code="def handler(event, context): return event",
        payloads=[b"nonsense"],
        difference=Difference(
            "the emulator hands it over; Lambda refuses it before it runs anything",
            [
                {
                    "errorMessage": "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)",
                    "errorType": "Runtime.UnmarshalError",
                    "requestId": "ID",
                    "stackTrace": [],
                }
            ],
            ["InvalidRequestContentException"],
        ),
    ),
    Case(
        name="the context",
        code="""
def handler(event, c):
    return [c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb, c.aws_request_id,
            c.client_context, 5000 < c.get_remaining_time_in_millis() <= 10000]
""",
        settings={"memory_mb": 256},
    ),
    Case(
        name="the log group and stream",
        code="""
def handler(event, c): return [c.log_group_name, len(c.log_stream_name)]
""",
        difference=Difference(
            "the emulator has one group and stream for all functions",
            [["/aws/lambda/Functions", len("$LATEST")]],
            [["/aws/lambda/fn", len("2026/01/01/[$LATEST]") + 32]],
        ),
    ),
    Case(
        name="a trace id",
        code="import os\ndef handler(event, context): return os.environ.get('_X_AMZN_TRACE_ID', '')[:7]",
        difference=Difference("the emulator passes on a caller's id; Lambda makes one", [""], ["Root=1-"]),
    ),
    Case(
        name="what a module keeps from call to call",
        code="count = 0\ndef handler(event, context):\n global count; count += 1; return count",
        payloads=[b"{}", b"{}", b"{}"],
    ),
    Case(
        name="an exception leaves the process as it is",
        code="count = 0\ndef handler(event, context):\n global count; count += 1\n if event: 1 / 0\n return count",
        payloads=[b"0", b"1", b"0"],
    ),
    Case(
        name="after a crash comes a new process",
        code="import os\ncount = 0\ndef handler(e, c):\n global count; count += 1\n if e: os._exit(1)\n return count",
        payloads=[b"0", b"0", b"1", b"0"],
    ),
    Case(
        name="writing beside the code",
        code="def handler(event, context):\n with open('written', 'w') as file: file.write('1')\n return 'written'",
        difference=Difference(
            "the emulator leaves the folder as it is; on Lambda /var/task is read-only", ["written"], ["OSError"]
        ),
    ),
    Case(
        name="more memory than there is, and the next call",
        code="def handler(event, context): return len(bytearray(event))",
        payloads=[b"400000000", b"1"],
        difference=Difference(
            "the emulator does not limit memory; Lambda kills the process",
            [400000000, 1],
            [exit_error("Runtime exited with error: signal: killed"), 1],
        ),
    ),
    Case(
        name="more memory than there is while importing",
        code="kept = bytearray(400000000)\ndef handler(event, context): return len(kept)",
        difference=Difference(
            "the emulator does not limit memory; Lambda kills the process",
            [400000000],
            [exit_error("Runtime exited with error: signal: killed")],
        ),
    ),
)


@asynccontextmanager
async def both(case: Case, folder: Path) -> AsyncIterator[Sides]:
    code = unpack(zipped(case.code), folder / "code")
    plain = {"name": "fn", "arn": ARN, "handler": "app.handler", "timeout_seconds": 10.0}
    function = Function(**{**plain, "code_revision": "1", "open_code": lambda: code, **case.settings})
    lines: list[str] = []
    async with Children() as children, emulator(function, children) as rie:
        sandbox = Sandbox(
            children=children,
            log=lambda _group, _stream, written: lines.extend(written),
            endpoint_url="http://127.0.0.1:1",
            region="us-east-1",
            runtime_folder=runtime_folder(folder),
            bytecode_folder=folder / "bytecode",
            scratch_folder=folder / "scratch",
            credentials=lambda _role, _session: Credentials("key", "secret"),
            init_seconds=1.0 if "timeout_seconds" in case.settings else 10.0,
        )
        service = LambdaService(sandbox=sandbox, clock=SystemClock())
        service.configure(function)
        yield Sides(rie, service, lines, code)
        await service.close()


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_answers_what_the_emulator_answers_but_where_lambda_does_not(case: Case, tmp_path: Path) -> None:
    async def scenario() -> tuple[list[Any], list[Any]]:
        emulated, answered = [], []
        async with both(case, tmp_path) as sides:
            for payload in case.payloads:
                # Ours first: the emulator may write beside the code.
                answered.append(shortened(await sides.answered(payload)))
                emulated.append(shortened(await sides.emulated(payload)))
        return emulated, answered

    emulated, answered = asyncio.run(scenario())

    if case.difference is None:
        assert answered == emulated
    else:
        assert emulated == case.difference.emulator
        assert answered == case.difference.ours


def test_a_thread_runs_on_between_two_calls_in_the_emulator_and_on_lambda_it_does_not(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks"
    ticks.mkdir()
    code = f"""
import os, pathlib, threading, time
own = pathlib.Path({str(ticks)!r}, str(os.getpid()))
def tick():
    while True:
        with own.open("a") as file:
            file.write("x")
        time.sleep(0.005)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return own.stat().st_size if own.exists() else 0
"""

    async def scenario() -> tuple[int, int]:
        async with both(Case(name="thread", code=code), tmp_path) as sides:
            await sides.answered(b"{}")
            await sides.emulated(b"{}")
            async with asyncio.timeout(20):
                while max(one.stat().st_size for one in ticks.iterdir()) < 100:
                    await asyncio.sleep(0.01)
            return await sides.answered(b"{}"), await sides.emulated(b"{}")

    ours, emulated = asyncio.run(scenario())

    assert emulated >= 100
    assert ours < 50


def shortened(answer: Any) -> Any:
    """Megabytes make no readable failure; and of a failed write only the class is ours to say."""
    if isinstance(answer, str) and len(answer) > 1000:
        return f"{len(answer)} characters"
    if isinstance(answer, dict) and answer.get("errorType") in {"OSError", "PermissionError"}:
        return "OSError"
    return answer


def test_the_functions_own_lines_are_the_same_and_lie_between_start_and_end(tmp_path: Path) -> None:
    code = """
import logging, sys
logging.getLogger().setLevel("INFO")
def handler(event, context):
    print("first")
    logging.info("second")
    print("third", file=sys.stderr)
    print("fourth", end="")
    print()
    raise RuntimeError("fifth")
"""

    async def scenario() -> tuple[list[str], list[str]]:
        async with both(Case(name="lines", code=code), tmp_path) as sides:
            await sides.answered(b"{}")
            await sides.emulated(b"{}")
            warm_emulated, warm_ours = len(sides.emulator.lines), len(sides.lines)
            await sides.answered(b"{}")
            await sides.emulated(b"{}")
            return sides.emulator.lines[warm_emulated:], sides.lines[warm_ours:]

    emulated, ours = asyncio.run(scenario())

    assert [kind(line) for line in ours] == [kind(line) for line in emulated]
    assert [kind(line) for line in ours] == ["START", "first", "[INFO]", "third", "fourth", "[ERROR]", "END", "REPORT"]


def kind(line: str) -> str:
    return re.split(r"[ \t]", line)[0]
