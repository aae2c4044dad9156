"""The local cloud while it runs: its services, in the order in which they need each other.

One event loop in one process; functions, model servers and training run as children. What a part can do is in its
own module: this one only puts them together.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import aiohttp

from local.api_calls import ApiCall, ApiRequest, identify
from local.api_errors import ApiResponse
from local.certificate import Certificate, ensure_certificate
from local.client import aws_client
from local.clock import Clock
from local.cloud_port import Answers, CloudPort
from local.deploy.assembly import Assembly
from local.deploy.handlers import Clients
from local.lambda_code import runtime_folder
from local.logs import LogFiles, LogWriter, MotoLogStore
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.processes import Children
from local.running import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from local.services.apigateway import server as front_door
from local.services.apigateway.deployments import Deployments
from local.services.apigateway.gateway import Account, Gateway
from local.services.apigateway.moto_policies import moto_policies
from local.services.lambda_ import LambdaService
from local.services.lambda_api import InvokeApi
from local.services.lambda_environment import Credentials, Sandbox
from local.services.lambda_function import Invocation, InvocationType
from local.services.lambda_functions import moto_functions
from local.services.sagemaker.artifact import remove_folder
from local.services.sagemaker.endpoints import Endpoints
from local.services.sagemaker.fleet import Fleet, build_fleet
from local.services.sagemaker.model_server import Machine, free_port
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.plan import FleetPlan, ImageFolder
from local.services.sagemaker.runtime import Region, RuntimeService
from local.services.sagemaker_runtime_api import InvokeEndpointApi
from model_packages.errors import OperatorError

T = TypeVar("T")

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens; 0 takes any free port."""

    https: int = 8443
    cloud: int = 8444

    def check(self) -> None:
        """Raises OperatorError if one of them is taken: minutes of training before that is found out help nobody."""
        for port, option in ((self.https, "--https-port"), (self.cloud, "--cloud-port")):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    raise _cannot_listen(port, option, error) from error


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A cloud that answers. `clients(service)` is a boto3 client of it."""

    https_url: str
    aws_endpoint_url: str
    certificate: Certificate
    clients: Clients


@asynccontextmanager
async def local_cloud(*, state: Path, assembly: Assembly, clock: Clock, ports: Ports) -> AsyncIterator[LocalCloud]:
    """Runs an empty cloud until the block ends; then every process it started has ended.

    `assembly` is where images come from: an image's name stands for its build context.

    Raises: OperatorError if a port is taken.
    """
    async with AsyncExitStack() as stack:
        cloud_url = f"http://{LOOPBACK}:{ports.cloud or free_port()}"
        clients = cache(partial(aws_client, endpoint_url=cloud_url))  # a client takes 20 ms to make
        children = await stack.enter_async_context(Children())
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        lines = LogWriter(
            store=MotoLogStore(account=ACCOUNT, region=REGION), files=LogFiles(state / "logs"), clock=clock
        )
        stack.push_async_callback(lines.close)

        machine = Machine(
            children=children,
            session=session,
            store=clients("s3"),
            images=partial(image_folder, assembly),
            folder=_emptied(state / "models"),
            clock=clock,
            log=lines.write,
            environment=container_variables(cloud_url),
        )
        sagemaker = MotoState(account_id=ACCOUNT, region=REGION)
        endpoints = Endpoints(make_fleet=partial(_build_fleet, machine), board=sagemaker)
        stack.push_async_callback(endpoints.close)
        functions = LambdaService(
            sandbox=_sandbox(state, children=children, lines=lines, cloud_url=cloud_url),
            clock=clock,
            find=moto_functions(account=ACCOUNT, region=REGION, code_folder=state / "functions"),
        )
        stack.push_async_callback(functions.close)

        loop = asyncio.get_running_loop()
        operations = EndpointOperations(state=sagemaker, endpoints=endpoints, later=loop.call_soon_threadsafe)
        moto = MotoHost(
            CloudHooks(
                invoke_lambda=partial(_invoke_from_thread, loop, functions), sagemaker_operations=operations.by_name()
            )
        )
        stack.callback(moto.close)
        deployments = Deployments(clients("apigateway"))
        runtime = RuntimeService(endpoints=endpoints, session=session, clock=clock, region=Region(ACCOUNT, REGION))
        cloud_port = CloudPort(
            Answers(
                backend=partial(_control_plane, moto, deployments),
                handlers={
                    ApiCall("lambda", "Invoke"): InvokeApi(functions),
                    ApiCall("sagemaker-runtime", "InvokeEndpoint"): InvokeEndpointApi(runtime),
                },
            )
        )
        stack.push_async_callback(cloud_port.close)
        port = int(cloud_url.rpartition(":")[2])
        await _listening(cloud_port.start(host=LOOPBACK, port=port), port=port, option="--cloud-port")

        certificate = ensure_certificate(state / "certificate", clock=clock)
        account = Account(id=ACCOUNT, region=REGION, secret_of={ACCESS_KEY: SECRET_KEY}.get)
        gateway = Gateway(
            registry=deployments,
            functions=functions,
            policy_of=moto_policies(account),
            clock=clock,
            log=lines.write,
            account=account,
        )
        door = await _listening(
            front_door.serve(gateway, host=LOOPBACK, port=ports.https, tls=certificate.server_context()),
            port=ports.https,
            option="--https-port",
        )
        stack.push_async_callback(door.close)
        yield LocalCloud(
            https_url=f"https://localhost:{door.port}",
            aws_endpoint_url=cloud_url,
            certificate=certificate,
            clients=clients,
        )


def image_folder(assembly: Assembly, uri: str) -> ImageFolder:
    """The build context behind an image's name, with what `docker build` would have put into its environment.

    Raises: OperatorError if the assembly has no such image.
    """
    image = assembly.image(uri)
    if image is None:
        raise OperatorError(f"no image of the assembly is called {uri}; the local cloud runs only those it was given")
    package = image.build_args.get("PACKAGE")
    return ImageFolder(path=image.directory, environment={"FLYBALL_PACKAGE": package} if package else {})


def container_variables(cloud_url: str) -> dict[str, str]:
    """What SageMaker's role and region give to a container."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


