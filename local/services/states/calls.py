"""What a task calls, in the name of the machine's role: functions at the local Lambda, all else at the cloud's door.

The door judges the role's permissions. Errors have the names that Step Functions gives them: `<Service>.<Exception>`,
the exception being the API's own where its model has it, else the SDK's most general one.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from local.clock import Clock
from local.deploy.handlers import Clients
from local.services.iam.parameters import service_model
from local.services.lambda_function import Invocation, InvocationRefused, InvocationType
from local.services.states.arguments import call_arguments, compact, result_of
from local.services.states.failures import StateFailed
from local.services.states.integrations import Integration
from model_packages.errors import FlyballError

CREDENTIALS_LAST: Final = timedelta(hours=6)
AT_ONCE: Final = 32
SESSION_NAME: Final = re.compile(r"[^\w+=,.@-]")


@dataclass(frozen=True, slots=True)
class Actor:
    """In whose name a task calls: a role, and what its session is called."""

    role_arn: str
    session: str


class Calls(Protocol):
    """Makes calls for tasks."""

    async def call(
        self, actor: Actor, integration: Integration, arguments: Any, *, operation: str | None = None
    ) -> Any:
        """What the call gives, in Step Functions' form; `operation` is another one of the integration's service.

        Raises: StateFailed.
        """
        ...


class Functions(Protocol):
    """Where functions are invoked."""

    async def invoke(
        self,
        function_name: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE,
        client_context: str | None = None,
    ) -> Invocation: ...


class CloudCalls:
    """Calls into the local cloud. `may(role, action, resource)` says why not, or None; `clock` is the machine's."""

    def __init__(
        self,
        *,
        functions: Functions,
        clients_of: Callable[[str, str], Clients],
        may: Callable[[str, str, str], str | None],
        function_arn: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._functions, self._clients_of, self._may = functions, clients_of, may
        self._function_arn, self._clock = function_arn, clock
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="states")
        self._clients: dict[Actor, tuple[datetime, Clients]] = {}

    def close(self) -> None:
        """Begin no further call."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(
        self, actor: Actor, integration: Integration, arguments: Any, *, operation: str | None = None
    ) -> Any:
        """As Calls has it."""
        if integration.is_function and operation is None:
            return await self._invoke(actor, integration, arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._call, actor, integration, arguments, operation))

    def _call(
        self, actor: Actor, integration: Integration, arguments: Mapping[str, Any], operation: str | None
    ) -> dict[str, Any]:
        given = dict(arguments) if operation else call_arguments(integration, arguments)
        try:
            client = self._clients_for(actor)(integration.service)
            response = getattr(client, xform_name(operation or integration.operation))(**given)
            found = result_of(integration, response, operation=operation)
        except ClientError as error:
            raise _of_error(integration, error) from error
        except BotoCoreError as error:
            raise StateFailed(f"{integration.prefix}.SdkClientException", str(error)) from error
        if integration.resource.startswith("putEvents") and found.get("FailedEntryCount"):
            raise StateFailed("EventBridge.FailedEntry", compact(found))
        return found

    def _clients_for(self, actor: Actor) -> Clients:
        now = self._clock.now()
        made, clients = self._clients.get(actor, (now - CREDENTIALS_LAST, None))
        if clients is None or made + CREDENTIALS_LAST <= now:
            clients = self._clients_of(actor.role_arn, SESSION_NAME.sub("-", actor.session)[:64])
            self._clients = {each: kept for each, kept in self._clients.items() if kept[0] + CREDENTIALS_LAST > now}
            self._clients[actor] = (now, clients)
        return clients

    async def _invoke(self, actor: Actor, integration: Integration, arguments: Any) -> Any:
        """A function's answer: alone where the task names the function itself, else within Lambda's."""
        named = integration.function_arn or str(arguments["FunctionName"])
        payload = arguments if integration.function_arn else arguments.get("Payload", {})
        about = {} if integration.function_arn else arguments
        qualifier = about.get("Qualifier")
        arn = self._function_arn(named) + (f":{qualifier}" if qualifier else "")
        if (refusal := self._may(actor.role_arn, "lambda:InvokeFunction", arn)) is not None:
            detail = "(Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException)"
            raise StateFailed("Lambda.AWSLambdaException", f"{refusal} {detail}")
        try:
            answer = await self._functions.invoke(
                named,
                json.dumps(payload).encode(),
                qualifier=qualifier,
                invocation_type=InvocationType(about.get("InvocationType", "RequestResponse")),
                client_context=about.get("ClientContext"),
            )
        except InvocationRefused as refused:
            cause = f"{refused} (Service: AWSLambda; Status Code: {refused.status}; Error Code: {refused.code})"
            raise StateFailed(f"Lambda.{refused.code}", cause) from refused
        except FlyballError as error:
            raise StateFailed("Lambda.ServiceException", str(error)) from error
        return _answer_of(answer, integration)


def _answer_of(answer: Invocation, integration: Integration) -> Any:
    text = answer.payload.decode("utf-8", errors="replace")
    document = json.loads(text) if text else None
    if answer.function_error is not None:
        error = document.get("errorType") if isinstance(document, Mapping) else None
        unknown = "The cause could not be determined because Lambda did not return an error type. Returned payload: "
        raise StateFailed(str(error) if error else "Lambda.Unknown", text if error else unknown + text)
    if integration.function_arn is not None:
        return document
    return {
        "ExecutedVersion": answer.executed_version,
        **({"Payload": document} if text else {}),
        "SdkHttpMetadata": {"HttpStatusCode": answer.status_code},
        "SdkResponseMetadata": {},
        "StatusCode": answer.status_code,
    }


def _of_error(integration: Integration, error: ClientError) -> StateFailed:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    about = error.response.get("ResponseMetadata", {})
    shape = service_model(integration.service).shape_for_error_code(code)
    name = integration.fallback
    if shape is not None:
        name = shape.name if shape.name.endswith("Exception") else f"{shape.name}Exception"
    where = integration.resource_type.removeprefix("aws-sdk:")
    status, request = about.get("HTTPStatusCode", 400), about.get("RequestId", "")
    if integration.is_sdk:
        cause = f"{message} (Service: {integration.prefix}, Status Code: {status}, Request ID: {request})"
    else:
        cause = f"{message} (Service: Amazon{where.capitalize()}; Status Code: {status}; Error Code: {code}; "
        cause += f"Request ID: {request}; Proxy: null)"
    return StateFailed(f"{integration.prefix}.{name}", cause)
