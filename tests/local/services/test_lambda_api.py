"""Lambda's API as clients call it: over the cloud port, with moto's state and real processes."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.api_calls import ApiRequest
from local.clock import SystemClock
from local.cloud_port import Answers, CloudPort
from local.lambda_code import runtime_folder
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.processes import Children
from local.running import ACCOUNT, REGION
from local.services.lambda_ import LambdaService
from local.services.lambda_api import lambda_handlers
from local.services.lambda_destinations import Destinations
from local.services.lambda_environment import Credentials, Sandbox
from local.services.lambda_function import Invocation, InvocationType
from local.services.lambda_functions import MotoAccount, moto_functions

pytestmark = pytest.mark.slow

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass
class Cloud:
    """Clients of a port with Lambda behind it. `fraction` is what an alias divides its calls by; `slept` the waits."""

    url: str
    logs: dict[str, list[str]] = field(default_factory=dict)
    fraction: float = 0.0
    slept: list[float] = field(default_factory=list)
    roles_sent_as: list[str] = field(default_factory=list)
    silent_roles: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def role_client(self, role_arn: str, service: str) -> Any:
        self.roles_sent_as.append(role_arn)
        return self.client(service)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Cloud]:
    loop = asyncio.get_running_loop()
    cloud = Cloud("")

    def invoke_lambda(arn: str, payload: bytes, kind: InvocationType) -> Invocation:
        call = service.invoke(arn, payload, invocation_type=kind)
        return asyncio.run_coroutine_threadsafe(call, loop).result()

    async def sleep(seconds: float) -> None:
        cloud.slept.append(seconds)
        hurry.ahead_seconds += seconds
        await asyncio.sleep(0.01)

    hurry = Ahead()
    moto = MotoHost(CloudHooks(invoke_lambda=invoke_lambda))
    handlers: dict[Any, Any] = {}
    async with Children() as children, CloudPort(Answers(moto.call, handlers)) as port:
        cloud.url = await port.start(port=0)
        sandbox = Sandbox(
            children=children,
            log=lambda group, _stream, lines: cloud.logs.setdefault(group, []).extend(lines),
            endpoint_url=cloud.url,
            region=REGION,
            runtime_folder=runtime_folder(folder),
            bytecode_folder=folder / "bytecode",
            scratch_folder=folder / "scratch",
            credentials=lambda _role, _session: Credentials("local", "local"),
            may_log=lambda role, _group: role not in cloud.silent_roles,
        )
        service = LambdaService(
            sandbox=sandbox,
            clock=hurry,
            find=moto_functions(
                account=ACCOUNT,
                region=REGION,
                code_folder=folder / "code",
                random_fraction=lambda: cloud.fraction,
            ),
            reserved=MotoAccount(ACCOUNT, REGION).reserved,
            sleep=sleep,
            deliver=Destinations(clients=cloud.role_client, endpoint_url=cloud.url, clock=hurry),
        )
        handlers.update(lambda_handlers(service, account=MotoAccount(ACCOUNT, REGION), backend=moto.call))
        yield cloud
        await service.close()
    await moto.call(ApiRequest("POST", "/moto-api/reset", {"host": "localhost"}))
    moto.close()


class Ahead(SystemClock):
    """The machine's clock, ahead by what was slept away."""

    ahead_seconds = 0.0

    def now(self) -> Any:
        return super().now().fromtimestamp(time.time() + self.ahead_seconds, tz=super().now().tzinfo)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    ready: list[Cloud] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with serving(tmp_path_factory.mktemp("cloud")) as running:
            ready.append(running)
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(timeout=60)
    yield ready[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


MakeFunction = Callable[..., Any]


@pytest.fixture(scope="module")
def make(cloud: Cloud) -> MakeFunction:
    """Creates a function through the API; gives the answer."""
    role = cloud.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]

    def create(name: str, code: str, **settings: Any) -> Any:
        return cloud.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.14",
                "Role": role,
                "Handler": "app.handler",
                "Code": {"ZipFile": zipped({"app.py": code})},
                "Timeout": 20,
                **settings,
            }
        )

    return create


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def invoked(cloud: Cloud, name: str, payload: object = None, **settings: Any) -> Any:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload).encode(), **settings)
    return json.loads(answer["Payload"].read())


def received(cloud: Cloud, queue_url: str) -> dict[str, Any]:
    """The first message of a queue."""
    sqs = cloud.client("sqs")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"], WaitTimeSeconds=1)
        if answer.get("Messages"):
            message: dict[str, Any] = answer["Messages"][0]
            return message
    raise AssertionError("no message came")


