"""What AWS is asked for each call: every operation of the table has a rule, and the exceptions are as on AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local.api_calls import ApiCall, ApiRequest, identify
from local.api_table import API_TABLE
from local.services.iam.actions import FREE, actions_of, prefix_of
from local.services.iam.implied import PASSED_ROLES, TAGGING
from local.services.iam.parameters import parameters_of, service_model
from local.services.iam.questions import WITHOUT_RESOURCE, questions_of, resource_rules
from local.services.iam.resources import Place
from local.services.iam.service_reference import exists, resource_types
from local.services.iam.special import SPECIAL

ACCOUNT, REGION = "123456789012", "us-east-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
OPERATIONS = [(service, operation) for service, table in API_TABLE.items() for operation in table]


class State:
    """A state in which everything has its own name, and what is called `secret` is under the key."""

    def key_arn(self, name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"

    def ciphertext_key(self, ciphertext: str) -> str:
        return KEY

    def secret_arn(self, name: str) -> str:
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-abcdef"

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/path/{name}"

    def user_arn(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/{name}"

    def bucket_key(self, bucket: str) -> str | None:
        return KEY if bucket == "secret" else None

    def uses_bucket_key(self, bucket: str) -> bool:
        return False

    def object_key(self, bucket: str, key: str) -> str | None:
        return self.bucket_key(bucket)

    def has_object(self, bucket: str, key: str) -> bool:
        return key != "missing"

    def topic_key(self, topic_arn: str) -> str | None:
        return KEY if topic_arn.endswith(":secret") else None

    def queue_key(self, queue_arn: str) -> str | None:
        return KEY if queue_arn.endswith(":secret") else None

    def parameter_key(self, name: str) -> str | None:
        return KEY if name == "/secret" else None


STATE = State()
PLACE = Place(ACCOUNT, REGION, STATE)


def asked(service: str, operation: str, **parameters: Any) -> list[tuple[str, str]]:
    """The actions and resources of a call as boto3 sends it."""
    return [(question.action, question.resource) for question in questions(service, operation, **parameters)]


def questions(service: str, operation: str, **parameters: Any) -> list[Any]:
    request = sent(service, operation, **parameters)
    call = identify(request)
    assert isinstance(call, ApiCall), request
    return questions_of(call, request, place=PLACE, state=STATE)


def sent(service: str, operation: str, **parameters: Any) -> ApiRequest:
    """The request that a client makes, caught before it leaves."""
    client = boto3.client(
        service,
        region_name=REGION,
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(parameter_validation=False),
    )
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        caught.append(request)
        raise Caught

    client.meta.events.register("before-send", catch)
    with pytest.raises(Caught):
        client._make_api_call(operation, parameters)
    (request,) = caught
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body.read() if hasattr(request.body, "read") else request.body
    target = request.url.removeprefix("http://127.0.0.1:1")
    return ApiRequest(request.method, target, headers, body.encode() if isinstance(body, str) else body or b"")


class Caught(Exception):
    """The request has been seen and goes nowhere."""


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=[f"{one}-{two}" for one, two in OPERATIONS])
def test_every_operation_of_the_table_has_an_action_and_a_resource(service: str, operation: str) -> None:
    call = f"{service}:{operation}"
    if service == "apigateway" or call in FREE:
        return
    actions = ["dynamodb:PutItem"] if call == "dynamodb:TransactWriteItems" else actions_of(service, operation)

    assert all(exists(action) for action in actions)
    for action in actions:
        assert call in SPECIAL or resource_rules(service, operation, action) or not named_types(action)


def named_types(action: str) -> tuple[str, ...]:
    """The types of resources that a permission for the action may name, but for those explained."""
    return () if action in WITHOUT_RESOURCE else resource_types(action) or ()


def test_the_tables_name_only_what_exists() -> None:
    calls = {f"{service}:{operation}" for service, operation in OPERATIONS}
    ours = {"sagemaker", "cloudformation"}

    assert {action for action in (*TAGGING.values(), *WITHOUT_RESOURCE) if not exists(action)} == set()
    assert {call for call in SPECIAL if call not in calls and call.partition(":")[0] not in ours} == set()


ROLE_MEMBERS = {"role", "rolearn", "executionrolearn"}
NOT_PASSED = {
    "sts:AssumeRole": "the role is assumed, not passed on",
    "sts:AssumeRoleWithSAML": "the role is assumed, not passed on",
    "sts:AssumeRoleWithWebIdentity": "the role is assumed, not passed on",
}


@pytest.mark.parametrize(("service", "operation"), OPERATIONS, ids=[f"{one}-{two}" for one, two in OPERATIONS])
def test_every_call_that_names_a_role_needs_leave_to_pass_it(service: str, operation: str) -> None:
    shape = service_model(service).operation_model(operation).input_shape
    call = f"{service}:{operation}"

    named = set(role_members(shape, depth=3)) if shape else set()

    assert not named or call in PASSED_ROLES or call in NOT_PASSED


def role_members(shape: Any, *, depth: int) -> Iterator[str]:
    if shape.type_name == "structure" and depth:
        for name, member in shape.members.items():
            if name.lower() in ROLE_MEMBERS and member.type_name == "string":
                yield name
            yield from role_members(member, depth=depth - 1)
    elif shape.type_name == "list":
        yield from role_members(shape.member, depth=depth)


SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l"
CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
    (
        "s3",
        "GetObject",
        {"Bucket": "b", "Key": "k", "VersionId": "1"},
        [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
    ),
    (
        "s3",
        "GetObject",
        {"Bucket": "b", "Key": "missing"},
        [("s3:GetObject", "arn:aws:s3:::b/missing"), ("s3:ListBucket", "arn:aws:s3:::b")],
    ),
    (
        "s3",
        "GetObject",
        {"Bucket": "secret", "Key": "k"},
        [("s3:GetObject", "arn:aws:s3:::secret/k"), ("kms:Decrypt", KEY)],
    ),
    (
        "s3",
        "PutObject",
        {"Bucket": "secret", "Key": "a b/é", "Body": b"", "Tagging": "a=b"},
        [
            ("s3:PutObject", "arn:aws:s3:::secret/a b/é"),
            ("s3:PutObjectTagging", "arn:aws:s3:::secret/a b/é"),
            ("kms:GenerateDataKey", KEY),
        ],
    ),
    (
        "s3",
        "CopyObject",
        {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "secret", "Key": "x"}},
        [("s3:GetObject", "arn:aws:s3:::secret/x"), ("s3:PutObject", "arn:aws:s3:::b/k"), ("kms:Decrypt", KEY)],
    ),
    (
        "s3",
        "DeleteObjects",
        {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "<2>"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::b/1"), ("s3:DeleteObject", "arn:aws:s3:::b/<2>")],
    ),
    ("s3", "DeleteBucketLifecycle", {"Bucket": "b"}, [("s3:PutLifecycleConfiguration", "arn:aws:s3:::b")]),
    ("s3", "ListBuckets", {}, [("s3:ListAllMyBuckets", "*")]),
    (
        "lambda",
        "Invoke",
        {"FunctionName": "f", "Qualifier": "live"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:live")],
    ),
    (
        "lambda",
        "CreateFunction",
        {"FunctionName": "f", "Role": ROLE, "Code": {"S3Bucket": "b", "S3Key": "k"}, "Tags": {"a": "b"}},
        [
            ("lambda:CreateFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
            ("lambda:TagResource", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
            ("iam:PassRole", ROLE),
            ("s3:GetObject", "arn:aws:s3:::b/k"),
        ],
    ),
    (
        "lambda",
        "UpdateFunctionConfiguration",
        {"FunctionName": "f", "Layers": [f"{LAYER}:1"]},
        [
            ("lambda:UpdateFunctionConfiguration", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
            ("lambda:GetLayerVersion", f"{LAYER}:1"),
        ],
    ),
    (
        "lambda",
        "PublishLayerVersion",
        {"LayerName": "l", "Content": {"S3Bucket": "b", "S3Key": "k"}},
        [("lambda:PublishLayerVersion", LAYER), ("s3:GetObject", "arn:aws:s3:::b/k")],
    ),
    (
        "sagemaker",
        "CreateEndpoint",
        {"EndpointName": "Flyball-X", "EndpointConfigName": "C", "Tags": [{"Key": "a", "Value": "b"}]},
        [
            ("sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint/flyball-x"),
            ("sagemaker:CreateEndpoint", f"{SAGEMAKER}:endpoint-config/c"),
            ("sagemaker:AddTags", f"{SAGEMAKER}:endpoint/flyball-x"),
        ],
    ),
    (
        "sagemaker",
        "CreateModel",
        {"ModelName": "m", "ExecutionRoleArn": ROLE},
        [("sagemaker:CreateModel", f"{SAGEMAKER}:model/m"), ("iam:PassRole", ROLE)],
    ),
    (
        "sagemaker",
        "CreateModelPackage",
        {"ModelPackageGroupName": "g"},
        [("sagemaker:CreateModelPackage", f"{SAGEMAKER}:model-package/g/*")],
    ),
    (
        "sagemaker-runtime",
        "InvokeEndpoint",
        {"EndpointName": "e", "Body": b'{"EndpointName": "x"}'},
        [("sagemaker:InvokeEndpoint", f"{SAGEMAKER}:endpoint/e")],
    ),
    (
        "cloudwatch",
        "DescribeAlarms",
        {},
        [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*")],
    ),
    (
        "cloudwatch",
        "DescribeAlarms",
        {"AlarmNames": ["a", "b"]},
        [
            ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a"),
            ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:b"),
        ],
    ),
    (
        "ssm",
        "GetParameter",
        {"Name": "/secret:3", "WithDecryption": True},
        [("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/secret")],
    ),
    (
        "ssm",
        "GetParameters",
        {"Names": ["/secret", "plain"], "WithDecryption": True},
        [
            ("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/secret"),
            ("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/plain"),
            ("kms:Decrypt", KEY),
        ],
    ),
    (
        "logs",
        "PutLogEvents",
        {"logGroupName": "/g", "logStreamName": "s", "logEvents": []},
        [("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g:log-stream:s")],
    ),
    (
        "sqs",
        "SendMessageBatch",
        {"QueueUrl": f"http://127.0.0.1:1/{ACCOUNT}/secret", "Entries": []},
        [
            ("sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:secret"),
            ("kms:GenerateDataKey", KEY),
            ("kms:Decrypt", KEY),
        ],
    ),
    (
        "iam",
        "CreateRole",
        {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "a", "Value": "b"}]},
        [
            ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/path/r"),
            ("iam:TagRole", f"arn:aws:iam::{ACCOUNT}:role/path/r"),
        ],
    ),
    (
        "apigateway",
        "GetResources",
        {"restApiId": "a"},
        [("apigateway:GET", f"arn:aws:apigateway:{REGION}::/restapis/a/resources")],
    ),
    (
        "stepfunctions",
        "CreateStateMachine",
        {"name": "m", "definition": "{}", "roleArn": ROLE},
        [("states:CreateStateMachine", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"), ("iam:PassRole", ROLE)],
    ),
    (
        "events",
        "PutTargets",
        {"Rule": "r", "EventBusName": "b", "Targets": [{"Id": "1", "Arn": "x", "RoleArn": ROLE}]},
        [("events:PutTargets", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/b/r"), ("iam:PassRole", ROLE)],
    ),
    (
        "dynamodb",
        "Query",
        {"TableName": "t", "IndexName": "i"},
        [("dynamodb:Query", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t/index/i")],
    ),
    (
        "dynamodb",
        "TransactWriteItems",
        {"TransactItems": [{"Put": {"TableName": "t", "Item": {}}}, {"ConditionCheck": {"TableName": "u", "Key": {}}}]},
        [
            ("dynamodb:PutItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t"),
            ("dynamodb:ConditionCheckItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/u"),
        ],
    ),
    ("kms", "Decrypt", {"CiphertextBlob": b"x"}, [("kms:Decrypt", KEY)]),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": ROLE, "RoleSessionName": "s", "Tags": [{"Key": "a", "Value": "b"}]},
        [("sts:AssumeRole", ROLE), ("sts:TagSession", ROLE)],
    ),
    ("sts", "GetCallerIdentity", {}, []),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
def test_a_call_asks_what_aws_asks(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert asked(service, operation, **parameters) == expected


def test_the_conditions_that_are_used_have_values() -> None:
    (metric,) = questions("cloudwatch", "PutMetricData", Namespace="AWS/SageMaker", MetricData=[])
    listing = questions("s3", "ListObjectsV2", Bucket="b", Prefix="captures/")[0]
    model = questions(
        "sagemaker", "CreateModel", ModelName="m", ExecutionRoleArn=ROLE, Tags=[{"Key": "Team", "Value": "x"}]
    )
    key = questions("s3", "GetObject", Bucket="secret", Key="k")[1]

    assert metric.context["cloudwatch:namespace"] == "AWS/SageMaker"
    assert listing.context["s3:prefix"] == "captures/"
    assert model[0].context == {"aws:requesttag/team": "x", "aws:tagkeys": ("Team",)}
    assert model[2].context == {"iam:passedtoservice": "sagemaker.amazonaws.com"}
    assert key.context["kms:viaservice"] == "s3.us-east-1.amazonaws.com"
    assert key.context["kms:encryptioncontext:aws:s3:arn"] == "arn:aws:s3:::secret/k"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_cannot_be_read_gives_no_parameters(body: bytes) -> None:
    call = ApiCall("ssm", "GetParameter", "json")

    assert parameters_of(call, ApiRequest("POST", "/", {}, body)) == {}


def test_the_query_protocol_is_read_into_lists_and_structures() -> None:
    form = {
        "Action": "CreateRole",
        "RoleName": "r",
        "Tags.member.2.Key": "b",
        "Tags.member.1.Key": "a",
        "Tags.member.1.Value": "1",
    }

    found = parameters_of(ApiCall("iam", "CreateRole", "query"), ApiRequest("POST", "/", {}, urlencode(form).encode()))

    assert found["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b"}]


def test_json_is_read_as_it_is() -> None:
    body = json.dumps({"Name": "/a", "Tags": [{"Key": "a"}]}).encode()

    assert parameters_of(ApiCall("ssm", "PutParameter", "json"), ApiRequest("POST", "/", {}, body))["Name"] == "/a"


def test_an_action_begins_with_the_services_own_prefix() -> None:
    assert prefix_of("stepfunctions") == "states"
    assert prefix_of("ssm") == "ssm"
