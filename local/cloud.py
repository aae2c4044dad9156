"""The local cloud while it runs: its services, in the order in which they need each other.

One event loop in one process; functions, model servers and training run as children. What a part is made of stands in
parts.py: this module says what comes before what, at the start, after a restart and at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.certificate import Certificate, ensure_certificate
from local.clock import Clock
from local.clock_api import ClockApi
from local.cloud_port import CloudPort
from local.deploy.handlers import Clients
from local.parts import (
    answers,
    control_plane,
    make_cloudwatch,
    open_console,
    open_front_door,
    open_stacks,
    start_cloudwatch,
    start_events,
    start_functions,
    start_moto,
    start_sagemaker,
    start_states,
)
from local.ports import CLOUD_OPTION, LOOPBACK, Ports, listening
from local.running import ACCOUNT, REGION
from local.services.apigateway.deployments import Deployments
from local.services.cloudformation.api import CloudFormationApi
from local.services.cloudformation.operations import StackOperations
from local.services.ecr_images import Images
from local.services.iam.recording import leave, recorder_for
from local.services.states.announcing import metric_teller
from local.site import open_site
from local.state.leftovers import code_in_use, discard_unused_code


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A cloud that answers. `clients(service)` is a boto3 client of it."""

    https_url: str
    aws_endpoint_url: str
    console_url: str
    certificate: Certificate
    clients: Clients
    stacks: StackOperations
    images: Images


@asynccontextmanager
async def local_cloud(*, state: Path, assembly: Path, clock: Clock, ports: Ports) -> AsyncIterator[LocalCloud]:
    """Runs a cloud until the block ends; then every process it started has ended, and what it held is below `state`.

    It goes on with what lies there: endpoints that were in service are again, or have failed, before it yields.

    `assembly` is the folder where images come from: an image's name stands for its build context.

    Raises: OperatorError if a port is taken; StateUnreadable, StateNotWritten.
    """
    async with AsyncExitStack() as stack:
        site = await open_site(stack, folder=state, cloud_port=ports.cloud, clock=clock)
        images = Images(state / "images", assembly=assembly)
        sagemaker = start_sagemaker(site, images, stack)
        functions = start_functions(site, stack)
        states = start_states(site, functions, stack)
        schedules = start_events(site, functions, states)
        cloudwatch = make_cloudwatch(site)
        moto = start_moto(
            site,
            sagemaker=sagemaker,
            functions=functions,
            schedules=schedules,
            cloudwatch=cloudwatch,
            stack=stack,
        )
        discard_unused_code(state / "functions", code_in_use(account=ACCOUNT, region=REGION))
        deployments = Deployments(site.clients("apigateway"), site.store.documents("apigateway/deployments"))
        stacks = open_stacks(site, sagemaker, stack)
        cloudformation = CloudFormationApi(stacks)
        stack.callback(cloudformation.close)

        cloud_port = CloudPort(
            answers(
                site,
                backend=partial(control_plane, moto, deployments),
                functions=functions,
                sagemaker=sagemaker,
                cloudformation=cloudformation,
                cloudwatch=cloudwatch,
                states=states,
                images=images,
            ),
            more=ClockApi(site.clock, site.timers).routes(),
        )
        stack.push_async_callback(cloud_port.close)
        port = int(site.url.rpartition(":")[2])
        await listening(cloud_port.start(host=LOOPBACK, port=port), port=port, option=CLOUD_OPTION)

        sagemaker.resume()
        stack.push_async_callback(sagemaker.pause)
        await asyncio.to_thread(deployments.restore)
        await functions.resume()
        schedules.refresh()
        site.timers.start()
        stack.push_async_callback(site.timers.close)
        stack.push_async_callback(states.close)
        metrics = start_cloudwatch(site, cloudwatch, sagemaker=sagemaker, functions=functions, stack=stack)
        states.executions.observe(metric_teller(cloudwatch.put))
        stack.push_async_callback(sagemaker.capture.close)
        stack.push_async_callback(asyncio.to_thread, stacks.close)
        await sagemaker.settle()  # no stack can change an endpoint before
        await asyncio.to_thread(stacks.recover)
        await states.resume()

        certificate = ensure_certificate(state / "certificate", clock=site.clock.machine)
        https_url = await open_front_door(
            site,
            deployments=deployments,
            functions=functions,
            metrics=metrics,
            certificate=certificate,
            port=ports.https,
            stack=stack,
        )
        console_url = await open_console(site, port=ports.console, stack=stack)
        stack.callback(leave, recorder_for(site.access.authority))
        yield LocalCloud(
            https_url=https_url,
            aws_endpoint_url=site.url,
            console_url=console_url,
            certificate=certificate,
            clients=site.clients,
            stacks=stacks,
            images=images,
        )