def test_a_throttled_call_says_which_limit_it_met_and_when_to_come_again(cloud: Cloud, make: MakeFunction) -> None:
    make("closed", "def handler(event, context): return 1")
    lambda_ = cloud.client("lambda")
    lambda_.put_function_concurrency(FunctionName="closed", ReservedConcurrentExecutions=0)

    with pytest.raises(lambda_.exceptions.TooManyRequestsException) as throttled:
        lambda_.invoke(FunctionName="closed")

    response = throttled.value.response
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response["retryAfterSeconds"] == "1"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"Timeout": 901}, "ValidationException"),
        ({"MemorySize": 20000}, "ValidationException"),
        ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "InvalidParameterValueException"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException"),
    ],
)
def test_what_lambda_would_not_take_is_refused_at_creation_and_at_a_change(
    cloud: Cloud, make: MakeFunction, settings: dict[str, Any], code: str
) -> None:
    lambda_ = cloud.client("lambda")
    if not any(one["FunctionName"] == "fair" for one in lambda_.list_functions()["Functions"]):
        make("fair", "def handler(event, context): return 1")

    with pytest.raises(ClientError) as at_creation:
        make("unfair", "def handler(event, context): return 1", **settings)
    with pytest.raises(ClientError) as at_change:
        lambda_.update_function_configuration(FunctionName="fair", **settings)

    assert [error.value.response["Error"]["Code"] for error in (at_creation, at_change)] == [code, code]
    assert lambda_.get_function_configuration(FunctionName="fair")["Timeout"] == 20


def test_functions_may_not_reserve_the_last_hundred_executions(cloud: Cloud, make: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make("greedy", "def handler(event, context): return 1")

    lambda_.put_function_concurrency(FunctionName="greedy", ReservedConcurrentExecutions=900)
    with pytest.raises(ClientError, match="UnreservedConcurrentExecution below its minimum value"):
        lambda_.put_function_concurrency(FunctionName="greedy", ReservedConcurrentExecutions=901)
    lambda_.delete_function_concurrency(FunctionName="greedy")


def test_the_log_comes_with_the_answer_only_if_it_is_asked_for(cloud: Cloud, make: MakeFunction) -> None:
    make("talking", "def handler(event, context): print('spoken')")
    lambda_ = cloud.client("lambda")

    without = lambda_.invoke(FunctionName="talking")
    tail = base64.b64decode(lambda_.invoke(FunctionName="talking", LogType="Tail")["LogResult"]).decode()

    assert "LogResult" not in without
    assert [line.split(" ")[0] for line in tail.splitlines()] == ["START", "spoken", "END", "REPORT"]


def test_an_alias_gives_a_part_of_its_calls_to_another_version(cloud: Cloud, make: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make("divided", "def handler(event, c): return [c.function_version, c.invoked_function_arn.split(':')[-1]]")
    lambda_.publish_version(FunctionName="divided")
    lambda_.update_function_configuration(FunctionName="divided", Description="second")
    lambda_.publish_version(FunctionName="divided")
    lambda_.create_alias(
        FunctionName="divided",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
    )

    answers = []
    for cloud.fraction in (0.0, 0.24, 0.25, 0.99):
        answers.append(invoked(cloud, "divided", Qualifier="live"))

    assert answers == [["2", "live"], ["2", "live"], ["1", "live"], ["1", "live"]]


def test_a_layer_is_on_the_path_of_the_function_and_the_last_one_lies_on_top(cloud: Cloud, make: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    arns = [
        lambda_.publish_layer_version(LayerName=f"layer-{number}", Content={"ZipFile": zipped(files)})[
            "LayerVersionArn"
        ]
        for number, files in enumerate(
            [
                {"python/shared_words.py": "word = 'lower'", "python/lib/python3.14/site-packages/other.py": "n = 1"},
                {"python/shared_words.py": "word = 'upper'"},
            ]
        )
    ]
    make("layered", "import shared_words, other\ndef handler(e, c): return [shared_words.word, other.n]", Layers=arns)

    both = invoked(cloud, "layered")
    lambda_.update_function_configuration(FunctionName="layered", Layers=arns[:1])
    one = invoked(cloud, "layered")

    assert (both, one) == (["upper", 1], ["lower", 1])


def test_functions_that_start_at_once_unpack_their_common_layer_once(cloud: Cloud, make: MakeFunction) -> None:
    files = {f"python/word_{number}.py": f"word = {number}" for number in range(400)}
    layer = cloud.client("lambda").publish_layer_version(LayerName="common", Content={"ZipFile": zipped(files)})
    names = [f"common-{number}" for number in range(4)]
    for name in names:
        make(name, "import word_7\ndef handler(e, c): return word_7.__file__", Layers=[layer["LayerVersionArn"]])

    with ThreadPoolExecutor(len(names)) as threads:
        found = set(threads.map(lambda name: invoked(cloud, name), names))

    assert len(found) == 1


def test_a_call_that_runs_while_the_code_is_changed_ends_with_the_old_code(
    cloud: Cloud, make: MakeFunction, tmp_path: Path
) -> None:
    gate, entered = tmp_path / "gate", tmp_path / "entered"
    make(
        "slow",
        f"""
import pathlib, time
def handler(event, context):
    pathlib.Path({str(entered)!r}).touch()
    while not pathlib.Path({str(gate)!r}).exists():
        time.sleep(0.01)
    return 'old'
""",
    )
    answers: list[Any] = []
    running = threading.Thread(target=lambda: answers.append(invoked(cloud, "slow")))

    running.start()
    deadline = time.monotonic() + 20
    while not entered.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    cloud.client("lambda").update_function_code(
        FunctionName="slow", ZipFile=zipped({"app.py": "def handler(event, context): return 'new'"})
    )
    answers.append(invoked(cloud, "slow"))
    gate.touch()
    running.join(timeout=20)

    assert answers == ["new", "old"]


def test_a_change_of_reserved_concurrency_keeps_the_processes_warm(cloud: Cloud, make: MakeFunction) -> None:
    make("warm", "import os\ndef handler(event, context): return os.getpid()")

    before = invoked(cloud, "warm")
    cloud.client("lambda").put_function_concurrency(FunctionName="warm", ReservedConcurrentExecutions=5)
    after = invoked(cloud, "warm")
    cloud.client("lambda").delete_function_concurrency(FunctionName="warm")

    assert before == after


def test_an_event_that_fails_for_good_goes_to_the_dead_letter_queue_and_to_the_destination(
    cloud: Cloud, make: MakeFunction
) -> None:
    lambda_, sqs = cloud.client("lambda"), cloud.client("sqs")
    dead, failed = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dead", "failed"))
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
    created = make(
        "failing", "def handler(e, c): raise ValueError('no digit')", DeadLetterConfig={"TargetArn": f"{arn}dead"}
    )
    lambda_.put_function_event_invoke_config(
        FunctionName="failing",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": f"{arn}failed"}},
    )
    cloud.slept.clear()

    lambda_.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"n": 1}')

    record, letter = json.loads(received(cloud, failed)["Body"]), received(cloud, dead)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"]["errorMessage"] == "no digit"
    assert letter["Body"] == '{"n": 1}'
    assert letter["MessageAttributes"]["RequestID"]["StringValue"] == record["requestContext"]["requestId"]
    assert [round(seconds) for seconds in cloud.slept] == [60]
    assert set(cloud.roles_sent_as) == {created["Role"]}


def test_the_event_invoke_config_that_was_put_last_holds(cloud: Cloud, make: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make("configured", "def handler(event, context): return 1")

    lambda_.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=2)
    lambda_.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=0)

    lambda_.update_function_event_invoke_config(FunctionName="configured", MaximumEventAgeInSeconds=60)

    shown = lambda_.get_function_event_invoke_config(FunctionName="configured")
    assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (0, 60)
    with pytest.raises(ClientError, match="one event invoke config a function") as refused:
        lambda_.put_function_event_invoke_config(FunctionName="configured", Qualifier="live", MaximumRetryAttempts=0)
    assert refused.value.response["Error"]["Code"] == "NotImplementedByLocalCloud"


def test_a_changed_configuration_can_be_read_back(cloud: Cloud, make: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make("changing", "def handler(event, context): return 1")
    wanted = {
        "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"},
        "EphemeralStorage": {"Size": 1024},
        "TracingConfig": {"Mode": "Active"},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/own", "SystemLogLevel": "WARN"},
    }

    lambda_.update_function_configuration(FunctionName="changing", **wanted)

    shown = lambda_.get_function_configuration(FunctionName="changing")
    assert {key: shown[key] for key in wanted} == wanted


def test_a_function_that_logs_in_json_has_platform_events_and_its_own_level(cloud: Cloud, make: MakeFunction) -> None:
    code = """
import logging
def handler(event, context):
    logging.warning("heard")
    logging.debug("not heard")
"""
    make("json-logger", code, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "LogGroup": "/json"})

    invoked(cloud, "json-logger")

    documents = [json.loads(line) for line in cloud.logs["/json"]]
    assert [document.get("type") or document["message"] for document in documents] == [
        "platform.initStart",
        "platform.start",
        "heard",
        "platform.report",
    ]


