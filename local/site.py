"""What every part of a running local cloud stands on: its folder, its state, its time, its processes, its roles."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiohttp
from botocore.credentials import ReadOnlyCredentials

from local.client import aws_client
from local.clock import Clock, CloudClock
from local.deploy.handlers import Clients
from local.logs import LogFiles, LogWriter, MotoLogStore
from local.ports import LOOPBACK, free_port
from local.processes import Children
from local.running import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from local.services.events.bus import EventBus, Place
from local.services.events.moto_rules import moto_rules
from local.services.iam.access import Access, account_access
from local.services.lambda_environment import Credentials
from local.services.sagemaker.artifact import remove_folder
from local.state.keeper import Keeper, opened_state
from local.state.store import StateStore
from local.timers import Timers


@dataclass(frozen=True, slots=True)
class Site:
    """One cloud's own. `clients(service)` is a boto3 client in the administrator's name, `url` its AWS address.

    `clock` is the cloud's time, `clock.machine` the machine's. `bus` takes what happens, for the rules on it.
    """

    folder: Path
    url: str
    store: StateStore
    keeper: Keeper
    clients: Clients
    children: Children
    session: aiohttp.ClientSession
    lines: LogWriter
    access: Access
    clock: CloudClock
    timers: Timers
    bus: EventBus

    def clients_of(self, role_arn: str, session_name: str) -> Clients:
        """Clients in the name of a role."""
        credentials = ReadOnlyCredentials(*self.access.sessions.credentials(role_arn, session_name))
        return cache(partial(aws_client, endpoint_url=self.url, credentials=credentials))

    def role_client(self, role_arn: str, service: str) -> Any:
        """A client in the name of a function's role, for what Lambda sends on the function's behalf."""
        return self.clients_of(role_arn, "lambda")(service)

    def container_variables(self, role_arn: str | None, session_name: str) -> dict[str, str]:
        """What SageMaker's role and region give to a container."""
        return {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            **self.access.variables(role_arn, session_name),
        }

    def emptied(self, name: str) -> Path:
        """A folder of its own without what a killed cloud left there: it belongs to processes."""
        folder = self.folder / name
        remove_folder(folder)
        folder.mkdir(parents=True)
        return folder


async def open_site(stack: AsyncExitStack, *, folder: Path, cloud_port: int, clock: Clock) -> Site:
    """Opens the state in `folder`, and closes everything again, in order, with `stack`. `clock` is the machine's.

    Raises: StateUnreadable, StateNotWritten.
    """
    store, keeper = stack.enter_context(opened_state(folder / "state"))
    url = f"http://{LOOPBACK}:{cloud_port or free_port()}"
    children = await stack.enter_async_context(Children())
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    time = CloudClock(machine=clock, documents=store.documents("clock"))
    lines = LogWriter(store=MotoLogStore(account=ACCOUNT, region=REGION), files=LogFiles(folder / "logs"), clock=time)
    stack.push_async_callback(lines.close)
    timers = Timers(time, settle=lines.flush)
    access = account_access(
        account=ACCOUNT,
        region=REGION,
        clock=time,
        machine_clock=clock,
        documents=store.documents,
        administrator=Credentials(ACCESS_KEY, SECRET_KEY),
    )
    return Site(
        folder=folder,
        url=url,
        store=store,
        keeper=keeper,
        clients=cache(partial(aws_client, endpoint_url=url)),  # a client takes 20 ms to make
        children=children,
        session=session,
        lines=lines,
        access=access,
        clock=time,
        timers=timers,
        bus=EventBus(
            rules=moto_rules(account=ACCOUNT, region=REGION), clock=time, timers=timers, place=Place(ACCOUNT, REGION)
        ),
    )
