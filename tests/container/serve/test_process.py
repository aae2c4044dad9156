"""The server as SageMaker starts it: a real process on a real port, from a build context."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_packages.interface import load_interface

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 60.0
LayOut = Callable[[str], Path]


@dataclass
class Server:
    """A server process under test; its output is read to the end by `wait`."""

    process: subprocess.Popen[str]
    port: int

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)) as connection:
            yield connection

    def ping(self) -> int | None:
        """The status, or None while nobody listens."""
        try:
            with self.connection() as connection:
                return ask(connection, "GET", "/ping")[0]
        except ConnectionRefusedError:
            return None

    def invoke(self, x: float) -> tuple[int, Any]:
        with self.connection() as connection:
            return ask(connection, "POST", "/invocations", {"x": x})

    def until_ping(self, status: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (found := self.ping()) != status:
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, f"/ping answers {found}"
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> tuple[int, list[str]]:
        """The exit code and the lines of the log."""
        output, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, output.splitlines()


def ask(connection: http.client.HTTPConnection, method: str, path: str, content: Any = None) -> tuple[int, Any]:
    body = None if content is None else json.dumps(content)
    connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@contextmanager
def serving(context: Path, **environment: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "container", "serve"],
        cwd=context,
        env={
            "PATH": os.defpath,
            "FLYBALL_ML_ROOT": str(context / "ml"),
            "FLYBALL_MODEL_VERSION": "7",
            "FLYBALL_BIND_ADDRESS": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Server(process=process, port=port)
    finally:
        process.kill()
        process.communicate()


def gated(build_context: LayOut) -> Path:
    """A build context of the package `gated` with a model and two pipes to wait at."""
    context = build_context("gated")
    model_dir = context / "ml" / "model"
    model_dir.mkdir(parents=True)
    (model_dir / "factor.txt").write_text("2.0")
    manifest = {"package": "gated", "schema_hash": load_interface("gated").schema_hash}
    (model_dir / "flyball.json").write_text(json.dumps(manifest))
    os.mkfifo(context / "gate")
    return context


def open_gate(context: Path) -> None:
    """Lets the model go on; blocks until it is at the gate."""
    (context / "gate").write_text("go")


def test_it_serves_until_sigterm_and_then_exits_with_0(build_context: LayOut) -> None:
    with serving(gated(build_context), FLYBALL_PACKAGE="gated") as server:
        server.until_ping(200)
        with server.connection() as kept_alive:
            answers = [ask(kept_alive, "POST", "/invocations", {"x": x}) for x in (1.0, 2.0)]
        server.stop()
        code, lines = server.wait()

    assert answers == [(200, {"predictions": [{"y": 2.0}]}), (200, {"predictions": [{"y": 4.0}]})]
    assert code == 0
    assert [json.loads(line)["message"] for line in lines] == ["the model is loaded", "draining"]


def test_a_version_of_another_schema_never_serves(build_context: LayOut) -> None:
    context = gated(build_context)
    (context / "ml" / "model" / "flyball.json").write_text('{"package": "gated", "schema_hash": "000000000000"}')

    with serving(context, FLYBALL_PACKAGE="gated") as server:
        code, lines = server.wait()

    assert code == 1
    assert "('gated', '000000000000')" in json.loads(lines[-1])["message"]


def test_sigterm_answers_what_is_in_flight_and_closes_idle_connections(build_context: LayOut) -> None:
    context = gated(build_context)

    with (
        serving(context, FLYBALL_PACKAGE="gated", GATED_PREDICT=str(context / "gate")) as server,
        ThreadPoolExecutor() as callers,
        server.connection() as idle,
    ):
        server.until_ping(200)
        assert ask(idle, "GET", "/ping")[0] == 200
        in_flight = callers.submit(server.invoke, -1.0)
        _until_in_flight(server)
        server.stop()
        server.until_ping(503)
        refused = server.invoke(1.0)
        open_gate(context)
        answer = in_flight.result(timeout=DEADLINE_SECONDS)
        started = time.monotonic()
        code, _ = server.wait()
        seconds = time.monotonic() - started

    assert answer == (200, {"predictions": [{"y": -2.0}]})
    assert refused == (503, {"error": "the server is draining"})
    assert code == 0
    assert seconds < 10


def test_a_model_that_does_not_load_ends_the_process_with_the_reason_on_its_last_line(build_context: LayOut) -> None:
    context = gated(build_context)
    (context / "ml" / "model" / "factor.txt").unlink()

    with serving(context, FLYBALL_PACKAGE="gated") as server:
        code, lines = server.wait()

    assert code == 1
    last = json.loads(lines[-1])
    assert last["level"] == "CRITICAL"
    assert last["message"].startswith("the model did not load: FileNotFoundError:")
    assert "factor.txt" in last["message"]


def test_a_package_that_breaks_the_contract_ends_the_process_with_the_reason(build_context: LayOut) -> None:
    context = gated(build_context)
    (context / "model_packages" / "gated" / "package.toml").write_text("description = 1\n")

    with serving(context, FLYBALL_PACKAGE="gated") as server:
        code, lines = server.wait()

    assert code == 1
    assert "gated/package.toml: description" in json.loads(lines[-1])["message"]


def test_ping_is_503_while_the_model_loads_and_sigterm_ends_even_that(build_context: LayOut) -> None:
    context = gated(build_context)

    with serving(context, FLYBALL_PACKAGE="gated", GATED_LOAD=str(context / "gate")) as server:
        server.until_ping(503)
        server.stop()
        code, _ = server.wait()

    assert code == 0


def test_a_taken_port_ends_the_process_with_a_reason(build_context: LayOut) -> None:
    context = gated(build_context)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with serving(context, FLYBALL_PACKAGE="gated", SAGEMAKER_BIND_TO_PORT=port) as server:
            code, lines = server.wait()

    assert code == 1
    assert json.loads(lines[-1])["level"] == "CRITICAL"


def test_without_a_package_it_says_which_variable_is_missing(build_context: LayOut) -> None:
    with serving(gated(build_context)) as server:
        code, lines = server.wait()

    assert code == 2
    assert lines == ["FLYBALL_PACKAGE is not set; allowed: the name of a folder of model_packages/"]


def _until_in_flight(server: Server) -> None:
    """Waits until the request of `x` = -1 has left the queue for the model."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while "flyball_in_flight_requests 1.0" not in _metrics(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _metrics(server: Server) -> str:
    with server.connection() as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
