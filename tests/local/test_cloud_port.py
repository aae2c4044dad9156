"""The whole of the AWS API address: real botocore clients, moto behind it, Lambda functions in processes."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.clock import SystemClock
from local.cloud_port import Answers, CloudPort
from local.lambda_code import runtime_folder
from local.moto_hooks import AwsError, CloudHooks
from local.moto_host import MotoHost
from local.processes import Children
from local.services.lambda_ import LambdaService
from local.services.lambda_api import lambda_handlers
from local.services.lambda_environment import Credentials, Sandbox
from local.services.lambda_function import Invocation, InvocationType
from local.services.lambda_functions import MotoAccount, moto_functions
from local.services.lambda_pool import Limits
from local.services.sagemaker_runtime_api import InvokeEndpointApi

pytestmark = pytest.mark.slow

ACCOUNT, REGION = "123456789012", "us-east-1"
ASSUMED_BY_LAMBDA = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
)


class Endpoints:
    """Serves every endpoint by saying what it was asked."""

    async def invoke(self, endpoint_name: str, headers: Any, body: bytes) -> ApiResponse:
        answer = {"endpoint": endpoint_name, "inference_id": headers["x-amzn-sagemaker-inference-id"]}
        answer_headers = {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "main"}
        return ApiResponse(200, answer_headers, json.dumps(answer).encode() + body)


@dataclass
class Cloud:
    """A local cloud that listens, and what was seen of it."""

    url: str
    loop: asyncio.AbstractEventLoop
    lambda_service: LambdaService
    logs: list[str]
    observed: list[tuple[str, str]] = field(default_factory=list)
    refused_keys: set[str] = field(default_factory=set)

    def client(self, service: str, *, access_key: str = "local") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )


@asynccontextmanager
async def running_cloud(folder: Path) -> AsyncIterator[Cloud]:
    loop = asyncio.get_running_loop()
    observed: list[tuple[str, str]] = []
    logs: list[str] = []
    keys: set[str] = set()

    def invoke_lambda(arn: str, payload: bytes, invocation_type: InvocationType) -> Invocation:
        call = service.invoke(arn, payload, invocation_type=invocation_type)
        return asyncio.run_coroutine_threadsafe(call, loop).result()

    def update_endpoint(parameters: Any) -> dict[str, str]:
        if parameters["EndpointName"] == "missing":
            raise AwsError("ValidationException", "Could not find endpoint")
        return {"EndpointArn": f"arn:{parameters['EndpointName']}"}

    def guard(call: ApiCall, *, access_key: str | None, request: ApiRequest) -> ApiRefusal | None:
        return ApiRefusal("AccessDenied", f"{access_key} may not {call}", 403) if access_key in keys else None

    async def broken(call: ApiCall, request: ApiRequest) -> ApiResponse:
        raise RuntimeError("the reason")

    async with Children() as children:
        hooks = CloudHooks(
            invoke_lambda=invoke_lambda,
            sagemaker_operations={"UpdateEndpoint": update_endpoint},
            sagemaker_observers={
                "CreateEndpoint": lambda call, _answer: observed.append(("created", call["EndpointName"])),
                "DeleteEndpoint": lambda call, _answer: observed.append(("deleted", call["EndpointName"])),
            },
        )
        moto = MotoHost(hooks)
        handlers: dict[ApiCall, Any] = {ApiCall("sagemaker-runtime", "InvokeEndpoint"): InvokeEndpointApi(Endpoints())}
        handlers[ApiCall("sts", "GetAccessKeyInfo")] = broken
        async with CloudPort(Answers(moto.call, handlers, guards=[guard])) as port:
            url = await port.start(port=0)
            sandbox = Sandbox(
                children=children,
                log=lambda _group, _stream, lines: logs.extend(lines),
                endpoint_url=url,
                region=REGION,
                runtime_folder=runtime_folder(folder),
                bytecode_folder=folder / "bytecode",
                scratch_folder=folder / "scratch",
                credentials=lambda _role, _session: Credentials("local", "local"),
            )
            find = moto_functions(account=ACCOUNT, region=REGION, code_folder=folder / "code")
            service = LambdaService(sandbox=sandbox, clock=SystemClock(), find=find, limits=Limits(concurrency=2))
            handlers.update(lambda_handlers(service, account=MotoAccount(ACCOUNT, REGION), backend=moto.call))
            yield Cloud(url, loop, service, logs, observed, keys)
        await service.close()
        await moto.call(ApiRequest("POST", "/moto-api/reset", {"host": "localhost"}))
        moto.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A local cloud in a thread of its own, for all tests of this module."""
    ready: list[Cloud] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with running_cloud(tmp_path_factory.mktemp("cloud")) as running:
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


