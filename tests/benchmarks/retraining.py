"""From the drift alarm to a promoted version in the local cloud: `python -m tests.benchmarks.retraining [PACKAGE]...`.

A month is replayed in which a field shifts from the middle on. Two clocks are read: the cloud's, on which labels are
waited for and bakes last, and this machine's, on which the steps work while the cloud's stands still. None of these is
a figure of AWS.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local.client import aws_client
from tests.local.checkout import Checkout, give_version, make_checkout

SHIFTS: Mapping[str, Sequence[str]] = {
    "payments": ("--rows", "4000", "--shift", "amount"),
    "digits": ("--rows", "4000", "--shift", "image"),
}
"""What is replayed of each package."""
REPLAY_SECONDS = 3600.0
LOOK_SECONDS = 0.1
PARTS: Mapping[str, str] = {
    "Admit": "admit",
    "Assemble": "data",
    "CheckData": "data",
    "Train": "train",
    "Evaluate": "evaluate",
    "Judge": "judge, register",
    "Register": "judge, register",
    "RollOut": "roll out",
    "Observe": "bake",
    "Bake": "bake",
    "Promote": "promote, conclude",
    "Conclude": "promote, conclude",
}
"""States of the loop by the part that they count to."""


@dataclass
class Stopwatch:
    """Reads this machine's clock when an execution comes to a state; a thread of its own looks all the time."""

    states: Any
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By execution and part."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _now_in: dict[str, tuple[str, float]] = field(default_factory=dict)

    def run(self) -> None:
        (machine,) = self.states.list_state_machines()["stateMachines"]
        while not self._stop.wait(LOOK_SECONDS):
            found = self.states.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=5)["executions"]
            for execution in found:
                self._look(execution["executionArn"], is_running=execution["status"] == "RUNNING")

    def stop(self) -> None:
        self._stop.set()

    def _look(self, arn: str, *, is_running: bool) -> None:
        before, since = self._now_in.get(arn, ("", 0.0))
        if not is_running and not before:
            return
        name, now = (self._state(arn) if is_running else ""), time.perf_counter()
        if name == before:
            return
        if before:
            parts = self.seconds.setdefault(arn, {})
            part = PARTS.get(before, "other")
            parts[part] = parts.get(part, 0.0) + now - since
        self._now_in[arn] = (name, now)

    def _state(self, arn: str) -> str:
        for event in self.states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=20)["events"]:
            if "stateEnteredEventDetails" in event:
                return str(event["stateEnteredEventDetails"]["name"])
        return "Begin"


@dataclass(frozen=True)
class Measured:
    """One package's way from its alarm to its promotion; `runs` is how many it took."""

    package: str
    runs: int
    waited: timedelta
    ran: timedelta
    seconds: Mapping[str, float]


def measure(checkout: Checkout, package: str) -> Measured:
    """Replays the month, and reads both clocks."""
    states = aws_client("stepfunctions", endpoint_url=f"http://127.0.0.1:{checkout.cloud_port}")
    watch = Stopwatch(states)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    done = checkout.flyball("replay", package, *SHIFTS[package], "--json", timeout_seconds=REPLAY_SECONDS)
    watch.stop()
    thread.join(60)
    assert done.returncode == 0, done.stderr
    replayed = json.loads(done.stdout)
    assert replayed["errors"] == {}, replayed["errors"]
    assert any(run["outcome"] == "promoted" for run in replayed["runs"]), replayed
    return _measured(package, replayed, watch.seconds)


def _measured(package: str, replayed: Mapping[str, Any], seconds: Mapping[str, Mapping[str, float]]) -> Measured:
    alarm = next(each for each in replayed["alarms"] if each["name"].endswith("-Drift") and each["after"] == "ALARM")
    runs = replayed["runs"]
    index, run = next((index, run) for index, run in enumerate(runs) if run["outcome"] == "promoted")
    started, ended = datetime.fromisoformat(run["started"]), datetime.fromisoformat(run["ended"])
    own = next(parts for arn, parts in seconds.items() if arn.endswith(run["run"]))
    return Measured(
        package=package,
        runs=index + 1,
        waited=started - datetime.fromisoformat(alarm["at"]),
        ran=ended - started,
        seconds=own,
    )


def table(found: Sequence[Measured]) -> str:
    """Both clocks, a row a package."""
    parts = list(dict.fromkeys(PARTS.values()))
    head = ["package", "runs", "alarm to run (cloud's time)", "run (cloud's time)", *parts, "run (machine's seconds)"]
    rows = [
        (
            each.package,
            each.runs,
            str(each.waited - timedelta(microseconds=each.waited.microseconds)),
            str(each.ran - timedelta(microseconds=each.ran.microseconds)),
            *(f"{each.seconds.get(part, 0.0):.1f}" for part in parts),
            f"{sum(each.seconds.values()):.1f}",
        )
        for each in found
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main(packages: Sequence[str]) -> None:
    found = []
    for package in packages or SHIFTS:
        with tempfile.TemporaryDirectory(prefix="flyball-loop-") as folder:
            checkout = make_checkout(Path(folder) / "flyball", packages=[package])
            give_version(checkout, package)
            serving = checkout.up()
            try:
                found.append(measure(checkout, package))
            finally:
                serving.stop()
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
