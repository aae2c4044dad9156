"""What `flyball up` does: train what is missing, synthesize, deploy into a fresh local cloud, serve until stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.clock import SystemClock
from local.cloud import LocalCloud, Ports, local_cloud
from local.deploy.assembly import Assembly, read_assembly
from local.deploy.engine import Engine, StackOutcome
from local.deploy.receiver import HttpReceiver
from local.deploy.state import InMemoryStore, StackEvent
from local.invocation import read_example
from local.project import Project
from local.running import ACCESS_KEY, REGION, SECRET_KEY, AlreadyRunning, RunningCloud, find_running, only_one
from local.synthesis import synth
from local.training import train_all
from model_packages.discovery import discover

Say = Callable[[str], None]
Announce = Callable[[RunningCloud], None]


async def up(project: Project, *, https_port: int, cloud_port: int, say: Say) -> None:
    """Serves until SIGINT or SIGTERM. Where a cloud of this folder serves already, says so and comes back.

    Raises: OperatorError for whatever the operator can mend: a broken package, a failed training, a taken port.
    """
    try:
        with only_one(project) as announce:
            ports = Ports(https=https_port, cloud=cloud_port)
            await _until_signal(_serve(project, ports, announce=announce, say=say), say=say)
    except AlreadyRunning:
        running = find_running(project)
        if running is None:
            raise
        say("the local cloud of this folder is up; nothing was changed (flyball down stops it)")
        say(next_steps(project, running))


async def _until_signal(work: Coroutine[Any, Any, None], *, say: Say) -> None:
    """Runs `work`; the first SIGINT or SIGTERM cancels it, later ones cannot cut its clean-up short."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not task.cancelling():
            say("stopping ...")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        say("stopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _serve(project: Project, ports: Ports, *, announce: Announce, say: Say) -> None:
    started = time.monotonic()
    ports.check()
    await train_all([], project=project, say=say, only_missing=True)
    synthesis = await synth(project, say=say)
    say("synthesized the templates" if synthesis.fresh else "the templates are current")
    assembly = read_assembly(synthesis.assembly)
    async with local_cloud(state=project.state, assembly=assembly, clock=SystemClock(), ports=ports) as cloud:
        running = _running(cloud, [dict(outcome.outputs) for outcome in await deploy(assembly, cloud, say=say)])
        _write_requests(project)
        say(next_steps(project, running))
        say(f"up after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
        announce(running)
        await asyncio.Event().wait()


def _running(cloud: LocalCloud, outputs: list[dict[str, str]]) -> RunningCloud:
    """What the stacks say of themselves; only the API's host is another one here."""
    api_url = next(stack["ApiUrl"] for stack in outputs if "ApiUrl" in stack)
    return RunningCloud(
        pid=os.getpid(),
        api_url=cloud.https_url + urlsplit(api_url).path.rstrip("/"),
        aws_endpoint_url=cloud.aws_endpoint_url,
        certificate=str(cloud.certificate.ca_path),
        models={stack["Package"]: stack for stack in outputs if "Package" in stack},
    )


async def deploy(assembly: Assembly, cloud: LocalCloud, *, say: Say) -> list[StackOutcome]:
    """Deploys every stack of `assembly` into `cloud`, from a thread, because the engine's AWS clients block.

    Raises: StackFailed, UnsupportedAssembly.
    """
    clock = InterruptibleClock()
    with HttpReceiver().listening() as receiver:
        engine = Engine(
            clients=cloud.clients,
            store=InMemoryStore(),
            clock=clock,
            on_event=lambda event: _say_event(event, say),
            receiver=receiver,
        )
        try:
            return await asyncio.to_thread(engine.deploy_assembly, assembly)
        except asyncio.CancelledError:
            clock.interrupt()
            raise


class Interrupted(Exception):
    """A deployment was given up because the cloud is being stopped."""


class InterruptibleClock(SystemClock):
    """The machine's time; whoever sleeps on it in a thread can be woken for good."""

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Every sleep, now and later, ends with Interrupted."""
        self._interrupted.set()

    def sleep(self, seconds: float) -> None:
        if self._interrupted.wait(seconds):
            raise Interrupted


def next_steps(project: Project, running: RunningCloud) -> str:
    """What to try: a line to paste for each package."""
    packages = [package.name for package in discover(project.packages)]
    certificate = _shown(Path(running.certificate), project)
    lines = [
        "",
        f"serving {', '.join(packages) or 'no model yet (flyball new NAME makes one)'} at {running.api_url}",
        "",
        *(f"{curl_line(project, running, package=name)}\n" for name in packages),
        f"documentation   {running.api_url}/models/<name>   and   {running.api_url}/openapi.json",
        f"                (its curl lines need the export below, and --cacert {certificate})",
        f"AWS clients     export AWS_ENDPOINT_URL={running.aws_endpoint_url} AWS_REGION={REGION} "
        f"AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
        "more            flyball status | flyball logs NAME | flyball invoke NAME | flyball new NAME",
    ]
    return "\n".join(lines)


def curl_line(project: Project, running: RunningCloud, *, package: str) -> str:
    """A command that asks `package` for the prediction of its first example."""
    return (
        f"curl --cacert {_shown(Path(running.certificate), project)} "
        f"--aws-sigv4 aws:amz:{REGION}:execute-api --user {ACCESS_KEY}:{SECRET_KEY} "
        f"-H 'content-type: application/json' --data @{_shown(_request_file(project, package), project)} "
        f"{running.api_url}/models/{package}/predict"
    )


def _write_requests(project: Project) -> None:
    """The files that the printed lines send."""
    for package in discover(project.packages):
        path = _request_file(project, package.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read_example(project, package=package.name, index=0))


def _request_file(project: Project, package: str) -> Path:
    return project.state / "examples" / f"{package}.json"


def _shown(path: Path, project: Project) -> str:
    """Relative to the project where `make up` was typed."""
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)


def _say_event(event: StackEvent, say: Say) -> None:
    """One line a stack, and every failure."""
    if event.logical_id == event.stack_name or event.status.name.endswith("FAILED"):
        reason = f": {event.reason}" if event.reason else ""
        say(
            f"{event.stack_name} {event.logical_id if event.logical_id != event.stack_name else ''} "
            f"{event.status.value}{reason}".replace("  ", " ")
        )