def _sandbox(state: Path, *, children: Children, lines: LogWriter, cloud_url: str) -> Sandbox:
    return Sandbox(
        children=children,
        log=lines.write,
        endpoint_url=cloud_url,
        region=REGION,
        runtime_folder=runtime_folder(state / "functions"),
        bytecode_folder=state / "functions" / "bytecode",
        credentials=lambda _role: Credentials(ACCESS_KEY, SECRET_KEY),
    )


def _build_fleet(machine: Machine, endpoint: str, plan: FleetPlan) -> Fleet:
    return build_fleet(endpoint, plan, machine)


def _invoke_from_thread(
    loop: asyncio.AbstractEventLoop, functions: LambdaService, arn: str, payload: bytes, kind: InvocationType
) -> Invocation:
    """moto's threads wait for what the event loop does."""
    return asyncio.run_coroutine_threadsafe(functions.invoke(arn, payload, invocation_type=kind), loop).result()


async def _control_plane(moto: MotoHost, deployments: Deployments, request: ApiRequest) -> ApiResponse:
    """moto's answer; after a change to API Gateway the front door has taken it in before the caller hears of it."""
    answer = await moto.call(request)
    call = identify(request)
    if isinstance(call, ApiCall) and call.service == "apigateway" and answer.status < 300 and request.method != "GET":
        await asyncio.to_thread(
            deployments.changed,
            call.operation,
            rest_api_id=call.parameters.get("restapi_id"),
            deployment_id=_id_of(answer) if call.operation == "CreateDeployment" else None,
        )
    return answer


def _id_of(answer: ApiResponse) -> str | None:
    identifier = json.loads(answer.body).get("id")
    return identifier if isinstance(identifier, str) else None


async def _listening(start: Awaitable[T], *, port: int, option: str) -> T:
    try:
        return await start
    except OSError as error:
        raise _cannot_listen(port, option, error) from error


def _cannot_listen(port: int, option: str, error: OSError) -> OperatorError:
    return OperatorError(f"cannot listen on port {port}: {error.strerror}; {option} takes another port")


def _emptied(folder: Path) -> Path:
    """What a killed cloud left behind is of no use: model folders belong to processes."""
    remove_folder(folder)
    folder.mkdir(parents=True)
    return folder
