"""The services of a running local cloud, each put together from the modules that it is made of.

What a part needs of another stands among its parameters; what it closes, `stack` closes in the opposite order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from local.api_calls import ApiCall, ApiRequest, identify
from local.api_errors import ApiResponse
from local.certificate import Certificate
from local.clock import InterruptibleClock
from local.cloud_port import Answers, Backend
from local.console.server import Console, ConsoleServer
from local.deploy.handlers import Clients
from local.deploy.receiver import HttpReceiver
from local.deploy.stack_records import DocumentStackStore
from local.lambda_code import runtime_folder
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.ports import CONSOLE_OPTION, HTTPS_OPTION, LOOPBACK, listening
from local.running import ACCOUNT, REGION
from local.services.apigateway import server as front_door
from local.services.apigateway.deployments import Deployments
from local.services.apigateway.gateway import Account, Gateway
from local.services.apigateway.moto_policies import moto_policies
from local.services.apigateway.moto_user_pools import moto_user_pools
from local.services.cloudformation.api import CloudFormationApi
from local.services.cloudformation.change_sets import ChangeSets
from local.services.cloudformation.events import EventLog
from local.services.cloudformation.operations import StackOperations, StackRecords
from local.services.cloudformation.refusals import invalid
from local.services.cloudwatch.actions import Reach
from local.services.cloudwatch.cloudwatch import CloudWatch
from local.services.cloudwatch.service_metrics import ServiceMetrics, UsageMeter, processes_of
from local.services.ecr import EcrApi
from local.services.ecr_images import Images
from local.services.events.event import DEFAULT_BUS
from local.services.events.moto_rules import moto_rules
from local.services.events.schedules import Schedules
from local.services.events.targets import Judge, Targets
from local.services.iam.resources import Place as ResourcePlace
from local.services.iam.resources import function_arn
from local.services.lambda_ import LambdaService
from local.services.lambda_api import lambda_handlers
from local.services.lambda_destinations import Destinations
from local.services.lambda_environment import Sandbox
from local.services.lambda_function import Invocation, InvocationType
from local.services.lambda_functions import MotoAccount, moto_functions
from local.services.logs.moto_filters import moto_metric_filters
from local.services.sagemaker.capture import DataCapture
from local.services.sagemaker.control_plane import ControlPlane, SageMakerRecords
from local.services.sagemaker.endpoints import Endpoints
from local.services.sagemaker.fleet import Fleet, build_fleet
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.plan import FleetPlan
from local.services.sagemaker.processing.jobs import ProcessingJobs, processing_jobs
from local.services.sagemaker.registry import ModelRegistry
from local.services.sagemaker.resumption import resume_endpoints
from local.services.sagemaker.rollback_alarms import reading_with
from local.services.sagemaker.runtime import Region, RuntimeService
from local.services.sagemaker.state_changes import AnnouncedBoard, job_teller
from local.services.sagemaker.training.jobs import TrainingJobs, training_jobs
from local.services.sagemaker_runtime_api import InvokeEndpointApi, InvokeEndpointStreamApi
from local.services.states.announcing import event_teller
from local.services.states.calls import CloudCalls
from local.services.states.operations import Judge as RoleJudge
from local.services.states.service import Place as StatesPlace
from local.services.states.service import StepFunctions
from local.site import Site
from local.timers import Phase

NODE_MODULES = Path(__file__).parent.parent / "node_modules"


@dataclass(frozen=True, slots=True)
class SageMaker:
    """Endpoints, jobs and the registry: what they know, and the operations on them."""

    state: MotoState
    endpoints: Endpoints
    control_plane: ControlPlane
    runtime: RuntimeService
    capture: DataCapture
    jobs: TrainingJobs
    processing: ProcessingJobs

    def resume(self) -> None:
        """Begins to start what was in service or in progress when the cloud ended."""
        resume_endpoints(self.state, self.endpoints)
        self.jobs.resume()
        self.processing.resume()

    async def pause(self) -> None:
        """Ends the jobs' processes while the APIs still answer: what the cloud's end breaks would look failed."""
        await self.jobs.close()
        await self.processing.close()

    async def settle(self) -> None:
        """Waits until no endpoint is on its way anywhere."""
        await self.endpoints.settle()


def start_sagemaker(site: Site, images: Images, stack: AsyncExitStack) -> SageMaker:
    """What an earlier cloud left in service or in progress waits for `resume`."""
    machine = _machine(site, images)
    records = SageMakerRecords(
        training_jobs=site.store.documents("sagemaker/training-jobs"),
        processing_jobs=site.store.documents("sagemaker/processing-jobs"),
        model_package_groups=site.store.documents("sagemaker/model-package-groups"),
        model_packages=site.store.documents("sagemaker/model-packages"),
    )
    registry = ModelRegistry(
        groups=records.model_package_groups,
        versions=records.model_packages,
        clock=site.clock,
        account=ACCOUNT,
        region=REGION,
    )
    state = MotoState(account_id=ACCOUNT, region=REGION, registered=registry.containers, now=site.clock.now)
    board = AnnouncedBoard(state, site.bus.put_event, site.clock.now)
    capture = DataCapture(timers=site.timers, store=site.clients("s3"), role=machine.role, log=site.lines.write)

    async def flush() -> None:
        await capture.flush()
        await site.lines.flush()  # after the records: one that could not be stored is a line

    endpoints = Endpoints(
        make_fleet=partial(_build_fleet, machine),
        board=board,
        flush=flush,
        timers=site.timers,
        clock=site.clock,
        watch_alarms=reading_with(lambda role: site.clients_of(role, "SageMaker")("cloudwatch")),
    )
    stack.push_async_callback(endpoints.close)
    later = asyncio.get_running_loop().call_soon_threadsafe
    changed = job_teller(put_event=site.bus.put_event, now=site.clock.now, later=later)
    jobs = training_jobs(machine, records.training_jobs, changed=changed)
    stack.push_async_callback(jobs.close)
    processing = processing_jobs(machine, records.processing_jobs, changed=changed)
    stack.push_async_callback(processing.close)
    control_plane = ControlPlane(
        state=state,
        registry=registry,
        endpoints=endpoints,
        surroundings=jobs.surroundings,
        jobs=jobs,
        processing=processing,
        later=later,
    )
    runtime = RuntimeService(
        endpoints=endpoints, session=site.session, clock=site.clock, region=Region(ACCOUNT, REGION)
    )
    runtime.observe(capture.observe)
    runtime.observe(lambda record: endpoints.invoked(record.invocation.endpoint))
    return SageMaker(state, endpoints, control_plane, runtime, capture, jobs, processing)


def _machine(site: Site, images: Images) -> Machine:
    return Machine(
        children=site.children,
        session=site.session,
        store=site.clients("s3"),
        images=images.folder,
        folder=site.emptied("models"),
        clock=site.clock,
        machine_clock=site.clock.machine,
        log=site.lines.write,
        role_environment=site.container_variables,
        may=site.access.authority.may,
        trusts=site.access.authority.may_be_assumed,
        account=ACCOUNT,
        region=REGION,
    )


def _build_fleet(machine: Machine, endpoint: str, plan: FleetPlan) -> Fleet:
    return build_fleet(endpoint, plan, machine)


def start_functions(site: Site, stack: AsyncExitStack) -> LambdaService:
    """Lambda; events that an earlier cloud had accepted wait for `resume`."""
    code = site.folder / "functions"
    functions = LambdaService(
        sandbox=Sandbox(
            children=site.children,
            log=site.lines.write,
            endpoint_url=site.url,
            region=REGION,
            runtime_folder=runtime_folder(code),
            bytecode_folder=code / "bytecode",
            scratch_folder=site.emptied("functions/scratch"),
            credentials=site.access.sessions.credentials,
            may_log=site.access.authority.may_log,
        ),
        clock=site.clock,
        find=moto_functions(account=ACCOUNT, region=REGION, code_folder=code),
        reserved=MotoAccount(ACCOUNT, REGION).reserved,
        deliver=Destinations(clients=site.role_client, endpoint_url=site.url, clock=site.clock),
        accepted_events=site.store.documents("lambda/accepted-events"),
        sleep=site.timers.sleep,
        track=site.timers.track,
    )
    stack.push_async_callback(functions.close)
    return functions


def start_states(site: Site, functions: LambdaService, stack: AsyncExitStack) -> StepFunctions:
    """Step Functions; executions that an earlier cloud left under way wait for `resume`."""
    authority = site.access.authority
    place = ResourcePlace(ACCOUNT, REGION, site.access.resources)
    calls = CloudCalls(
        functions=functions,
        clients_of=site.clients_of,
        may=authority.may,
        function_arn=partial(function_arn, place=place),
        clock=site.clock.machine,
    )
    stack.callback(calls.close)
    states = StepFunctions(
        documents=site.store.documents,
        timers=site.timers,
        clock=site.clock,
        machine_clock=site.clock.machine,
        calls=calls,
        judge=RoleJudge(trusts=authority.may_be_assumed, may=authority.may),
        place=StatesPlace(ACCOUNT, REGION),
        log=site.lines.write,
    )
    states.executions.observe(event_teller(site.bus.put_event, site.clock.now))
    return states


def start_events(site: Site, functions: LambdaService, states: StepFunctions) -> Schedules:
    """EventBridge: what rules reach; their schedules wait for `refresh`, once moto knows the rules again."""
    authority, resources = site.access.authority, site.access.resources
    site.bus.targets = Targets(
        functions=functions,
        client=site.clients,
        log=site.lines.write,
        judge=Judge(
            may_call=authority.may_call,
            role_may=authority.may,
            topic_key=resources.topic_key,
            queue_key=resources.queue_key,
        ),
        endpoint_url=site.url,
        start_execution=states.start_from_rule,
    )
    return Schedules(
        rules=moto_rules(account=ACCOUNT, region=REGION),
        bus=site.bus,
        timers=site.timers,
        now=site.clock.now,
        documents=site.store.documents("events/schedules"),
    )


def make_cloudwatch(site: Site) -> CloudWatch:
    """CloudWatch; it evaluates alarms and keeps what it is told once it has been started."""
    return CloudWatch(
        site.store,
        clock=site.clock,
        account=ACCOUNT,
        region=REGION,
        reach=Reach(
            clients=site.clients,
            may_call=site.access.authority.may_call,
            topic_key=site.access.resources.topic_key,
            put_event=partial(site.bus.put_document, DEFAULT_BUS),
        ),
        filters_of=moto_metric_filters(account=ACCOUNT, region=REGION),
    )


def start_cloudwatch(
    site: Site, cloudwatch: CloudWatch, *, sagemaker: SageMaker, functions: LambdaService, stack: AsyncExitStack
) -> ServiceMetrics:
    """Catches up with the alarms' time, evaluates them each minute, and takes the services' own metrics."""
    cloudwatch.start()
    metrics = ServiceMetrics(cloudwatch.put)
    sagemaker.runtime.observe(metrics.invoked)
    functions.observe(metrics.ran)
    meter = UsageMeter(
        processes=lambda: processes_of(sagemaker.endpoints.fleets()), folder=site.folder, seconds=time.monotonic
    )

    async def look(due: datetime) -> None:
        for usage in meter.look():
            metrics.measured(usage)
        await cloudwatch.due(due)

    stack.push_async_callback(cloudwatch.close)
    site.timers.recurring(cloudwatch.next_look, look, phase=Phase.EVALUATION)
    return metrics


def start_moto(
    site: Site,
    *,
    sagemaker: SageMaker,
    functions: LambdaService,
    schedules: Schedules,
    cloudwatch: CloudWatch,
    stack: AsyncExitStack,
) -> MotoHost:
    """moto, with the state that was kept.

    Raises: StateUnreadable.
    """
    loop = asyncio.get_running_loop()

    def invoke(arn: str, payload: bytes, kind: InvocationType) -> Invocation:
        """moto's threads wait for what the event loop does."""
        site.access.check_trigger(arn, payload)
        return asyncio.run_coroutine_threadsafe(functions.invoke(arn, payload, invocation_type=kind), loop).result()

    def put_event(bus: str, event: Mapping[str, Any]) -> None:
        loop.call_soon_threadsafe(site.bus.put_document, bus, event)

    def rules_changed() -> None:
        loop.call_soon_threadsafe(schedules.refresh)

    moto = MotoHost(
        CloudHooks(
            invoke_lambda=invoke,
            sagemaker_operations=sagemaker.control_plane.by_name(),
            put_event=put_event,
            rules_changed=rules_changed,
            now=site.clock.now,
            log_lines=cloudwatch.observe_events,
        ),
        keeper=site.keeper,
    )
    stack.callback(moto.close)
    return moto


