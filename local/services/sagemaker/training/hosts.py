"""The hosts of a training job: on each a container's process, with a folder of its own that stands for /opt/ml.

Their names lead nowhere on this machine: they find each other at MASTER_ADDR and MASTER_PORT, on the loopback.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from local.ports import LOOPBACK, free_port
from local.processes import Child, Children
from local.services.sagemaker.model_server import container_base
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.training.outputs import failure_file
from local.services.sagemaker.training.request import JobPlan

KILLED: Final = frozenset({-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM, 128 + signal.SIGKILL})
"""Exit codes of a container that somebody has ended: by the signal itself, or as it says of itself when it heeds it."""


@dataclass(frozen=True, slots=True)
class Host:
    """One container of a job. `root` stands for /opt/ml."""

    name: str
    root: Path


@dataclass(frozen=True, slots=True)
class Hosts:
    """The containers of one job, once they have been started."""

    running: Mapping[Host, Child]

    async def wait(self) -> None:
        """Until all have ended, or one of them without success."""
        waiting = {asyncio.ensure_future(child.wait()) for child in self.running.values()}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() != 0 for task in done):
                    return
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self, *, grace_seconds: float) -> None:
        """SIGTERM to each, and SIGKILL after the grace."""
        await asyncio.gather(*(child.stop(grace_seconds=grace_seconds) for child in self.running.values()))

    async def kill(self) -> None:
        await asyncio.gather(*(child.kill() for child in self.running.values()))

    @property
    def is_killed(self) -> bool:
        """Whether somebody has ended one of them up to now."""
        return any(child.exit_code in KILLED for child in self.running.values())

    def failure(self) -> tuple[Host, int] | None:
        """Which of them failed, with its exit code; of several the one that gave its reason first. All have ended."""
        failed = [(host, child.exit_code) for host, child in self.running.items() if child.exit_code]
        return min(((host, code) for host, code in failed if code), key=lambda each: _told(each[0]), default=None)


def _told(host: Host) -> float:
    """When a host said why it failed; later than any other where it did not."""
    try:
        return failure_file(host.root).stat().st_mtime
    except FileNotFoundError:
        return float("inf")


async def start_hosts(
    hosts: list[Host],
    *,
    plan: JobPlan,
    image: ImageFolder,
    children: Children,
    added: Callable[[Host], Mapping[str, str]],
    on_line: Callable[[Host, str], None],
) -> Hosts:
    """Starts the image's `train` verb on each host. `added` is what a host gets of its role and region."""
    meeting = {"MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(free_port())} if len(hosts) > 1 else {}
    running: dict[Host, Child] = {}
    try:
        for host in hosts:
            environment = training_environment(plan, image, root=host.root, added=added(host))
            running[host] = await children.start(
                [sys.executable, "-m", "container", "train"],
                name=f"training job {plan.name} on {host.name}",
                env={**meeting, **environment},
                cwd=image.path,
                on_line=partial(on_line, host),
            )
    except BaseException:
        await Hosts(running).kill()  # they would wait for the missing one
        raise
    return Hosts(running)


def training_environment(plan: JobPlan, image: ImageFolder, *, root: Path, added: Mapping[str, str]) -> dict[str, str]:
    """What `docker run` would set: the image's ENV, the platform's variables, and last what the job says."""
    return {
        **container_base(root),
        # Small models train many times slower when their threads wait for each other on busy cores.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        **image.environment,
        **({} if plan.network_isolated else added),
        "TRAINING_JOB_NAME": plan.name,
        "TRAINING_JOB_ARN": plan.arn,
        "FLYBALL_ML_ROOT": str(root),
        **plan.environment,
        "PYTHONPATH": str(image.path),
    }
