"""Step Functions without a cloud: its time is the test's, its records lie in memory, and its calls are scripted."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse, refused
from local.clock import CloudClock, ManualClock
from local.documents import InMemoryDocuments, Record
from local.services.states.calls import Actor
from local.services.states.execution import Execution
from local.services.states.failures import StateFailed
from local.services.states.integrations import Integration
from local.services.states.operations import Judge
from local.services.states.service import Place, StepFunctions
from local.timers import Timers

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/loop"
INVOKE = "arn:aws:states:::lambda:invoke"
TRAIN = "arn:aws:states:::sagemaker:createTrainingJob.sync"

Document = dict[str, Any]


@dataclass
class Recorded(InMemoryDocuments):
    """A collection that says of each change that it has happened."""

    world: World | None = None

    def put(self, key: str, record: Record) -> None:
        super().put(key, json.loads(json.dumps(record)))
        if self.world is not None:
            self.world.kept()

    def delete(self, key: str) -> None:
        super().delete(key)
        if self.world is not None:
            self.world.kept()


@dataclass
class Calls:
    """Answers calls from lists, one list for each operation or function; the last answer is given again and again.

    An answer is a document, a StateFailed, a function of the arguments, or a future to wait for.
    """

    answers: dict[str, list[Any]] = field(default_factory=dict)
    made: list[tuple[str, Any]] = field(default_factory=list)

    async def call(
        self, actor: Actor, integration: Integration, arguments: Any, *, operation: str | None = None
    ) -> Any:
        name = operation or integration.operation
        if name == "Invoke" and isinstance(arguments, Mapping) and "FunctionName" in arguments:
            name = str(arguments["FunctionName"])
        self.made.append((name, copy.deepcopy(arguments)))
        scripted = self.answers.get(name, [{}])
        answer = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        if callable(answer):
            answer = answer(arguments)
        if isinstance(answer, asyncio.Future):
            answer = await answer
        if isinstance(answer, StateFailed):
            raise StateFailed(answer.error, answer.cause)
        return copy.deepcopy(answer)

    def names(self) -> list[str]:
        """What was called, in order."""
        return [name for name, _arguments in self.made]


@dataclass
class World:
    """An account. `snapshots` are what its records were after each change."""

    calls: Calls = field(default_factory=Calls)
    documents: dict[str, Recorded] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    snapshots: list[dict[str, Recorded]] = field(default_factory=list)
    moment: datetime = START
    told: list[Document] = field(default_factory=list)
    lines: list[tuple[str, str, Document]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine_clock = ManualClock(self.moment)
        self.clock = CloudClock(machine=self.machine_clock)
        self.timers = Timers(self.clock)
        self.service = StepFunctions(
            documents=self._collection,
            timers=self.timers,
            clock=self.clock,
            machine_clock=self.machine_clock,
            calls=self.calls,
            judge=Judge(
                trusts=lambda role, _principal: role not in self.denied,
                may=lambda role, action, _resource: f"{role} may not {action}" if action in self.denied else None,
            ),
            place=Place(ACCOUNT, REGION),
            log=self._log,
        )
        self.service.executions.observe(self._tell)

    def kept(self) -> None:
        """Something was written."""
        self.snapshots.append({name: Recorded(dict(each.records)) for name, each in self.documents.items()})

    def again(self, snapshot: int, *, calls: Calls, moment: datetime | None = None) -> World:
        """The account as a cloud finds it that was killed after a change."""
        documents = {name: Recorded(copy.deepcopy(each.records)) for name, each in self.snapshots[snapshot].items()}
        return World(calls=calls, documents=documents, moment=moment or self.clock.now())

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """What the API answers; its refusals are returned."""
        request = ApiRequest("POST", "/", {}, json.dumps(arguments).encode())
        call = ApiCall("stepfunctions", operation)
        answer = await self.service.handlers()[call](call, request)
        return answer if isinstance(answer, ApiRefusal) else json.loads(answer.body)

    async def make(self, definition: Mapping[str, Any], *, name: str = "loop", **more: Any) -> str:
        """A machine; its ARN."""
        answer = await self.ask(
            "CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE, **more
        )
        assert isinstance(answer, dict), answer
        return str(answer["stateMachineArn"])

    async def start(self, definition: Mapping[str, Any], given: Any = None, *, name: str = "run") -> Execution:
        """An execution of a new machine, under way."""
        machine = await self.make(definition)
        answer = await self.ask("StartExecution", stateMachineArn=machine, name=name, input=json.dumps(given or {}))
        execution = self.service.archive.find(answer["executionArn"])
        assert execution is not None
        return execution

    async def run(self, definition: Mapping[str, Any], given: Any = None, *, hours: float = 1) -> Execution:
        """The same, after so much of the cloud's time."""
        execution = await self.start(definition, given)
        await self.advance(hours=hours)
        return execution

    async def advance(self, **by: float) -> None:
        """Lets the cloud's time pass."""
        await self.timers.advance_to(self.clock.now() + timedelta(**by))

    async def working(self, name: str) -> None:
        """Comes back once a call is under way."""
        while name not in self.calls.names():
            await asyncio.sleep(0)

    async def history(self, execution: Execution) -> list[Document]:
        """The events of an execution."""
        answer = await self.ask("GetExecutionHistory", executionArn=execution.arn, maxResults=1000)
        found: list[Document] = answer["events"]
        return found

    async def types(self, execution: Execution) -> list[str]:
        """Their types."""
        return [event["type"] for event in await self.history(execution)]

    def _collection(self, name: str) -> Recorded:
        found = self.documents.setdefault(name, Recorded())
        found.world = self
        return found

    def _tell(self, execution: Execution) -> None:
        self.told.append({"status": execution.status.value, "output": execution.output})

    def _log(self, group: str, stream: str, lines: Any) -> None:
        self.lines.extend((group, stream, json.loads(line)) for line in lines)


