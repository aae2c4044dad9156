"""Lambda's API where it is not moto's alone: Invoke, and the checks in front of what moto would store unseen."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping

import orjson

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.cloud_port import NOT_IMPLEMENTED, Backend, Handler
from local.services.lambda_ import LambdaService
from local.services.lambda_checks import Account, refusal_of
from local.services.lambda_function import InvocationRefused, InvocationType, TooManyRequests

CHECKED = (
    "CreateFunction",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "PublishLayerVersion",
    "PutFunctionConcurrency",
)
QUALIFIED = ("PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig")


def lambda_handlers(service: LambdaService, *, account: Account, backend: Backend) -> Mapping[ApiCall, Handler]:
    """Handlers for the cloud port; `backend` is moto, which keeps what passes the checks."""
    checked = CheckedApi(account=account, backend=backend)
    return {
        ApiCall("lambda", "Invoke"): InvokeApi(service),
        **{ApiCall("lambda", operation): checked for operation in CHECKED},
        **{ApiCall("lambda", operation): UnqualifiedApi(backend) for operation in QUALIFIED},
    }


class InvokeApi:
    """Answers `lambda:Invoke`; a handler for the cloud port."""

    def __init__(self, service: LambdaService) -> None:
        self._service = service

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        named = request.headers.get("x-amz-invocation-type", InvocationType.REQUEST_RESPONSE)
        if named not in list(InvocationType):
            return ApiRefusal("InvalidParameterValueException", f"X-Amz-Invocation-Type: found {named}")
        context = request.headers.get("x-amz-client-context")
        try:
            invocation = await self._service.invoke(
                call.parameters["FunctionName"],
                request.body,
                qualifier=next(iter(request.query.get("Qualifier", [])), None),
                invocation_type=InvocationType(named),
                client_context=base64.b64decode(context).decode() if context else None,
            )
        except TooManyRequests as throttled:
            return _throttled(throttled)
        except InvocationRefused as refusal:
            return ApiRefusal(refusal.code, str(refusal), refusal.status)
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": invocation.executed_version}
        if invocation.function_error is not None:
            headers["X-Amz-Function-Error"] = invocation.function_error
        if request.headers.get("x-amz-log-type") == "Tail" and invocation.status_code == 200:
            headers["X-Amz-Log-Result"] = base64.b64encode(invocation.log_tail).decode()
        return ApiResponse(invocation.status_code, headers, invocation.payload)


class CheckedApi:
    """Passes a call on to moto if Lambda would take it."""

    def __init__(self, *, account: Account, backend: Backend) -> None:
        self._account, self._backend = account, backend

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        try:
            document = orjson.loads(request.body or b"{}")
        except orjson.JSONDecodeError:
            return ApiRefusal("SerializationException", "Could not parse request body into json")
        refusal = await asyncio.to_thread(refusal_of, call, document, account=self._account)
        return refusal or await self._backend(request)


class UnqualifiedApi:
    """Passes a call on to moto, which knows no event invoke config of a version or alias: such a call is refused."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        if set(request.query.get("Qualifier", [])) - {"$LATEST"}:
            sentence = f"the local cloud has one event invoke config a function: {call} without Qualifier sets it"
            return ApiRefusal(NOT_IMPLEMENTED, sentence, 501)
        return await self._backend(request)


def _throttled(refusal: TooManyRequests) -> ApiResponse:
    body = {"Reason": refusal.reason, "Type": "User", "message": str(refusal)}
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": refusal.code,
        "Retry-After": str(refusal.retry_after_seconds),
    }
    return ApiResponse(refusal.status, headers, json.dumps(body).encode())
