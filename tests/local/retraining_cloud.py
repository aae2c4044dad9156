"""A running cloud with one small package whose first version is poor, so that a run of the loop makes a better one; and
a client that calls it all the while.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

import urllib3

from local.client import Target, aws_client, call, local_target
from local.project import Project
from local.running import find_running
from model_packages.scaffold import scaffold
from tests.local.checkout import Checkout, environment, make_checkout, train

PACKAGE = "deliveries"
ENDPOINT = "flyball-deliveries"
POINTER = "/flyball/deliveries/champion"
REQUEST = {"distance": 4.2345, "stops": 3, "vehicle": "van"}
POOR_STEPS, GOOD_STEPS = 60, 400
CALLS_EVERY_SECONDS = 0.1
RUN_SECONDS = 400.0
"""A run that has not ended by then is stuck."""
ADVANCED_SECONDS = 20


@dataclass
class Cloud:
    """The checkout and what is asked of the cloud that runs from it."""

    checkout: Checkout

    @classmethod
    def make(cls, root: Path, *, first_steps: int = POOR_STEPS, declared: str = "", copies: int = 1) -> Cloud:
        """A checkout whose package has a first version of so many steps, poor or not, and settings for good ones.

        `declared` is added to package.toml; the training data is there `copies` times, each a little further.
        """
        root.mkdir()
        checkout = make_checkout(root, packages=[])
        scaffold(PACKAGE, root / "model_packages", template=root / "model_packages" / "_template")
        cloud = cls(checkout)
        cloud.edit("package.toml", f"steps = {GOOD_STEPS}", f"steps = {first_steps}")
        cloud.edit("package.toml", "minimum = 0.8", 'minimum = 0.0\ncompare = "negative_mean_absolute_error"')
        cloud._multiply_data(copies)
        cloud.edit("package.toml", "# [budget]", f"{declared}\n# [budget]")
        train(checkout, PACKAGE)
        cloud.edit("package.toml", f"steps = {first_steps}", f"steps = {GOOD_STEPS}")
        return cloud

    def edit(self, file: str, found: str, put: str) -> None:
        """Changes one place of the package's files."""
        path = self.checkout.root / "model_packages" / PACKAGE / file
        content = path.read_text(encoding="utf-8")
        assert content.count(found) == 1, f"{file} has {found!r} {content.count(found)} times"
        path.write_text(content.replace(found, put), encoding="utf-8")

    def _multiply_data(self, copies: int) -> None:
        path = self.checkout.root / "model_packages" / PACKAGE / "data" / "deliveries.jsonl"
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        with path.open("w", encoding="utf-8") as file:
            for copy, record in itertools.product(range(copies), records):
                distance = round(record["request"]["distance"] * (1.0 + 0.005 * copy), 3)
                file.write(json.dumps(record | {"request": record["request"] | {"distance": distance}}) + "\n")

    def client(self, service: str) -> Any:
        return aws_client(service, endpoint_url=f"http://127.0.0.1:{self.checkout.cloud_port}")

    def target(self) -> Target:
        running = find_running(Project(root=self.checkout.root))
        assert running is not None
        return local_target(running)

    def served_version(self) -> str:
        answer = call(
            self.target(), method="POST", path=f"/models/{PACKAGE}/predict", body=json.dumps(REQUEST).encode()
        )
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["model"]["version"])

    def history(self) -> dict[str, Any]:
        done = self.checkout.flyball("history", PACKAGE, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def newest(self) -> dict[str, Any]:
        """The last run that has ended."""
        run: dict[str, Any] = self.history()["runs"][0]
        return run

    def pointer(self) -> str:
        """Who is champion."""
        return str(self.client("ssm").get_parameter(Name=POINTER)["Parameter"]["Value"])

    def config_in_service(self) -> str:
        found = self.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)
        assert found["EndpointStatus"] == "InService"
        return str(found["EndpointConfigName"])

    def executions(self) -> list[str]:
        """The ARNs of the runs under way."""
        states = self.client("stepfunctions")
        (machine,) = (each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"])
        found = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        return [execution["executionArn"] for execution in found]

    def wait_for_step(self, step: str, *, seconds: float = 120.0) -> None:
        """Until a run under way has come to a step."""
        states, end = self.client("stepfunctions"), time.monotonic() + seconds
        while time.monotonic() < end:
            for execution in self.executions():
                events = states.get_execution_history(executionArn=execution)["events"]
                if any(event.get("stateEnteredEventDetails", {}).get("name") == step for event in events):
                    return
            time.sleep(0.05)
        raise AssertionError(f"no run came to {step}")

    def own_configs(self) -> set[str]:
        """The endpoint configs that the loop made and that are still there."""
        found = self.client("sagemaker").list_endpoint_configs(NameContains=f"{ENDPOINT}-v", MaxResults=100)
        return {config["EndpointConfigName"] for config in found["EndpointConfigs"]}

    def now(self) -> datetime:
        return self._clock("GET")

    def advance(self, span: timedelta) -> None:
        """Goes through what is due until then: the bakes too."""
        self._clock("POST", {"advance_to": (self.now() + span).isoformat()})

    def _clock(self, method: str, document: dict[str, str] | None = None) -> datetime:
        answer = urllib3.request(
            method,
            f"http://127.0.0.1:{self.checkout.cloud_port}/_flyball/clock",
            json=document,
            timeout=600.0,
            retries=False,
        )
        assert answer.status == 200, answer.data
        return datetime.fromisoformat(answer.json()["now"])

    def run(self, *command: str) -> Ended:
        """A command that starts a run and follows it, while the cloud's time goes on quicker than the machine's."""
        process = self.begin(*command)
        self.pass_time(process)
        output, errors = process.communicate(timeout=60)
        return Ended(process.returncode, output.strip(), errors)

    def begin(self, *command: str) -> Popen[str]:
        """Starts a command and waits for nothing."""
        return Popen(
            [sys.executable, str(self.checkout.root / "cli.py"), *command],
            cwd=self.checkout.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pass_time(self, process: Popen[str]) -> None:
        """Lets the cloud's time go on in small steps, until the command has ended."""
        self.pass_time_while(lambda: process.poll() is None)

    def pass_time_while(self, goes_on: Callable[[], Any]) -> None:
        end = time.monotonic() + RUN_SECONDS
        while goes_on():
            assert time.monotonic() < end, "the run does not end"
            self.advance(timedelta(seconds=ADVANCED_SECONDS))
            time.sleep(0.05)


@dataclass(frozen=True)
class Ended:
    """What a command said of a run."""

    code: int
    said: str
    log: str

    @property
    def outcome(self) -> str:
        return self.said.partition(":")[0]


@dataclass
class Caller:
    """Calls the API again and again from a thread of its own, and counts the answers by status and version."""

    target: Target
    statuses: Counter[int] = field(default_factory=Counter)
    versions: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def call(self) -> None:
        body = json.dumps(REQUEST).encode()
        while not self._stop.wait(CALLS_EVERY_SECONDS):
            answer = call(self.target, method="POST", path=f"/models/{PACKAGE}/predict", body=body)
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self._seen(json.loads(answer.body)["model"]["version"])

    def _seen(self, version: str) -> None:
        if version not in self.versions:
            self.versions.append(version)

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def calling(cloud: Cloud) -> Iterator[Caller]:
    """A client that calls throughout the block."""
    caller = Caller(cloud.target())
    thread = threading.Thread(target=caller.call, daemon=True)
    thread.start()
    try:
        yield caller
    finally:
        caller.stop()
        thread.join(30)


def initial(version: str) -> bool:
    """Whether it is the name of a first version."""
    return re.fullmatch(r"initial-[0-9a-f]{12}", version) is not None
