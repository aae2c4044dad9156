"""What Lambda refuses to store: values out of range, too large an environment, too much code, too little concurrency.

Pure functions of the request and of what `Account` knows; the refusals have AWS's codes and sentences. The ranges are
those of ordinary functions: botocore's model has wider ones, for Lambda's managed instances, which are absent here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from local.api_calls import ApiCall
from local.api_errors import ApiRefusal
from local.services.lambda_concurrency import ACCOUNT_CONCURRENCY, MINIMUM_UNRESERVED
from local.services.lambda_function import name_and_qualifier

ENVIRONMENT_LIMIT_BYTES = 4096
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024

RESERVED_KEYS = """
_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME
AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE
AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR
"""
KEY_PATTERN = "[a-zA-Z]([a-zA-Z0-9_])+"
HANDLER_PATTERN = r"[^\s]+"

Document = Mapping[str, Any]


class Account(Protocol):
    """What the checks have to know besides the request. Calls block."""

    def object_bytes(self, bucket: str, key: str, version: str | None) -> bytes | None:
        """An object in S3, or None where there is none."""
        ...

    def layer_bytes(self, arn: str) -> bytes | None:
        """The zip of a layer version, or None where there is none."""
        ...

    def layers_of(self, function_name: str) -> Sequence[str]:
        """The ARNs of a function's layer versions."""
        ...

    def code_of(self, function_name: str) -> bytes | None:
        """The zip of a function's code, or None where there is none."""
        ...

    def reserved_besides(self, function_name: str) -> int:
        """The concurrency that all other functions reserve."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an integer may have; `path` leads to it in the request."""

    path: tuple[str, ...]
    least: int
    most: int

    @property
    def name(self) -> str:
        return ".".join(part[0].lower() + part[1:] for part in self.path)


RANGES = (
    Range(("Timeout",), 1, 900),
    Range(("MemorySize",), 128, 10240),
    Range(("EphemeralStorage", "Size"), 512, 10240),
)


def refusal_of(call: ApiCall, document: Document, *, account: Account) -> ApiRefusal | None:
    """Why Lambda would not carry out the call, or None."""
    name = document.get("FunctionName") or call.parameters.get("FunctionName", "")
    match call.operation:
        case "CreateFunction" | "UpdateFunctionConfiguration":
            return _configuration_refusal(call, document) or _size_refusal(name, document, account=account)
        case "UpdateFunctionCode":
            return _size_refusal(name, {"Code": document}, account=account)
        case "PublishLayerVersion":
            return _zip_refusal(_zip(document.get("Content", {}), account))
        case "PutFunctionConcurrency":
            return _concurrency_refusal(name, document, account=account)
    return None


def _configuration_refusal(call: ApiCall, document: Document) -> ApiRefusal | None:
    violations = list(_violations(document))
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected"
        return ApiRefusal("ValidationException", f"{count}: {'; '.join(violations)}")
    creates_zip = call.operation == "CreateFunction" and document.get("PackageType", "Zip") == "Zip"
    if creates_zip and not (document.get("Handler") and document.get("Runtime")):
        return _invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    return (
        _environment_refusal(document.get("Environment", {}).get("Variables", {}))
        or _logging_refusal(document.get("LoggingConfig") or {})
        or _dead_letter_refusal((document.get("DeadLetterConfig") or {}).get("TargetArn"))
    )


def _violations(document: Document) -> Iterator[str]:
    for allowed in RANGES:
        value = _at(document, allowed.path)
        if isinstance(value, int) and value > allowed.most:
            yield _violation(value, allowed.name, f"Member must have value less than or equal to {allowed.most}")
        if isinstance(value, int) and value < allowed.least:
            yield _violation(value, allowed.name, f"Member must have value greater than or equal to {allowed.least}")
    for key, most in (("Description", 256), ("Handler", 128)):
        text = document.get(key) or ""
        if len(text) > most:
            yield _violation(text, key.lower(), f"Member must have length less than or equal to {most}")
    handler = document.get("Handler")
    if handler and not re.fullmatch(HANDLER_PATTERN, handler):
        sentence = f"Member must satisfy regular expression pattern: {HANDLER_PATTERN}"
        yield _violation(handler, "handler", sentence)
    variables = document.get("Environment", {}).get("Variables", {})
    if any(not re.fullmatch(KEY_PATTERN, key) for key in variables):
        sentence = f"Map keys must satisfy constraint: [Member must satisfy regular expression pattern: {KEY_PATTERN}]"
        yield f"Value at 'environment.variables' failed to satisfy constraint: {sentence}"