MakeFunction = Callable[[str, str], str]


@pytest.fixture(scope="module")
def make_function(cloud: Cloud) -> MakeFunction:
    """Creates a function through the API; gives its ARN."""
    role = cloud.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA)

    def make(name: str, code: str) -> str:
        arn: str = cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.14",
            Role=role["Role"]["Arn"],
            Handler="app.handler",
            Code={"ZipFile": zipped(code)},
            Timeout=20,
        )["FunctionArn"]
        return arn

    return make


def zipped(code: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


@pytest.mark.parametrize("key", ["a", "a/b c.json", "folder/", "ünï/cödé", "a?b&uploads", "a%2Fb", "a+b"])
def test_objects_come_back_under_each_key_with_their_metadata(cloud: Cloud, key: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="objects")

    s3.put_object(Bucket="objects", Key=key, Body=b"x" * 100_000, Metadata={"trained_by": "loop", "stage": "live"})

    head = s3.head_object(Bucket="objects", Key=key)
    assert (head["ContentLength"], head["Metadata"]) == (100_000, {"trained_by": "loop", "stage": "live"})
    assert s3.get_object(Bucket="objects", Key=key)["Body"].read() == b"x" * 100_000
    assert key in [listed["Key"] for listed in s3.list_objects_v2(Bucket="objects")["Contents"]]


def test_an_object_can_be_fetched_by_a_presigned_url(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="a/b", Body=b"content")

    url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a/b"})

    with urllib.request.urlopen(url) as answer:  # noqa: S310
        assert answer.read() == b"content"


def test_a_large_object_is_uploaded_in_parts(cloud: Cloud, tmp_path: Path) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="large")
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(bytes(range(256)) * 40_000)

    s3.upload_file(str(source), "large", "model.tar.gz")
    s3.download_file("large", "model.tar.gz", str(copy))

    assert copy.read_bytes() == source.read_bytes()