def test_the_lines_of_a_role_that_may_not_log_are_lost_but_for_the_tail(cloud: Cloud, make: MakeFunction) -> None:
    created = make("mute", "def handler(event, context): print('unheard')")
    cloud.silent_roles.add(created["Role"])

    answer = cloud.client("lambda").invoke(FunctionName="mute", LogType="Tail")
    cloud.silent_roles.clear()

    assert b"unheard" in base64.b64decode(answer["LogResult"])
    assert "/aws/lambda/mute" not in cloud.logs


def test_a_function_for_another_language_is_refused_by_name(cloud: Cloud, make: MakeFunction) -> None:
    make("foreign", "exports.handler = 1", Runtime="nodejs24.x")

    with pytest.raises(ClientError, match="foreign uses the runtime nodejs"):
        cloud.client("lambda").invoke(FunctionName="foreign")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_function_url_config", {"FunctionName": "fn", "AuthType": "NONE"}),
        ("invoke_with_response_stream", {"FunctionName": "fn"}),
        (
            "put_provisioned_concurrency_config",
            {"FunctionName": "fn", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1},
        ),
    ],
)
def test_what_the_local_cloud_has_not_is_refused_by_name(
    cloud: Cloud, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client("lambda"), operation)(**arguments)

    assert refused.value.response["Error"]["Code"] == "NotImplementedByLocalCloud"
