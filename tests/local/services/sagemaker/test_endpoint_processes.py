"""Endpoints with real processes behind them, from CreateEndpoint in moto to InvokeEndpoint."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from moto.core.exceptions import ServiceException
from moto.sagemaker.models import sagemaker_backends

from local.api_errors import ApiResponse
from local.clock import CloudClock, ManualClock, SystemClock
from local.documents import InMemoryDocuments
from local.processes import Children
from local.services.sagemaker.endpoints import Endpoints
from local.services.sagemaker.fleet import build_fleet
from local.services.sagemaker.instance import Instance
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.registry import ModelRegistry
from local.services.sagemaker.runtime import LARGEST_BODY_BYTES, InvocationRecord, Region, RuntimeService
from local.timers import Timers
from model_packages.errors import OperatorError
from tests.local.services.sagemaker.object_store import InMemoryObjects

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyball:digits"
DEADLINE_SECONDS = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bucket(InMemoryObjects):
    """The artifacts in S3."""

    def download_fileobj(self, bucket: str, key: str, file: Any, /) -> None:
        if key.startswith("garbage"):
            file.write(b"no archive")
            return
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            content = key.removesuffix(".tar.gz").encode()
            member = tarfile.TarInfo("../outside.txt" if content == b"malicious" else "mode.txt")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@dataclass
class Alarms:
    """What the alarms of a rollout say."""

    tripped: str | None = None

    async def problem(self) -> str | None:
        return self.tripped


@dataclass
class Cloud:
    """The SageMaker API on one side, the runtime on the other."""

    operations: EndpointOperations
    endpoints: Endpoints
    runtime: RuntimeService
    state: MotoState
    registry: ModelRegistry
    folder: Path
    logs: dict[str, list[str]]
    records: list[InvocationRecord]
    refusals: dict[str, str]
    """What the execution role may not do: the refusals' texts by action."""
    timers: Timers
    now: Callable[[], datetime]
    alarms: Alarms

    def model(self, name: str, **container: Any) -> None:
        defaults = {"Image": IMAGE, "ModelDataUrl": f"s3://artifacts/{name}.tar.gz"}
        self.state.backend.create_model(
            model_name=name,
            execution_role_arn="arn:aws:iam::123456789012:role/any",
            primary_container={**defaults, **container},
            vpc_config=None,
            containers=None,
            tags=None,
        )

    def config(self, name: str, *models: str, **variant: Any) -> None:
        for model in models or (name,):
            if model not in self.state.backend._models:
                self.model(model)
        variants = [
            {"VariantName": f"v{index}", "ModelName": model, "InstanceType": "ml.g6e.xlarge", **variant}
            for index, model in enumerate(models or (name,))
        ]
        self.operations.create_endpoint_config({"EndpointConfigName": name, "ProductionVariants": variants})

    async def create(self, config: str = "ok", *models: str, **variant: Any) -> None:
        self.config(config, *models, **variant)
        self.operations.create_endpoint({"EndpointName": "digits", "EndpointConfigName": config})
        await self.settle()

    async def settle(self) -> None:
        await asyncio.sleep(0)
        await self.endpoints.settle()

    async def invoke(self, body: object = None, **headers: str) -> ApiResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.runtime.invoke("digits", named, json.dumps(body or {}).encode())

    @property
    def described(self) -> dict[str, Any]:
        return dict(self.state.backend.describe_endpoint("digits"))

    @property
    def instance(self) -> Instance:
        traffic = self.endpoints.traffic("digits")
        assert traffic is not None
        server = traffic.pick().servers["v0"]
        assert isinstance(server, Instance)
        return server

    @property
    def lines(self) -> list[str]:
        return [line for stream in self.logs.values() for line in stream]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class HurriedClock:
    """A minute in a second and a half."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.started_at + (datetime.now(UTC) - self.started_at) * 40


async def hurry(_seconds: float) -> None:
    """The pause between pings and before restarts, cut short."""
    await asyncio.sleep(0.01)


@asynccontextmanager
async def running_cloud(folder: Path) -> AsyncIterator[Cloud]:
    image = folder / "image"
    (image / "container").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("fake_container.py"), image / "container" / "__main__.py")

    def images(uri: str) -> ImageFolder:
        if uri != IMAGE:
            raise OperatorError(f"no asset has the tag of {uri}")
        return ImageFolder(image, {"FLYBALL_PACKAGE": "digits"})

    def log(group: str, stream: str, lines: Sequence[str]) -> None:
        logs[f"{group} {stream}"].extend(lines)

    logs: dict[str, list[str]] = defaultdict(list)
    refusals: dict[str, str] = {}
    records: list[InvocationRecord] = []
    sagemaker_backends[ACCOUNT][REGION].reset()
    async with Children() as children, aiohttp.ClientSession() as session:
        machine = Machine(
            children=children,
            session=session,
            store=Bucket(),
            images=images,
            folder=folder / "models",
            clock=HurriedClock(),
            log=log,
            sleep=hurry,
            role_environment=lambda role, _session: {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:8444",
                "AWS_ACCESS_KEY_ID": f"key of {role}",
            },
            may=lambda _role, action, _resource, _context=None: refusals.get(action),
        )
        registry = ModelRegistry(
            groups=InMemoryDocuments(),
            versions=InMemoryDocuments(),
            clock=SystemClock(),
            account=ACCOUNT,
            region=REGION,
        )
        state = MotoState(account_id=ACCOUNT, region=REGION, registered=registry.containers)
        clock = CloudClock(machine=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
        timers, alarms = Timers(clock), Alarms()
        endpoints = Endpoints(
            make_fleet=lambda name, plan: build_fleet(name, plan, machine),
            board=state,
            flush=partial(asyncio.sleep, 0),
            timers=timers,
            clock=clock,
            watch_alarms=lambda _role, _names: alarms,
        )
        later = asyncio.get_running_loop().call_soon_threadsafe
        operations = EndpointOperations(state=state, endpoints=endpoints, later=later)
        runtime = RuntimeService(
            endpoints=endpoints,
            session=session,
            clock=SystemClock(),
            region=Region(ACCOUNT, REGION),
            limit_seconds=1.0,
        )
        runtime.observe(records.append)
        yield Cloud(
            operations, endpoints, runtime, state, registry, folder, logs, records, refusals, timers, clock.now, alarms
        )
        await endpoints.close()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


def error_of(response: ApiResponse) -> tuple[int, str]:
    return response.status, response.headers["x-amzn-ErrorType"]


async def test_an_endpoint_comes_into_service_and_answers(cloud: Cloud) -> None:
    cloud.config("ok")
    cloud.operations.create_endpoint({"EndpointName": "digits", "EndpointConfigName": "ok"})
    while_creating = cloud.described["EndpointStatus"]
    await cloud.settle()

    response = await cloud.invoke({"x": 1})

    assert while_creating == "Creating"
    assert cloud.described["EndpointStatus"] == "InService"
    assert (response.status, json.loads(response.body)["body"]) == (200, {"x": 1})
    assert response.headers == {
        "Content-Type": "application/json",
        "x-Amzn-Invoked-Production-Variant": "v0",
        "X-Amzn-SageMaker-Custom-Attributes": "model-version=7",
    }


async def test_a_container_gets_its_environment_and_nothing_of_ours(cloud: Cloud, tmp_path: Path) -> None:
    cloud.model("ok", Environment={"FLYBALL_MODEL_VERSION": "3", "FLYBALL_PACKAGE": "other"})
    await cloud.create("ok")

    environment = json.loads((await cloud.invoke()).body)["environment"]

    root = Path(environment["FLYBALL_ML_ROOT"])
    assert environment["FLYBALL_MODEL_VERSION"] == "3"
    assert environment["FLYBALL_PACKAGE"] == "other"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:8444"
    assert environment["AWS_ACCESS_KEY_ID"] == "key of arn:aws:iam::123456789012:role/any"
    assert environment["PYTHONPATH"] == str(tmp_path / "image")
    assert environment["SAGEMAKER_BIND_TO_PORT"].isdecimal()
    assert {"USER", "PWD", "PYTEST_CURRENT_TEST"}.isdisjoint(environment)
    assert (root / "model" / "mode.txt").stat().st_mode & 0o777 == 0o444
    assert (root / "model").stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("ecr:BatchGetImage", "has the permissions ecr:BatchCheckLayerAvailability"),
        ("s3:GetObject", "the role passed to CreateModel has permissions to download it: not so"),
    ],
)
async def test_an_endpoint_fails_where_its_role_may_not_fetch(cloud: Cloud, action: str, reason: str) -> None:
    cloud.refusals[action] = "not so"

    await cloud.create()

    assert cloud.described["EndpointStatus"] == "Failed"
    assert reason in cloud.described["FailureReason"]


async def test_lines_of_a_role_that_may_not_write_logs_are_lost(cloud: Cloud) -> None:
    cloud.refusals["logs:PutLogEvents"] = "not so"

    await cloud.create()
    await cloud.invoke()

    assert cloud.described["EndpointStatus"] == "InService"
    assert cloud.lines == []


async def test_an_isolated_container_gets_no_credentials(cloud: Cloud) -> None:
    cloud.model("ok")
    cloud.state.backend._models["ok"].enable_network_isolation = True
    await cloud.create("ok")

    environment = json.loads((await cloud.invoke()).body)["environment"]

    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"}.isdisjoint(environment)


async def test_what_a_container_writes_is_in_its_log_stream(cloud: Cloud) -> None:
    await cloud.create()
    await cloud.invoke({"x": 1})

    stream = f"/aws/sagemaker/Endpoints/digits v0/{cloud.instance.name.id}"
    await until(lambda: len(cloud.logs[stream]) == 2)

    assert cloud.logs[stream] == ["serving ['serve']", "invoked with 8 bytes"]


async def test_the_headers_of_the_contract_are_passed_on_and_no_others(cloud: Cloud) -> None:
    await cloud.create()

    response = await cloud.invoke(
        {},
        content_type="application/json",
        accept="application/json",
        x_amzn_sagemaker_inference_id="id-1",
        x_amzn_sagemaker_custom_attributes="a=b",
        x_amzn_sagemaker_session_id="s-1",
        authorization="AWS4-HMAC-SHA256 secret",
    )

    headers = {name.lower(): value for name, value in json.loads(response.body)["headers"].items()}
    assert headers.pop("host").startswith("127.0.0.1:")
    assert headers == {
        "content-type": "application/json",
        "content-length": "2",
        "accept": "application/json",
        "x-amzn-sagemaker-inference-id": "id-1",
        "x-amzn-sagemaker-custom-attributes": "a=b",
        "x-amzn-sagemaker-session-id": "s-1",
    }


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (422, "client"), (429, "client"), (503, "server")])
async def test_a_container_error_is_a_model_error(cloud: Cloud, status: int, side: str) -> None:
    await cloud.create()

    response = await cloud.invoke({"status": status})

    document = json.loads(response.body)
    assert error_of(response) == (424, "ModelError")
    assert document["OriginalStatusCode"] == status
    assert json.loads(document["OriginalMessage"])["body"] == {"status": status}
    assert document["Message"].startswith(f"Received {side} error ({status}) from primary with message ")
    assert document["LogStreamArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/digits"


async def test_a_container_that_takes_too_long_is_a_model_error_without_a_status(cloud: Cloud) -> None:
    await cloud.create()

    response = await cloud.invoke({"sleep": 1.5})

    document = json.loads(response.body)
    assert error_of(response) == (424, "ModelError")
    assert document["OriginalStatusCode"] == 0
    assert document["OriginalMessage"].startswith("Your invocation timed out while waiting for a response")


@pytest.mark.parametrize(
    ("headers", "body", "message"),
    [
        ({}, b"x" * (LARGEST_BODY_BYTES + 1), "6291456"),
        ({"X-Amzn-SageMaker-Inference-Id": "x" * 65}, b"", "less than or equal to 64"),
        ({"X-Amzn-SageMaker-Custom-Attributes": "é"}, b"", "ASCII"),
        ({"X-Amzn-SageMaker-Target-Model": "m"}, b"", "does not implement the header"),
        ({"X-Amzn-SageMaker-Target-Variant": "other"}, b"", "Variant other not found"),
    ],
    ids=["too large", "long id", "attributes", "target model", "variant"],
)
async def test_the_runtime_refuses_what_no_container_should_see(
    cloud: Cloud, headers: Mapping[str, str], body: bytes, message: str
) -> None:
    await cloud.create()

    response = await cloud.runtime.invoke("digits", headers, body)

    assert error_of(response) == (400, "ValidationError")
    assert message in json.loads(response.body)["Message"]


async def test_a_body_of_six_megabytes_fits(cloud: Cloud) -> None:
    await cloud.create()
    filler = "x" * (LARGEST_BODY_BYTES - 100)

    response = await cloud.invoke({"filler": filler})

    assert json.loads(response.body)["body"] == {"filler": filler}


async def test_an_unknown_endpoint_is_named_with_its_account(cloud: Cloud) -> None:
    response = await cloud.invoke()

    assert error_of(response) == (400, "ValidationError")
    assert json.loads(response.body)["Message"] == "Endpoint digits of account 123456789012 not found."


async def test_a_target_variant_is_the_one_that_answers(cloud: Cloud) -> None:
    await cloud.create("two", "ok", "fine")

    modes = [
        json.loads((await cloud.invoke({}, x_amzn_sagemaker_target_variant=variant)).body)["mode"]
        for variant in ("v0", "v1", "v0")
    ]

    assert modes == ["ok", "fine", "ok"]


async def test_every_invocation_is_observed(cloud: Cloud) -> None:
    await cloud.create()
    await cloud.invoke({"status": 400})

    (record,) = cloud.records
    assert (record.invocation.endpoint, record.invocation.target.config_name) == ("digits", "ok")
    assert (record.invocation.target.variant, record.model_status, record.response.status) == ("v0", 400, 424)
    assert record.model_latency_us > 0
    assert record.overhead_latency_us >= 0


@pytest.mark.parametrize(
    ("model", "startup_seconds", "reason"),
    [
        (
            "broken",
            60,
            "ended with exit code 1 before it passed the ping health check. "
            "Its last log line: ValueError: the weights do not fit",
        ),
        ("never-ready", 60, "did not pass the ping health check. Its last log line: serving ['serve']"),
        ("garbage", 60, "Failed to extract model data archive"),
        ("malicious", 60, "Failed to extract model data archive"),
    ],
)
async def test_a_model_that_cannot_be_served_fails_with_its_reason(
    cloud: Cloud, model: str, startup_seconds: int, reason: str
) -> None:
    await cloud.create(model, ContainerStartupHealthCheckTimeoutInSeconds=startup_seconds)

    assert cloud.described["EndpointStatus"] == "Failed"
    assert reason in cloud.described["FailureReason"]
    assert not list((cloud.folder / "models" / "digits").glob("*"))
    assert (await cloud.invoke()).status == 400


async def test_an_image_that_is_not_here_fails_the_endpoint(cloud: Cloud) -> None:
    cloud.model("ok", Image="elsewhere:latest")

    await cloud.create("ok")

    assert cloud.described["EndpointStatus"] == "Failed"
    assert "no asset has the tag of elsewhere:latest" in cloud.described["FailureReason"]


async def test_a_killed_server_is_unavailable_until_it_has_been_restarted(cloud: Cloud) -> None:
    await cloud.create()
    pid = cloud.instance.pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    await until(lambda: cloud.instance.url is None)
    unavailable = await cloud.invoke()
    await until(lambda: cloud.instance.url is not None)
    again = await cloud.invoke()

    assert error_of(unavailable) == (503, "ServiceUnavailable")
    assert again.status == 200
    assert cloud.instance.pid != pid
    said = [line for line in cloud.lines if line.startswith("local cloud: ")]
    assert said == [
        "local cloud: the model server ended with exit code -9",
        "local cloud: it is started again in 1 s",
        "local cloud: the model server is in service again",
    ]


async def test_a_server_that_dies_on_a_request_takes_only_that_request_with_it(cloud: Cloud) -> None:
    await cloud.create()

    lost = await cloud.invoke({"die": True})
    await until(lambda: any("in service again" in line for line in cloud.lines))
    again = await cloud.invoke()

    assert lost.status in (424, 503)
    assert again.status == 200


async def test_a_server_that_stops_answering_pings_is_replaced(cloud: Cloud) -> None:
    await cloud.create()
    pid = cloud.instance.pid
    root = Path(json.loads((await cloud.invoke()).body)["environment"]["FLYBALL_ML_ROOT"])

    (root / "sick").touch()
    await until(lambda: any("3 pings in a row" in line for line in cloud.lines))
    (root / "sick").unlink()
    await until(lambda: cloud.instance.url is not None)

    assert cloud.instance.pid != pid


async def test_an_update_brings_the_new_version_into_service(cloud: Cloud) -> None:
    await cloud.create("ok")
    old = cloud.instance
    cloud.config("fine")

    cloud.operations.update_endpoint({"EndpointName": "digits", "EndpointConfigName": "fine"})
    during = (cloud.described["EndpointStatus"], cloud.described["EndpointConfigName"])
    answer_during = await cloud.invoke()
    await cloud.settle()

    assert during == ("Updating", "ok")
    assert json.loads(answer_during.body)["mode"] == "ok"
    assert (cloud.described["EndpointStatus"], cloud.described["EndpointConfigName"]) == ("InService", "fine")
    assert json.loads((await cloud.invoke()).body)["mode"] == "fine"
    assert old.url is None


async def test_an_update_that_fails_leaves_the_old_version_in_service(cloud: Cloud) -> None:
    await cloud.create("ok")
    cloud.config("broken")

    cloud.operations.update_endpoint({"EndpointName": "digits", "EndpointConfigName": "broken"})
    await cloud.settle()

    assert (cloud.described["EndpointStatus"], cloud.described["EndpointConfigName"]) == ("InService", "ok")
    assert "the weights do not fit" in cloud.described["FailureReason"]
    assert json.loads((await cloud.invoke()).body)["mode"] == "ok"


async def test_a_deleted_endpoint_leaves_no_process_and_no_folder(cloud: Cloud) -> None:
    await cloud.create("ok")
    instance = cloud.instance

    cloud.operations.delete_endpoint({"EndpointName": "digits"})
    during = cloud.described["EndpointStatus"]
    await cloud.settle()

    assert during == "Deleting"
    assert instance.url is None
    assert not list((cloud.folder / "models" / "digits").glob("*"))
    with pytest.raises(ServiceException, match="Could not find endpoint"):
        cloud.described  # noqa: B018


async def test_a_registered_version_says_what_its_model_runs(cloud: Cloud) -> None:
    backend = cloud.state.backend
    arn = register(cloud, Environment={"FLYBALL_MODEL_VERSION": "12"})
    backend.create_model(
        model_name="from-registry",
        execution_role_arn="arn:aws:iam::123456789012:role/any",
        primary_container={"ModelPackageName": arn, "Environment": {"EXTRA": "1"}},
        vpc_config=None,
        containers=None,
        tags=None,
    )
    await cloud.create("v12", "from-registry")

    environment = json.loads((await cloud.invoke()).body)["environment"]

    assert (environment["FLYBALL_MODEL_VERSION"], environment["EXTRA"]) == ("12", "1")


def register(cloud: Cloud, **container: Any) -> str:
    cloud.registry.create_group({"ModelPackageGroupName": "flyball-digits"})
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://artifacts/ok.tar.gz", **container}],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    version = {"ModelPackageGroupName": "flyball-digits", "InferenceSpecification": specification}
    return str(cloud.registry.create_version(version)["ModelPackageArn"])


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("create_endpoint", {"EndpointName": "digits", "EndpointConfigName": "ok"}, "Cannot create already existing"),
        ("create_endpoint", {"EndpointName": "new", "EndpointConfigName": "none"}, "Could not find endpoint config"),
        ("update_endpoint", {"EndpointName": "none", "EndpointConfigName": "ok"}, "Could not find endpoint "),
        ("update_endpoint", {"EndpointName": "digits", "EndpointConfigName": "ok"}, "Cannot update in-progress"),
        ("delete_endpoint", {"EndpointName": "digits"}, "Cannot update in-progress"),
        ("delete_endpoint", {"EndpointName": "none"}, "Could not find endpoint "),
    ],
)
async def test_operations_are_refused_in_aws_words(
    cloud: Cloud, operation: str, parameters: Mapping[str, Any], message: str
) -> None:
    cloud.config("ok")
    cloud.operations.create_endpoint({"EndpointName": "digits", "EndpointConfigName": "ok"})

    with pytest.raises(ServiceException, match=message) as refusal:
        cloud.operations.by_name()["".join(part.title() for part in operation.split("_"))](parameters)

    assert refusal.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("config", "variant", "detail"),
    [
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/o"}}}, {}, "AsyncInferenceConfig"),
        ({"ShadowProductionVariants": [{"VariantName": "s", "ModelName": "ok"}]}, {}, "ShadowProductionVariants"),
        ({}, {"ServerlessConfig": {"MaxConcurrency": 1, "MemorySizeInMB": 1024}}, "ServerlessConfig"),
        ({}, {"InstanceType": "ml.big"}, "'ml.big' at 'productionVariants.1.member.instanceType' failed to satisfy"),
        ({}, {"ModelName": None}, "inference components"),
        ({}, {"ModelName": "none"}, "Could not find model none"),
        ({}, {"ModelName": "many"}, "Mode MultiModel"),
        ({}, {"ModelName": "loose"}, "ModelDataSource"),
    ],
)
async def test_a_config_that_cannot_be_run_is_refused_by_name(
    cloud: Cloud, config: dict[str, Any], variant: dict[str, Any], detail: str
) -> None:
    cloud.model("ok")
    cloud.model("many", Mode="MultiModel")
    cloud.model("loose", ModelDataSource={"S3DataSource": {}})
    whole = {"VariantName": "main", "ModelName": "ok", "InstanceType": "ml.g5.xlarge", **variant}

    with pytest.raises(ServiceException, match=detail):
        cloud.operations.create_endpoint_config({"EndpointConfigName": "c", "ProductionVariants": [whole], **config})

    assert "c" not in cloud.state.backend.endpoint_configs


async def test_weights_are_shown_and_followed(cloud: Cloud) -> None:
    await cloud.create("two", "ok", "fine")

    cloud.operations.update_weights(
        {
            "EndpointName": "digits",
            "DesiredWeightsAndCapacities": [
                {"VariantName": "v0", "DesiredWeight": 0.0},
                {"VariantName": "v1", "DesiredInstanceCount": 3},
            ],
        }
    )
    await cloud.settle()

    shown = {variant["VariantName"]: variant for variant in cloud.described["ProductionVariants"]}
    assert (shown["v0"]["CurrentWeight"], shown["v1"]["CurrentInstanceCount"]) == (0.0, 3)
    assert {json.loads((await cloud.invoke()).body)["mode"] for _ in range(5)} == {"fine"}