def machine(states: Mapping[str, Any], *, start: str | None = None, **more: Any) -> Document:
    """A definition of these states, the first of which begins."""
    return {"QueryLanguage": "JSONata", "StartAt": start or next(iter(states)), "States": states, **more}


def invoke(function: str = "f", **more: Any) -> Document:
    """A task that invokes a function with its input, and hands its answer on."""
    arguments = {"FunctionName": function, "Payload": "{% $states.input %}"}
    output = {} if "Output" in more else {"Output": "{% $states.result.Payload %}"}
    following = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": INVOKE, "Arguments": arguments, **output, **following, **more}


def payload(document: Any) -> Document:
    """What lambda:invoke gives."""
    return {"ExecutedVersion": "$LATEST", "Payload": document, "StatusCode": 200}


def output_of(execution: Execution) -> Any:
    """An execution's output."""
    assert execution.output is not None, (execution.status, execution.error, execution.cause)
    return json.loads(execution.output)


class Answered(AWSResponse):  # type: ignore[misc]  # botocore is not typed
    """An answer that is here already."""

    def __init__(self, url: str, answer: ApiResponse) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        super().__init__(url, answer.status, headers, BytesIO(answer.body))
        self._content = answer.body


def client_of(world: World) -> Any:
    """A boto3 client of Step Functions alone, without a port."""
    client = boto3.client(
        "stepfunctions",
        region_name=REGION,
        endpoint_url="http://cloud.invalid",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def answer(request: Any, **_more: Any) -> Answered:
        call = ApiCall("stepfunctions", request.headers["X-Amz-Target"].decode().rpartition(".")[2])
        asked = ApiRequest("POST", "/", {}, request.body)

        async def answered() -> ApiResponse | ApiRefusal:
            return await world.service.handlers()[call](call, asked)

        found = asyncio.run(answered())
        if isinstance(found, ApiRefusal):
            found = refused(found, "json", request_id="id")
        return Answered(request.url, found)

    client.meta.events.register("before-send.sfn.*", answer)
    return client