def test_a_policy_that_demands_tls_does_not_stand_in_the_way(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="tls")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    with_condition = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}

    s3.put_bucket_policy(Bucket="tls", Policy=json.dumps({"Statement": [with_condition]}))

    assert s3.put_object(Bucket="tls", Key="a", Body=b"")["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("kms", lambda kms: kms.list_keys()),
        ("iam", lambda iam: iam.list_roles()),
        ("sts", lambda sts: sts.get_caller_identity()),
        ("logs", lambda logs: logs.describe_log_groups()),
        ("ssm", lambda ssm: ssm.describe_parameters()),
        ("sns", lambda sns: sns.list_topics()),
        ("sqs", lambda sqs: sqs.list_queues()),
        ("lambda", lambda lambda_: lambda_.list_functions()),
        ("apigateway", lambda apigateway: apigateway.get_rest_apis()),
        ("sagemaker", lambda sagemaker: sagemaker.list_endpoints()),
        ("cloudwatch", lambda cloudwatch: cloudwatch.describe_alarms()),
        ("application-autoscaling", lambda scaling: scaling.describe_scaling_policies(ServiceNamespace="sagemaker")),
        ("events", lambda events: events.list_rules()),
        ("dynamodb", lambda dynamodb: dynamodb.list_tables()),
        ("stepfunctions", lambda stepfunctions: stepfunctions.list_state_machines()),
        ("cognito-idp", lambda cognito: cognito.list_user_pools(MaxResults=1)),
        ("secretsmanager", lambda secrets: secrets.list_secrets()),
        ("scheduler", lambda scheduler: scheduler.list_schedules()),
    ],
)
def test_each_service_answers(cloud: Cloud, service: str, call: Callable[[Any], Any]) -> None:
    assert call(cloud.client(service))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("service", "operation", "call"),
    [
        ("dynamodb", "CreateBackup", lambda c: c.create_backup(TableName="table", BackupName="backup")),
        ("sagemaker", "CreateAutoMLJob", lambda c: c.list_auto_ml_jobs()),
        ("iam", "CreateGroup", lambda c: c.create_group(GroupName="g")),
        ("s3", "PutBucketReplication", lambda c: c.delete_bucket_replication(Bucket="b")),
        ("lambda", "CreateCodeSigningConfig", lambda c: c.list_code_signing_configs()),
        ("cloudwatch", "PutAnomalyDetector", lambda c: c.describe_anomaly_detectors()),
        ("kinesis", "ListStreams", lambda c: c.list_streams()),
        ("ec2", "DescribeInstances", lambda c: c.describe_instances()),
    ],
)
def test_what_is_not_implemented_is_refused_by_name_in_the_services_own_protocol(
    cloud: Cloud, service: str, operation: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        call(cloud.client(service))

    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"]["Code"] == "NotImplementedByLocalCloud"
    assert f"does not implement {service}:" in response["Error"]["Message"]
    assert response["Error"]["Message"].endswith("ARCHITECTURE.md lists what it does")


def test_an_error_of_flyballs_own_is_told_in_the_answer(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="the reason") as caught:
        cloud.client("sts").get_access_key_info(AccessKeyId="AKIAEXAMPLEEXAMPLE12")

    assert caught.value.response["Error"]["Code"] == "InternalFailure"


def test_a_guard_sees_the_call_and_its_caller_before_anything_happens(cloud: Cloud) -> None:
    cloud.refused_keys.add("AKIAOFTHEROLE0000000")

    with pytest.raises(ClientError) as caught:
        cloud.client("ssm", access_key="AKIAOFTHEROLE0000000").put_parameter(Name="p", Value="v", Type="String")

    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["Error"]["Message"] == "AKIAOFTHEROLE0000000 may not ssm:PutParameter"
    assert cloud.client("ssm").describe_parameters()["Parameters"] == []


def test_an_endpoint_is_invoked_without_moto(cloud: Cloud) -> None:
    runtime = cloud.client("sagemaker-runtime")

    answer = runtime.invoke_endpoint(EndpointName="flyball-digits", Body=b"!", InferenceId="42")

    assert answer["Body"].read() == b'{"endpoint": "flyball-digits", "inference_id": "42"}!'
    assert answer["InvokedProductionVariant"] == "main"


def test_endpoints_are_observed_and_get_the_operation_that_moto_lacks(cloud: Cloud) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(
        ModelName="m", PrimaryContainer={"Image": "image"}, ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/r"
    )
    variant = {"VariantName": "main", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])

    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    updated = sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c")
    sagemaker.delete_endpoint(EndpointName="e")

    assert updated["EndpointArn"] == "arn:e"
    assert cloud.observed == [("created", "e"), ("deleted", "e")]
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.update_endpoint(EndpointName="missing", EndpointConfigName="c")


