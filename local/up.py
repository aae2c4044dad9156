"""What `flyball up` does: train what is missing, synthesize, deploy what has changed, serve until stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.clock import SystemClock
from local.cloud import LocalCloud, local_cloud
from local.deploy.assembly import Assembly, read_assembly
from local.deploy.engine import StackOutcome
from local.deploy.state import StackEvent
from local.invocation import read_example
from local.outputs import Outputs, by_package, platforms, stack_outputs
from local.ports import Ports
from local.project import Project
from local.running import ACCESS_KEY, REGION, SECRET_KEY, AlreadyRunning, RunningCloud, find_running, only_one
from local.services.cloudformation.deployment import deploy_assembly
from local.services.cloudformation.toolkit import toolkit_stack, with_toolkit
from local.state.leftovers import discard_old_builds
from local.synthesis import LOCAL_CONTEXT, synth
from local.training import train_all
from model_packages.discovery import ModelPackage, discover
from model_packages.errors import OperatorError

Say = Callable[[str], None]
Announce = Callable[[RunningCloud], None]

API_STAGE = "api"
"""What the platform stack calls its stage, as long as there is none to ask."""


async def up(project: Project, *, ports: Ports, say: Say, environment: str | None = None, deploys: bool = True) -> None:
    """Serves until SIGINT or SIGTERM. Where a cloud of this folder serves already, says so and comes back.

    Unless it `deploys`, it serves what the cloud held, and leaves the rest to the `cdk` command line.

    Raises: OperatorError for whatever the operator can mend: a broken package, a failed training, a taken port.
    """
    try:
        with only_one(project) as announce:
            ports.check()
            if deploys:
                work = _deploy_and_serve(project, ports, announce=announce, say=say, environment=environment)
            else:
                work = _serve_as_it_is(project, ports, announce=announce, say=say)
            await _until_signal(work, say=say)
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
            task.cancel()  # first: nobody may be there to be told
            say("stopping ...")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        say("stopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _deploy_and_serve(
    project: Project, ports: Ports, *, announce: Announce, say: Say, environment: str | None
) -> None:
    started = time.monotonic()
    discard_old_builds(project.build / "functions")
    await train_all([], project=project, say=say, only_missing=True)
    synthesis = await synth(project, say=say, environment=environment, context=LOCAL_CONTEXT)
    say("synthesized the templates" if synthesis.fresh else "the templates are current")
    assembly = read_assembly(synthesis.assembly)
    whole = with_toolkit(assembly, toolkit_stack(project.root))
    async with local_cloud(state=project.state, assembly=project.assembly, clock=SystemClock(), ports=ports) as cloud:
        await asyncio.to_thread(_check_environment, cloud, assembly)
        outcomes = await deploy(whole, cloud, say=say)
        running = _running(cloud, [outcome.outputs for outcome in outcomes])
        _write_requests(project)
        announce(running)
        say(next_steps(project, running))
        say(f"up after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
        await asyncio.Event().wait()


async def _serve_as_it_is(project: Project, ports: Ports, *, announce: Announce, say: Say) -> None:
    async with local_cloud(state=project.state, assembly=project.assembly, clock=SystemClock(), ports=ports) as cloud:
        outputs = await asyncio.to_thread(stack_outputs, cloud.clients("cloudformation"))
        running = _running(cloud, outputs)
        _write_requests(project)
        announce(running)
        say(f"serving what the cloud held: {', '.join(by_package(outputs)) or 'no model'}; nothing was deployed")
        say("to deploy       cdk bootstrap   and   cdk deploy --all, in another terminal with this export:")
        say(client_line(running))
        say(f"the API         {running.api_url}")
        say(f"console page    {running.console_url}")
        say("up; Ctrl-C stops it")
        await asyncio.Event().wait()


def _check_environment(cloud: LocalCloud, assembly: Assembly) -> None:
    """Raises: OperatorError if another environment is deployed: a local cloud serves one API at its address."""
    others = set(platforms(cloud.clients("cloudformation"))) - {stack.name for stack in assembly.stacks}
    if others:
        raise OperatorError(
            f"the local cloud of this folder holds {', '.join(sorted(others))}, another environment or prefix, and "
            "serves one at a time; `flyball up --environment NAME` goes on with that one, `flyball reset` empties it"
        )


def _running(cloud: LocalCloud, outputs: Sequence[Outputs]) -> RunningCloud:
    """What the stacks say of themselves; only the API's host is another one here."""
    api_url = next((stack["ApiUrl"] for stack in outputs if "ApiUrl" in stack), f"https://not.deployed.yet/{API_STAGE}")
    return RunningCloud(
        pid=os.getpid(),
        api_url=cloud.https_url + urlsplit(api_url).path.rstrip("/"),
        aws_endpoint_url=cloud.aws_endpoint_url,
        certificate=str(cloud.certificate.ca_path),
        console_url=cloud.console_url,
    )


async def deploy(assembly: Assembly, cloud: LocalCloud, *, say: Say) -> list[StackOutcome]:
    """Deploys CDK's toolkit and every stack of `assembly` into `cloud`, from a thread, because AWS clients block.

    Raises: StackFailed, UnsupportedAssembly.
    """
    cloud.stacks.on_event = lambda event: _say_event(event, say)
    return await asyncio.to_thread(deploy_assembly, assembly, operations=cloud.stacks, images=cloud.images)


def next_steps(project: Project, running: RunningCloud) -> str:
    """What to try: a line to paste for each package."""
    packages = [package.name for package in discover(project.packages)]
    certificate = _shown(Path(running.certificate), project)
    lines = [
        "",
        f"serving {', '.join(packages) or 'no model yet (flyball new NAME makes one)'} at {running.api_url}",
        "",
        *(f"{curl_line(project, running, package=name)}\n" for name in packages),
        f"console page    {running.console_url}   (dashboards, alarms, reports)",
        f"documentation   {running.api_url}/models/<name>   and   {running.api_url}/openapi.json",
        f"                (its curl lines need the export below, and --cacert {certificate})",
        client_line(running),
        *replay_lines(project),
        f"more            {_command(project)} status | logs NAME | retrain NAME | history NAME | new NAME",
    ]
    return "\n".join(lines)


def replay_lines(project: Project) -> list[str]:
    """How to watch drift come: a command for one package, first of all for one that generates its traffic."""
    packages = sorted(discover(project.packages), key=lambda package: not (package.path / "generate.py").is_file())
    return [
        f"watch drift     {_command(project)} replay {package.name} --rows 4000 "
        f"--shift {_first_field(project, package)}   (a month, in minutes; without --shift: none)"
        for package in packages[:1]
    ]


def _first_field(project: Project, package: ModelPackage) -> str:
    return str(next(iter(json.loads(read_example(project, package=package.name, index=0)))))


def _command(project: Project) -> str:
    """How to type `flyball` where `make up` was typed."""
    installed = Path(sys.executable).with_name("flyball")
    return _shown(installed, project) if installed.is_file() else f"{_shown(Path(sys.executable), project)} cli.py"


def client_line(running: RunningCloud) -> str:
    """What makes `cdk`, boto3, the AWS CLI and the SageMaker SDK talk to this cloud."""
    return (
        f"AWS clients     export AWS_ENDPOINT_URL={running.aws_endpoint_url} AWS_REGION={REGION} "
        f"AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}"
    )


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