def _violation(value: object, name: str, sentence: str) -> str:
    return f"Value '{value}' at '{name}' failed to satisfy constraint: {sentence}"


def _environment_refusal(variables: Mapping[str, str]) -> ApiRefusal | None:
    prefix = "Lambda was unable to configure your environment variables because the environment variables you have"
    reserved = [key for key in variables if key in RESERVED_KEYS.split()]
    if reserved:
        return _invalid(
            f"{prefix} provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_LIMIT_BYTES:
        return _invalid(f"{prefix} provided exceeded the 4KB limit. String measured: {measured}")
    return None


def _logging_refusal(config: Document) -> ApiRefusal | None:
    levels = [key for key in ("ApplicationLogLevel", "SystemLogLevel") if config.get(key)]
    if levels and config.get("LogFormat", "Text") != "JSON":
        return _invalid(f"{' and '.join(levels)} can be set only where LogFormat is JSON; found LogFormat Text.")
    return None


def _dead_letter_refusal(arn: str | None) -> ApiRefusal | None:
    if arn and arn.split(":")[2:3] not in (["sqs"], ["sns"]):
        return _invalid(f"The target {arn} of DeadLetterConfig is neither an SQS queue nor an SNS topic.")
    return None


def _concurrency_refusal(name: str, document: Document, *, account: Account) -> ApiRefusal | None:
    wanted = int(document.get("ReservedConcurrentExecutions", 0))
    reserved = account.reserved_besides(name_and_qualifier(name)[0])
    if ACCOUNT_CONCURRENCY - reserved - wanted < MINIMUM_UNRESERVED:
        return _invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{MINIMUM_UNRESERVED}]."
        )
    return None


def _size_refusal(name: str, document: Document, *, account: Account) -> ApiRefusal | None:
    """Of code and layers together, whichever of them the request changes."""
    if not {"Code", "Layers"} & document.keys():
        return None
    plain_name = name_and_qualifier(name)[0]
    code = _zip(document["Code"], account) if "Code" in document else account.code_of(plain_name)
    refusal = _zip_refusal(code) if "Code" in document else None
    if refusal is not None:
        return refusal
    arns = document.get("Layers") if "Layers" in document else account.layers_of(plain_name)
    layers = [zipped for arn in arns or () if (zipped := account.layer_bytes(arn)) is not None]
    total_bytes = sum(unzipped_bytes(zipped) or 0 for zipped in [code or b"", *layers])
    if layers and total_bytes > UNZIPPED_LIMIT_BYTES:
        return _invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_LIMIT_BYTES} bytes. "
            f"The actual size is {total_bytes} bytes."
        )
    return None


def _zip(code: Document, account: Account) -> bytes | None:
    """The zip that a request brings or points at; None where moto has to say what is wrong, or there is no zip."""
    if code.get("ZipFile"):
        try:
            return base64.b64decode(code["ZipFile"], validate=True)
        except binascii.Error:
            return b""
    if code.get("S3Bucket") and code.get("S3Key"):
        return account.object_bytes(code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion"))
    return None


def _zip_refusal(zipped: bytes | None) -> ApiRefusal | None:
    if zipped is None:
        return None
    size_bytes = unzipped_bytes(zipped)
    if size_bytes is None:
        return _invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    if size_bytes > UNZIPPED_LIMIT_BYTES:
        return _invalid(f"Unzipped size must be smaller than {UNZIPPED_LIMIT_BYTES} bytes")
    return None


def unzipped_bytes(zipped: bytes) -> int | None:
    """What the files of a zip take, by its directory; None where it is no zip."""
    try:
        with zipfile.ZipFile(BytesIO(zipped)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        return None


def _at(document: Document, path: Sequence[str]) -> Any:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _invalid(sentence: str) -> ApiRefusal:
    return ApiRefusal("InvalidParameterValueException", sentence)