def open_stacks(site: Site, sagemaker: SageMaker, stack: AsyncExitStack) -> StackOperations:
    """CloudFormation's stacks; those that were cut off wait for `recover`."""
    loop = asyncio.get_running_loop()
    return StackOperations(
        records=StackRecords(
            stacks=DocumentStackStore(
                site.store.documents("cloudformation/stacks"),
                site.store.documents("cloudformation/parts"),
                together=site.store.transaction,
            ),
            change_sets=ChangeSets(site.store.documents("cloudformation/change-sets")),
            events=EventLog(site.store.documents("cloudformation/events")),
        ),
        clients_as=partial(_clients_as, site),
        clock=InterruptibleClock(),
        receiver=stack.enter_context(HttpReceiver().listening()),
        hurry=lambda endpoint: loop.call_soon_threadsafe(sagemaker.endpoints.hurry, endpoint),
    )


def _clients_as(site: Site, role_arn: str | None) -> Clients:
    """Clients in the name of the role that CloudFormation was told to act under.

    Raises: Refused where the role does not trust it.
    """
    if role_arn is None:
        return site.clients
    if not site.access.authority.may_be_assumed(role_arn, "cloudformation.amazonaws.com"):
        raise invalid(f"Role {role_arn} is invalid or cannot be assumed")
    return site.clients_of(role_arn, "AWSCloudFormation")


