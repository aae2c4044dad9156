"""One model server: `python -m container serve` of an image's folder, under the contract of a SageMaker container.

It gets the folders below /opt/ml (below FLYBALL_ML_ROOT here), a port, and an environment that holds nothing of this
process's own but PATH. It is in service as soon as `GET /ping` answers 200.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from local.ports import free_port
from local.processes import Child, Children
from local.services.sagemaker.artifact import ObjectStore, remove_folder, unpack_artifact
from local.services.sagemaker.permission import PULL_ACTIONS, May, Role, Trusts, allow, trust
from local.services.sagemaker.plan import ImageFolder, StartFailure, VariantPlan
from model_packages.errors import OperatorError

PING_TIMEOUT_SECONDS: Final = 2.0
STOP_GRACE_SECONDS: Final = 30.0
"""SageMaker sends SIGTERM, and SIGKILL this much later."""

LogSink = Callable[[str, str, Sequence[str]], None]
"""Takes lines of a log: the group, the stream, the lines."""

Images = Callable[[str], ImageFolder]
"""Finds the folder behind an image's URI; raises OperatorError where there is none."""

Sleep = Callable[[float], Awaitable[None]]

RoleEnvironment = Callable[[str | None, str], Mapping[str, str]]
"""(role's ARN, session's name) -> the address and credentials of the AWS APIs, as variables."""


def no_credentials(_role_arn: str | None, _session_name: str) -> Mapping[str, str]:
    """For processes that call no AWS API."""
    return {}


class Clock(Protocol):
    """A time to stamp things with, or to count deadlines by."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a model server needs of its surroundings.

    `role_environment` gives each container what its role's credentials are; `may` and `trusts` judge what SageMaker
    does in a role's name. `folder` is where model folders are kept; `ping_seconds` is the pause between two pings while
    a server starts. `clock` is the cloud's time, `machine_clock` the machine's, where that is another.
    """

    children: Children
    session: aiohttp.ClientSession
    store: ObjectStore
    images: Images
    folder: Path
    clock: Clock
    log: LogSink
    sleep: Sleep = asyncio.sleep
    role_environment: RoleEnvironment = no_credentials
    may: May = allow
    trusts: Trusts = trust
    account: str = "123456789012"
    region: str = "us-east-1"
    ping_seconds: float = 0.1
    machine_clock: Clock | None = None

    @property
    def process_clock(self) -> Clock:
        """What processes are timed by: the machine's own time, where the cloud's may be another."""
        return self.machine_clock or self.clock

    def role(self, arn: str | None) -> Role:
        """The role in whose name something is fetched and written."""
        return Role(arn, self.may, self.account, self.region)


@dataclass(frozen=True, slots=True)
class InstanceName:
    """Which process of which endpoint; also says where its lines are logged."""

    endpoint: str
    variant: str
    id: str

    @property
    def log_group(self) -> str:
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    @property
    def log_stream(self) -> str:
        return f"{self.variant}/{self.id}"


class ModelServer:
    """A process that has been started; `launch` makes it."""

    def __init__(self, *, child: Child, port: int, machine: Machine) -> None:
        self._child, self._machine = child, machine
        self.port = port

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._child.exit_code is None

    async def ended(self) -> int:
        """Wait for the exit code."""
        return await self._child.wait()

    async def ping(self) -> bool:
        """Whether the container says that it can serve."""
        timeout = aiohttp.ClientTimeout(total=PING_TIMEOUT_SECONDS)
        try:
            async with self._machine.session.get(f"http://127.0.0.1:{self.port}/ping", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def come_into_service(self, startup_seconds: float) -> str | None:
        """Ping until it answers 200. Returns None, or what went wrong, with the last line that the container logged."""
        deadline = self._machine.process_clock.now() + timedelta(seconds=startup_seconds)
        while not await self.ping():
            if not self.running:
                code = self._child.exit_code
                return f"ended with exit code {code} before it passed the ping health check.{self._last_words()}"
            if self._machine.process_clock.now() >= deadline:
                self._child.drain_output()
                return f"did not pass the ping health check.{self._last_words()}"
            await self._machine.sleep(self._machine.ping_seconds)
        return None

    async def stop(self) -> None:
        """SIGTERM, half a minute to finish, SIGKILL."""
        await self._child.stop(grace_seconds=STOP_GRACE_SECONDS)

    async def kill(self) -> None:
        """SIGKILL, for a server that no longer answers."""
        await self._child.kill()

    def _last_words(self) -> str:
        lines = [line for line in self._child.tail if line.strip()]
        return f" Its last log line: {lines[-1]}" if lines else " It logged nothing."


async def prepare(name: InstanceName, plan: VariantPlan, machine: Machine) -> Path | StartFailure:
    """Lay out the folders of an instance, artifact included. Returns the root that stands for /opt/ml."""
    root = machine.folder / name.endpoint / name.id
    await asyncio.to_thread(remove_folder, root)
    container = plan.container
    role = machine.role(container.role_arn)
    if (refusal := role.pull(container.image)) is not None:
        return StartFailure(
            f"The image {container.image} of production variant {plan.name} could not be pulled. Please ensure that "
            f"the role {container.role_arn} has the permissions {', '.join(PULL_ACTIONS)}: {refusal}"
        )
    failure = await asyncio.to_thread(
        unpack_artifact, container.model_data_url, into=root / "model", store=machine.store, role=role
    )
    return failure or root


async def launch(name: InstanceName, plan: VariantPlan, *, root: Path, machine: Machine) -> ModelServer | StartFailure:
    """Start a server in folders that are laid out, and wait until it is in service."""
    try:
        image = machine.images(plan.container.image)
    except OperatorError as error:
        return StartFailure(f"The image {plan.container.image} of production variant {plan.name} is not here: {error}")
    port = free_port()
    role_arn = plan.container.role_arn
    try:
        child = await machine.children.start(
            [sys.executable, "-m", "container", "serve"],
            name=f"model server {name.endpoint}/{name.variant}",
            env=container_environment(
                image, plan, root=root, port=port, added=machine.role_environment(role_arn, name.id)
            ),
            cwd=image.path,
            on_line=log_lines(name, machine.role(role_arn), machine),
        )
    except OSError as error:
        return StartFailure(f"The container of production variant {plan.name} could not be started: {error}")
    server = ModelServer(child=child, port=port, machine=machine)
    try:
        problem = await server.come_into_service(plan.startup_seconds)
    except asyncio.CancelledError:
        await server.kill()
        raise
    if problem is None:
        return server
    await server.kill()
    return StartFailure(f"The primary container for production variant {plan.name} {problem}")


def log_lines(name: InstanceName, role: Role, machine: Machine) -> Callable[[str], None]:
    """Where a server's lines go; as on AWS, those of a role that may not write logs are lost."""
    if role.log(name.log_group, name.log_stream) is not None:
        return lambda _line: None
    return lambda line: machine.log(name.log_group, name.log_stream, [line])


def container_environment(
    image: ImageFolder, plan: VariantPlan, *, root: Path, port: int, added: Mapping[str, str]
) -> dict[str, str]:
    """What `docker run` would set: the image's ENV, the platform's variables, and last what the model says."""
    return {
        **container_base(root),
        **image.environment,
        **({} if plan.container.network_isolated else added),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "FLYBALL_BIND_ADDRESS": "127.0.0.1",
        "FLYBALL_ML_ROOT": str(root),
        **plan.container.environment,
        "PYTHONPATH": str(image.path),
    }


def container_base(root: Path) -> dict[str, str]:
    """What every container has, and all that it has of this process."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
