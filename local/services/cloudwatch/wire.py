"""CloudWatch's three protocols, all of them in use: JSON (boto3), RPC v2 CBOR (other SDKs) and the older query form.

Requests are read and answers written with botocore's own parsers and serializers, the other way round: what a client
parses is an output shape, and here it is the operation's input.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from botocore.model import OperationModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from moto.core.parse import QueryParser
from moto.core.utils import get_service_model

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse, refused
from local.services.cloudformation.query import service_model, write_result
from local.services.cloudwatch.errors import CloudWatchError, ValidationFailed

Operation = Callable[[Mapping[str, Any]], Mapping[str, Any]]

CONTENT_TYPES: Final = {"json": "application/x-amz-json-1.0", "smithy-rpc-v2-cbor": "application/cbor"}


def read_arguments(call: ApiCall, request: ApiRequest) -> dict[str, Any]:
    """The arguments of a call, as botocore types them; absent ones are left out.

    Raises: ValidationFailed where one is missing, or the body cannot be read.
    """
    operation = operation_model(call.operation)
    try:
        arguments = _query(request, operation) if call.protocol == "query" else _body(call, request, operation)
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationFailed(f"the arguments of {call.operation} cannot be read: {error}") from error
    for name in operation.input_shape.required_members if operation.input_shape else ():
        if arguments.get(name) is None:
            raise ValidationFailed(
                f"1 validation error detected: Value null at '{name[0].lower()}{name[1:]}' failed to satisfy "
                "constraint: Member must not be null"
            )
    return arguments


def _body(call: ApiCall, request: ApiRequest, operation: OperationModel) -> dict[str, Any]:
    if operation.input_shape is None or not request.body:
        return {}
    response = {"status_code": 200, "headers": {}, "body": request.body}
    arguments: dict[str, Any] = create_parser(call.protocol).parse(response, operation.input_shape)
    arguments.pop("ResponseMetadata", None)
    return arguments


def _query(request: ApiRequest, operation: OperationModel) -> dict[str, Any]:
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    form |= {name: values[0] for name, values in request.query.items()}
    read: Any = {"values": form}
    arguments: dict[str, Any] = QueryParser(_moto_model(operation.name)).parse(read)
    return arguments


def write_answer(call: ApiCall, result: Mapping[str, Any]) -> ApiResponse:
    """The answer of a call; what is None is left out."""
    operation = operation_model(call.operation)
    request_id = str(uuid.uuid4())
    if call.protocol == "query":
        return write_result(operation, result, request_id=request_id)
    headers = {"x-amzn-RequestId": request_id, "Content-Type": CONTENT_TYPES[call.protocol]}
    if call.protocol == "smithy-rpc-v2-cbor":
        headers["smithy-protocol"] = "rpc-v2-cbor"
    if operation.output_shape is None:
        return ApiResponse(200, headers, b"{}" if call.protocol == "json" else b"\xa0")
    serializer = create_serializer(call.protocol, include_validation=False)
    body = serializer.serialize_to_request(_without_none(result), _answering(call.operation))["body"]
    return ApiResponse(200, headers, body if isinstance(body, bytes) else str(body).encode())


def refuse(call: ApiCall, error: CloudWatchError) -> ApiRefusal | ApiResponse:
    """An error as CloudWatch gives it: SDKs of the newer protocols look for its older code in a header."""
    refusal = ApiRefusal(error.code, str(error), error.status)
    if call.protocol == "query":
        return refusal
    answer = refused(refusal, call.protocol, request_id=str(uuid.uuid4()))
    fault = "Sender" if error.status < 500 else "Receiver"
    return ApiResponse(answer.status, {**answer.headers, "x-amzn-query-error": f"{error.code};{fault}"}, answer.body)


@cache
def operation_model(name: str) -> OperationModel:
    """botocore's model of an operation."""
    return service_model("cloudwatch").operation_model(name)


@cache
def _moto_model(name: str) -> Any:
    """moto's model of an operation: its parser of forms needs more of a shape than botocore's has."""
    return get_service_model("cloudwatch").operation_model(name)


class _Answering(OperationModel):  # type: ignore[misc]  # botocore is not typed
    """An operation whose input is its output, so that a serializer of requests writes answers."""

    @property
    def input_shape(self) -> Any:
        return self.output_shape


@cache
def _answering(name: str) -> OperationModel:
    model = service_model("cloudwatch")
    return _Answering(operation_model(name)._operation_model, model, name)


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(member) for name, member in value.items() if member is not None}
    return [_without_none(member) for member in value] if isinstance(value, list) else value