def answers(  # noqa: PLR0913  # the services that answer
    site: Site,
    *,
    backend: Backend,
    functions: LambdaService,
    sagemaker: SageMaker,
    cloudformation: CloudFormationApi,
    cloudwatch: CloudWatch,
    states: StepFunctions,
    images: Images,
) -> Answers:
    """Who answers which call, once the guard has let it pass."""
    return Answers(
        backend=backend,
        guards=[site.access.guard],
        handlers={
            **site.access.sts.handlers(),
            **cloudformation.handlers(),
            **cloudwatch.handlers(),
            **states.handlers(),
            **EcrApi(images, site.clients, backend).handlers(),
            **lambda_handlers(functions, account=MotoAccount(ACCOUNT, REGION), backend=backend),
            ApiCall("sagemaker-runtime", "InvokeEndpoint"): InvokeEndpointApi(sagemaker.runtime),
            ApiCall("sagemaker-runtime", "InvokeEndpointWithResponseStream"): InvokeEndpointStreamApi(
                sagemaker.runtime
            ),
        },
    )


async def control_plane(moto: MotoHost, deployments: Deployments, request: ApiRequest) -> ApiResponse:
    """moto's answer; after a change to API Gateway the front door has taken it in before the caller hears of it."""
    answer = await moto.call(request)
    if request.method == "GET" or answer.status >= 300:
        return answer
    call = identify(request)
    if isinstance(call, ApiCall) and call.service == "apigateway":
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


