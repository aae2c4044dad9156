"""Step Functions' API at the cloud port: JSON 1.0, each operation with its handler."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.cloud_port import Handler
from local.services.iam.parameters import service_model
from local.services.states.failures import StatesRefused, invalid
from local.services.states.operations import Operation

CONTENT_TYPE: Final = "application/x-amz-json-1.0"


class StatesApi:
    """Answers the operations that it is given."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = operations

    def handlers(self) -> dict[ApiCall, Handler]:
        """Each operation with its handler, for the cloud port."""
        return {ApiCall("stepfunctions", name): self.answer for name in self._operations}

    async def answer(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        """The answer to a call.

        Raises: StateNotWritten.
        """
        try:
            result = await self._operations[call.operation](_arguments(call, request))
        except StatesRefused as refused:
            return ApiRefusal(refused.code, str(refused), refused.status)
        headers = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": CONTENT_TYPE}
        body = {name: value for name, value in result.items() if value is not None}
        return ApiResponse(200, headers, json.dumps(body, default=_seconds).encode())


def _arguments(call: ApiCall, request: ApiRequest) -> dict[str, Any]:
    """Raises: StatesRefused where the body cannot be read, or a member is missing."""
    try:
        found = json.loads(request.body or b"{}")
    except ValueError as error:
        raise StatesRefused("SerializationException", f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise StatesRefused("SerializationException", "the body is no JSON object")
    for name in service_model("stepfunctions").operation_model(call.operation).input_shape.required_members:
        if found.get(name) is None:
            place = f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
            raise invalid(f"1 validation error detected: {place}")
    return found


def _seconds(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)
