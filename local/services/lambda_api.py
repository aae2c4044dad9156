"""Lambda's Invoke as an AWS API call: the HTTP side of the Lambda service, and nothing else of Lambda's API."""

from __future__ import annotations

import base64

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.services.lambda_ import LambdaService
from local.services.lambda_function import InvocationRefused, InvocationType


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
        except InvocationRefused as refusal:
            return ApiRefusal(refusal.code, str(refusal), refusal.status)
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": invocation.executed_version}
        if invocation.function_error is not None:
            headers["X-Amz-Function-Error"] = invocation.function_error
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(invocation.log_tail).decode()
        return ApiResponse(invocation.status_code, headers, invocation.payload)