async def open_front_door(  # noqa: PLR0913  # what the gateway stands on
    site: Site,
    *,
    deployments: Deployments,
    functions: LambdaService,
    metrics: ServiceMetrics,
    certificate: Certificate,
    port: int,
    stack: AsyncExitStack,
) -> str:
    """API Gateway over HTTPS; its address.

    Raises: OperatorError if the port is taken.
    """
    account = Account(
        id=ACCOUNT,
        region=REGION,
        secret_of=site.access.secret_of,
        admit=site.access.admit,
        claims_of=moto_user_pools(account=ACCOUNT, region=REGION),
    )
    gateway = Gateway(
        registry=deployments,
        functions=functions,
        policy_of=moto_policies(account),
        clock=site.clock,
        machine_clock=site.clock.machine,
        log=site.access.gateway_log(site.lines.write),
        account=account,
    )
    gateway.observe(metrics.answered)
    door = await listening(
        front_door.serve(gateway, host=LOOPBACK, port=port, tls=certificate.server_context()),
        port=port,
        option=HTTPS_OPTION,
    )
    stack.push_async_callback(door.close)
    return f"https://localhost:{door.port}"


async def open_console(site: Site, *, port: int, stack: AsyncExitStack) -> str:
    """The console page; its address.

    Raises: OperatorError if the port is taken.
    """
    server = ConsoleServer(Console(site.clients, site.clock), node_modules=NODE_MODULES)
    stack.push_async_callback(server.close)
    return await listening(server.start(port=port), port=port, option=CONSOLE_OPTION)
