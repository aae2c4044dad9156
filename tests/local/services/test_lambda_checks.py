"""What Lambda refuses to store, with its own codes and sentences."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.api_calls import ApiCall
from local.api_errors import ApiRefusal
from local.services.lambda_checks import RESERVED_KEYS, refusal_of

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:libraries:1"


@dataclass
class Account:
    """What the checks look up; `layers` are zips by ARN."""

    objects: Mapping[str, bytes] = field(default_factory=dict)
    layers: Mapping[str, bytes] = field(default_factory=dict)
    used_layers: Sequence[str] = ()
    code: bytes | None = None
    reserved: int = 0

    def object_bytes(self, bucket: str, key: str, version: str | None) -> bytes | None:
        return self.objects.get(f"{bucket}/{key}")

    def layer_bytes(self, arn: str) -> bytes | None:
        return self.layers.get(arn)

    def layers_of(self, function_name: str) -> Sequence[str]:
        return self.used_layers

    def code_of(self, function_name: str) -> bytes | None:
        return self.code

    def reserved_besides(self, function_name: str) -> int:
        return self.reserved


def create(account: Account | None = None, **document: Any) -> ApiRefusal | None:
    plain = {"FunctionName": "fn", "Handler": "app.handler", "Runtime": "python3.14", "Role": "arn"}
    return refusal_of(ApiCall("lambda", "CreateFunction"), {**plain, **document}, account=account or Account())


def call(operation: str, account: Account, **document: Any) -> ApiRefusal | None:
    return refusal_of(ApiCall("lambda", operation, parameters={"FunctionName": "fn"}), document, account=account)


def zipped(*, unpacked_mib: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(unpacked_mib):
            archive.writestr(f"{number}.bin", bytes(1024 * 1024))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def zip_of_251_mib() -> bytes:
    return zipped(unpacked_mib=251)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"Timeout": 900, "MemorySize": 10240, "EphemeralStorage": {"Size": 10240}},
        {"Timeout": 1, "MemorySize": 128, "EphemeralStorage": {"Size": 512}},
        {"Description": "x" * 256, "Environment": {"Variables": {"MODEL": "digits", "A1": ""}}},
        {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"}},
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"}},
        {"DeadLetterConfig": {"TargetArn": ""}},
    ],
)
def test_what_lambda_takes_passes(document: dict[str, Any]) -> None:
    assert create(**document) is None


@pytest.mark.parametrize(
    ("document", "name", "constraint"),
    [
        ({"Timeout": 901}, "timeout", "Member must have value less than or equal to 900"),
        ({"Timeout": 0}, "timeout", "Member must have value greater than or equal to 1"),
        ({"MemorySize": 127}, "memorySize", "Member must have value greater than or equal to 128"),
        ({"MemorySize": 10241}, "memorySize", "Member must have value less than or equal to 10240"),
        ({"EphemeralStorage": {"Size": 511}}, "ephemeralStorage.size", "Member must have value greater than"),
        ({"EphemeralStorage": {"Size": 10241}}, "ephemeralStorage.size", "Member must have value less than"),
        ({"Description": "x" * 257}, "description", "Member must have length less than or equal to 256"),
        ({"Handler": "x" * 129}, "handler", "Member must have length less than or equal to 128"),
        ({"Handler": "app handler"}, "handler", r"Member must satisfy regular expression pattern: [^\s]+"),
        ({"Environment": {"Variables": {"1A": ""}}}, "environment.variables", "Map keys must satisfy constraint"),
    ],
)
def test_a_value_out_of_range_is_a_validation_error(document: dict[str, Any], name: str, constraint: str) -> None:
    refusal = create(**document)

    assert refusal is not None
    assert refusal.code == "ValidationException"
    assert refusal.message.startswith("1 validation error detected: Value")
    assert f"at '{name}' failed to satisfy constraint: {constraint}" in refusal.message


def test_all_values_out_of_range_are_told_at_once() -> None:
    refusal = create(Timeout=901, MemorySize=1)

    assert refusal is not None
    assert refusal.message.startswith("2 validation errors detected: Value '901'")


def test_a_function_needs_a_handler_and_a_runtime() -> None:
    refusal = create(Handler="")

    assert refusal is not None
    assert refusal.message.startswith("Runtime and Handler are mandatory parameters")


def test_an_environment_of_4_kilobytes_passes_and_one_byte_more_does_not() -> None:
    room = 4096 - len('{"KEY":""}')

    most = create(Environment={"Variables": {"KEY": "x" * room}})
    too_much = create(Environment={"Variables": {"KEY": "x" * (room + 1)}})

    assert most is None
    assert too_much is not None
    assert too_much.code == "InvalidParameterValueException"
    assert "exceeded the 4KB limit. String measured: {" in too_much.message


@pytest.mark.parametrize("key", [key for key in RESERVED_KEYS.split() if not key.startswith("_")])
def test_a_variable_that_lambda_sets_itself_is_refused(key: str) -> None:
    refusal = create(Environment={"Variables": {key: "x"}})

    assert refusal is not None
    assert refusal.message.endswith(f"Reserved keys used in this request: {key}")


def test_an_update_is_checked_as_a_creation_is() -> None:
    refusal = call("UpdateFunctionConfiguration", Account(), Timeout=901)

    assert refusal is not None
    assert refusal.code == "ValidationException"
    assert call("UpdateFunctionConfiguration", Account(), Timeout=900) is None


def test_log_levels_need_the_format_json() -> None:
    refusal = create(LoggingConfig={"ApplicationLogLevel": "DEBUG"})

    assert refusal is not None
    assert refusal.message.startswith("ApplicationLogLevel can be set only where LogFormat is JSON")


def test_dead_letters_go_to_a_queue_or_a_topic() -> None:
    refusal = create(DeadLetterConfig={"TargetArn": "arn:aws:s3:::bucket"})

    assert refusal is not None
    assert "neither an SQS queue nor an SNS topic" in refusal.message


def test_code_of_more_than_250_mib_unzipped_is_refused_wherever_it_lies(zip_of_251_mib: bytes) -> None:
    account = Account(objects={"bucket/key": zip_of_251_mib})

    answers = [
        create(Code={"ZipFile": encoded(zip_of_251_mib)}),
        create(account, Code={"S3Bucket": "bucket", "S3Key": "key"}),
        call("UpdateFunctionCode", account, S3Bucket="bucket", S3Key="key"),
        call("PublishLayerVersion", account, Content={"S3Bucket": "bucket", "S3Key": "key"}),
    ]

    expected = ApiRefusal("InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes")
    assert answers == [expected] * 4


def test_code_and_layers_have_the_limit_in_common() -> None:
    code, layer = zipped(unpacked_mib=130), zipped(unpacked_mib=121)
    account = Account(layers={LAYER: layer}, used_layers=[LAYER], code=code)

    answers = [
        create(account, Code={"ZipFile": encoded(code)}, Layers=[LAYER]),
        call("UpdateFunctionCode", account, ZipFile=encoded(code)),
        call("UpdateFunctionConfiguration", account, Layers=[LAYER]),
    ]

    assert [answer and answer.message.rpartition("The actual size is ")[2] for answer in answers] == [
        "263192576 bytes."
    ] * 3
    assert create(Code={"ZipFile": encoded(code)}) is None


def test_what_is_no_zip_is_refused() -> None:
    refusal = create(Code={"ZipFile": encoded(b"no zip")})

    assert refusal is not None
    assert refusal.message.startswith("Could not unzip uploaded file.")


def test_a_hundred_concurrent_executions_are_left_to_all_others() -> None:
    account = Account(reserved=400)

    most = call("PutFunctionConcurrency", account, ReservedConcurrentExecutions=500)
    too_much = call("PutFunctionConcurrency", account, ReservedConcurrentExecutions=501)

    assert most is None
    assert too_much is not None
    assert too_much.message.endswith("UnreservedConcurrentExecution below its minimum value of [100].")
