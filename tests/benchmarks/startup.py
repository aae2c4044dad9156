"""Seconds from `make up` to the first answered request, and what they go to: `python -m tests.benchmarks.startup`.

Three times in a copy of the project: with nothing installed (the package index's files may be in pip's cache), with
nothing trained or synthesized, and once more with everything in place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.local.checkout import Checkout, Serving, make_checkout

PACKAGES = ("digits", "payments", "tumours")
START_SECONDS = 900.0
STEPS = {
    "installed": "training ",
    "trained": "synthesizing",
    "synthesized": "flyball-platform CREATE_IN_PROGRESS",
    "deployed": "serving ",
}
"""The line that is printed when a step is over."""


@dataclass(frozen=True, slots=True)
class Startup:
    """One start: seconds from its beginning until each step was over."""

    name: str
    seconds: dict[str, float]

    def row(self) -> str:
        shown = " | ".join(
            f"{self.seconds[step]:.1f}" if step in self.seconds else "-" for step in (*STEPS, "answered")
        )
        return f"| {self.name} | {shown} |"


def measure(name: str, checkout: Checkout) -> Startup:
    """Runs `make up`, sends the first request as soon as it serves, and stops it again."""
    started = time.perf_counter()
    serving = Serving.start(["make", "up", f"FLAGS={' '.join(checkout.ports)}"], cwd=checkout.root)
    seconds: dict[str, float] = {}
    for step, text in STEPS.items():
        if serving.prints(text, or_else="serving ", seconds=START_SECONDS):
            seconds[step] = time.perf_counter() - started
    serving.wait_for("Ctrl-C stops it", seconds=60)
    subprocess.run(
        ["bash", "-c", f"{serving.curl_line('digits')} --silent --fail"],  # noqa: S607
        cwd=checkout.root,
        check=True,
        capture_output=True,
    )
    seconds["answered"] = time.perf_counter() - started
    checkout.flyball("down")
    serving.wait()
    return Startup(name, seconds)


def synth_seconds(checkout: Checkout) -> float:
    """A synth with nothing to reuse, bytecode aside."""
    shutil.rmtree(checkout.root / "cdk.out")
    started = time.perf_counter()
    done = checkout.flyball("synth")
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="flyball-startup-") as folder:
        checkout = make_checkout(Path(folder) / "flyball", packages=PACKAGES)
        # A link to this project's: `npm ci`, which is part of what is measured, would empty what it leads to.
        (checkout.root / "node_modules").unlink()
        starts = [measure("first `make up` in a fresh clone", checkout)]
        for made in ("build/models", "cdk.out", ".flyball"):
            shutil.rmtree(checkout.root / made)
        starts.append(measure("nothing trained, nothing synthesized", checkout))
        starts.append(measure("everything in place", checkout))
        synth = synth_seconds(checkout)
    print(f"| seconds until ({os.cpu_count()} cores) | {' | '.join((*STEPS, 'first answer'))} |")
    print(re.sub(r"[^|]+", "---", "| |" + " |" * (len(STEPS) + 1)))
    print("\n".join(start.row() for start in starts))
    print(f"\nsynth alone: {synth:.1f} s")


if __name__ == "__main__":
    main()