def test_the_operations_that_moto_lacks_change_its_state(cloud: Cloud) -> None:
    logs, sagemaker = cloud.client("logs"), cloud.client("sagemaker")
    logs.create_log_group(logGroupName="encrypted")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")

    logs.associate_kms_key(logGroupName="encrypted", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/1")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="encrypted")["logGroups"]
    logs.disassociate_kms_key(logGroupName="encrypted")
    (without,) = logs.describe_log_groups(logGroupNamePrefix="encrypted")["logGroups"]
    sagemaker.delete_model_package_group(ModelPackageGroupName="group")

    assert group["kmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/1"
    assert "kmsKeyId" not in without
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.associate_kms_key(logGroupName="nowhere", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/1")


def test_a_group_with_model_versions_is_not_deleted(cloud: Cloud) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="used")
    sagemaker.create_model_package(ModelPackageGroupName="used", ModelPackageDescription="v1")

    with pytest.raises(ClientError, match="still has model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="used")


def test_a_function_made_through_the_api_runs_and_calls_back_into_the_cloud(
    cloud: Cloud, make_function: MakeFunction
) -> None:
    code = """
import os, urllib.request
def handler(event, context):
    print("a line")
    return {"event": event, "endpoint": os.environ["AWS_ENDPOINT_URL"]}
"""
    arn = make_function("answers", code)

    answer = cloud.client("lambda").invoke(FunctionName=arn, Payload=b"[1]", LogType="Tail")

    assert json.loads(answer["Payload"].read()) == {"event": [1], "endpoint": cloud.url}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" in answer


def test_new_code_and_configuration_are_used_at_the_next_invocation(cloud: Cloud, make_function: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make_function("changing", "import os\ndef handler(event, context): return ['old', os.environ.get('STAGE')]")

    answers = [invoked(lambda_, "changing")]
    lambda_.update_function_configuration(FunctionName="changing", Environment={"Variables": {"STAGE": "live"}})
    answers.append(invoked(lambda_, "changing"))
    lambda_.update_function_code(FunctionName="changing", ZipFile=zipped("def handler(event, context): return 'new'"))
    answers.append(invoked(lambda_, "changing"))

    assert answers == [["old", None], ["old", "live"], "new"]


def test_an_alias_names_the_version_that_was_published(cloud: Cloud, make_function: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make_function("versioned", "def handler(event, context): return context.function_version")
    version = lambda_.publish_version(FunctionName="versioned")["Version"]
    lambda_.create_alias(FunctionName="versioned", Name="live", FunctionVersion=version)

    by_alias = lambda_.invoke(FunctionName="versioned", Qualifier="live")

    assert (json.loads(by_alias["Payload"].read()), by_alias["ExecutedVersion"]) == (version, version)
    assert invoked(lambda_, "versioned") == "$LATEST"


def test_the_errors_of_invoke_are_those_of_lambda(cloud: Cloud, make_function: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make_function("failing", "def handler(event, context): raise ValueError('bad')")
    make_function("throttled", "def handler(event, context): return 1")
    lambda_.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)

    answer = lambda_.invoke(FunctionName="failing")

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    with pytest.raises(lambda_.exceptions.TooManyRequestsException):
        lambda_.invoke(FunctionName="throttled")
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.invoke(FunctionName="nowhere")
    with pytest.raises(lambda_.exceptions.InvalidRequestContentException):
        lambda_.invoke(FunctionName="failing", Payload=b"{")
    assert lambda_.invoke(FunctionName="failing", InvocationType="DryRun")["StatusCode"] == 204


def test_a_topic_and_a_queue_run_their_functions(cloud: Cloud, make_function: MakeFunction) -> None:
    sns, sqs, lambda_ = cloud.client("sns"), cloud.client("sqs"), cloud.client("lambda")
    arn = make_function("triggered", "def handler(event, context): print('got', event['Records'][0])")
    topic = sns.create_topic(Name="topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    queue = sqs.create_queue(QueueName="queue")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lambda_.create_event_source_mapping(FunctionName="triggered", EventSourceArn=queue_arn, BatchSize=1)

    sns.publish(TopicArn=topic, Message="from the topic")
    sqs.send_message(QueueUrl=queue, MessageBody="from the queue")

    settle(cloud)
    lines = [line for line in cloud.logs if line.startswith("got")]
    assert any("from the topic" in line for line in lines)
    assert any("from the queue" in line for line in lines)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_a_topic_delivers_to_this_machine_only(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="outward")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://example.com/hook")

    with pytest.raises(ClientError, match="to this machine only"):
        sns.publish(TopicArn=topic, Message="hello")


def test_the_logging_configuration_of_a_function_is_kept(cloud: Cloud, make_function: MakeFunction) -> None:
    lambda_ = cloud.client("lambda")
    make_function("logging", "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_LOG_GROUP_NAME']")

    lambda_.update_function_configuration(FunctionName="logging", LoggingConfig={"LogGroup": "/flyball/gateway"})

    assert invoked(lambda_, "logging") == "/flyball/gateway"
    shown = lambda_.get_function_configuration(FunctionName="logging")["LoggingConfig"]
    assert shown == {"LogFormat": "Text", "LogGroup": "/flyball/gateway"}


def invoked(lambda_: Any, name: str) -> Any:
    return json.loads(lambda_.invoke(FunctionName=name)["Payload"].read())


def settle(cloud: Cloud) -> None:
    """Wait until the events that were accepted have been run."""
    asyncio.run_coroutine_threadsafe(cloud.lambda_service.settle(), cloud.loop).result(timeout=30)
