"""Answers one request as API Gateway does: route, authorise, admit, integrate, word the errors, write the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import unquote

import orjson

from local.services.apigateway import gateway_responses as errors
from local.services.apigateway.api import ApiKey, Authorisation, LambdaProxy, Mock, Stage
from local.services.apigateway.claims import ClaimsLookup, no_user_pools
from local.services.apigateway.context import fill
from local.services.apigateway.deployments import Served
from local.services.apigateway.gateway_responses import ErrorType, GatewayError, Response
from local.services.apigateway.permission import may_invoke
from local.services.apigateway.proxy import MalformedReply, proxy_event, read_reply
from local.services.apigateway.request import Caller, Principal, Request, request_context
from local.services.apigateway.routing import Route
from local.services.apigateway.throttling import Quotas, Throttles
from local.services.lambda_function import Invocation, InvocationRefused, RequestTooLarge
from local.services.sigv4 import INVALID_SIGNATURE, MISSING_TOKEN, Refusal, Scope, SecretLookup, verify
from model_packages.errors import OperatorError

ACCESS_DENIED: Final = "AccessDeniedException"
EXPIRED_TOKEN: Final = "ExpiredTokenException"  # noqa: S105  # AWS's name of an error
LARGEST_REQUEST_BYTES: Final = 10 * 1024 * 1024

LogSink = Callable[[str, str, Sequence[str]], None]
"""Takes lines of a log: the group, the stream, the lines."""

PolicyLookup = Callable[[str, str | None], Sequence[Mapping[str, Any]]]
"""(function name, qualifier) -> the statements of its resource policy; asked at each request, so it has to be quick."""


class Clock(Protocol):
    """The time that requests, throttles and quotas go by: the cloud's. Signatures and latencies: the machine's."""

    def now(self) -> datetime: ...


class Functions(Protocol):
    """Where Lambda functions are invoked."""

    async def invoke(self, function_name: str, payload: bytes, *, qualifier: str | None = None) -> Invocation: ...


class Registry(Protocol):
    """Where deployed stages and API keys are looked up."""

    def serving(self, stage_name: str) -> Served | None: ...
    def api_key(self, value: str) -> ApiKey | None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A method that somebody wants to call, whose signature is good: `arn` is what execute-api:Invoke is about."""

    access_key: str
    session_token: str | None
    arn: str


Admission = Callable[[Call], Principal | Refusal]
"""Who calls, or why that caller may not."""


def admit_every_key(call: Call) -> Principal | Refusal:
    """Every key is a user of its own, who may call everything."""
    return Principal(f"arn:aws:iam::{call.arn.split(':')[4]}:user/{call.access_key}", call.access_key)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose API this is, where it is, whose signatures it knows, and who may call what."""

    id: str
    region: str
    secret_of: SecretLookup
    admit: Admission = admit_every_key
    claims_of: ClaimsLookup = no_user_pools


@dataclass(slots=True)
class Exchange:
    """One request on its way; what is found out about it is added step by step."""

    request: Request
    served: Served
    begun_at: datetime
    route: Route | None = None
    caller: Caller = field(default_factory=Caller)
    integration_started_at: datetime | None = None
    integration_ended_at: datetime | None = None
    integration_status: int | None = None

    @property
    def stage(self) -> Stage:
        return self.served.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that was answered, for whoever counts them; latencies are in milliseconds."""

    api_name: str
    stage: str
    status: int
    latency_ms: int
    integration_latency_ms: int | None


class Gateway:
    """Every stage of every REST API of one account and region."""

    def __init__(  # noqa: PLR0913  # each is a seam of its own
        self,
        *,
        registry: Registry,
        functions: Functions,
        policy_of: PolicyLookup,
        clock: Clock,
        log: LogSink,
        account: Account,
        machine_clock: Clock | None = None,
    ) -> None:
        self._registry, self._functions = registry, functions
        self._policy_of, self._account = policy_of, account
        self._clock, self._machine_clock, self._log = clock, machine_clock or clock, log
        self._scope = Scope(region=account.region, service="execute-api")
        self._throttles, self._quotas = Throttles(), Quotas()
        self._invocations: set[asyncio.Task[Invocation]] = set()
        self._observers: list[Callable[[Answered], None]] = []

    def observe(self, observer: Callable[[Answered], None]) -> None:
        """Tell `observer` of every answer from now on, before its caller hears of it; so it has to be quick."""
        self._observers.append(observer)

    def now(self) -> datetime:
        """The gateway's time, for the server to stamp requests with."""
        return self._clock.now()

    async def answer(self, request: Request) -> Response:
        """The response of the stage that the request names."""
        served = self._registry.serving(request.stage)
        if served is None:
            return with_ids(unknown_stage(), request)
        exchange = Exchange(request, served, begun_at=self._machine_clock.now())
        outcome = await self._outcome(exchange)
        return self._finish(exchange, outcome)

    def refuse(self, request: Request, error: GatewayError) -> Response:
        """The response to a request that its server would not read to the end."""
        served = self._registry.serving(request.stage)
        if served is None:
            return with_ids(unknown_stage(), request)
        return self._finish(Exchange(request, served, begun_at=self._machine_clock.now()), error)

    async def _outcome(self, exchange: Exchange) -> Response | GatewayError:
        route = exchange.served.router.match(exchange.request.method, exchange.request.path)
        if route is None:
            return errors.MISSING_TOKEN
        exchange.route = route
        refused = self._authorise(exchange, route) or self._admit(exchange, route)
        if refused is not None:
            return refused
        integration = route.method.integration
        if isinstance(integration, Mock):
            return Response(integration.status, tuple(integration.headers.items()), integration.body.encode())
        return await self._integrate(exchange, route, integration)

    def _authorise(self, exchange: Exchange, route: Route) -> GatewayError | None:
        """Find out who calls; an error where the method wants to know and cannot."""
        access_key, principal = None, None
        if route.method.authorisation is Authorisation.AWS_IAM:
            request = exchange.request
            verdict = verify(
                request.signed(), secret_of=self._account.secret_of, scope=self._scope, now=self._machine_clock.now()
            )
            if isinstance(verdict, Refusal):
                return signature_error(verdict)
            access_key = verdict.access_key
            admitted = self._account.admit(Call(access_key, session_token(request), self._method_arn(exchange)))
            if isinstance(admitted, Refusal):
                return signature_error(admitted)
            principal = admitted
        claims = None
        if route.method.authorisation is Authorisation.COGNITO_USER_POOLS:
            token = exchange.request.header("authorization") or ""
            claims = self._account.claims_of(token, route.method.user_pools)
            if claims is None:
                return errors.UNAUTHORIZED
        api_key = None
        if route.method.api_key_required:
            api_key = self._registry.api_key(exchange.request.header("x-api-key") or "")
            if api_key is None or not api_key.enabled or api_key.plan_for(exchange.stage) is None:
                return errors.FORBIDDEN
        exchange.caller = Caller(access_key=access_key, api_key=api_key, principal=principal, claims=claims)
        return None

    def _method_arn(self, exchange: Exchange) -> str:
        stage, request = exchange.stage, exchange.request
        path = f"{stage.api_id}/{stage.name}/{request.method}{request.path}"
        return f"arn:aws:execute-api:{self._account.region}:{self._account.id}:{path}"

    def _admit(self, exchange: Exchange, route: Route) -> GatewayError | None:
        """Throttles and quota: the usage plan's for this key, then the method's or the stage's."""
        now, stage, key = self._clock.now(), exchange.stage, exchange.caller.api_key
        plan = key.plan_for(stage) if key else None
        if key and plan:
            if plan.throttle and not self._throttles.admit((plan.id, key.id), plan.throttle, now):
                return errors.THROTTLED
            if plan.quota and not self._quotas.admit((plan.id, key.id), plan.quota, now):
                return errors.QUOTA_EXCEEDED
        name = f"{route.resource.path}/{route.method.http_method}"
        own = stage.method_throttles.get(name)
        bucket = (stage.api_id, stage.name, name if own else None)
        if not self._throttles.admit(bucket, own or stage.throttle, now):
            return errors.THROTTLED
        return None

    async def _integrate(self, exchange: Exchange, route: Route, integration: LambdaProxy) -> Response | GatewayError:
        """Invoke the function and read its reply."""
        if not self._may_invoke(exchange, route, integration):
            name = integration.function_name
            return errors.rejected_invocation(f"Invalid permissions on Lambda function {name}, or no such function")
        exchange.integration_started_at = self._machine_clock.now()
        invocation = await self._invoke(integration, self._event(exchange, route))
        exchange.integration_ended_at = self._machine_clock.now()
        if isinstance(invocation, GatewayError):
            return invocation
        exchange.integration_status = invocation.status_code
        if invocation.function_error is not None:
            reason = invocation.payload.decode("utf-8", "replace")
            return errors.failed_function(f"Lambda execution failed due to customer function error: {reason}")
        return self._reply(exchange, invocation.payload)

    def _may_invoke(self, exchange: Exchange, route: Route, integration: LambdaProxy) -> bool:
        source_arn = self._route_arn(exchange, route)
        statements = self._policy_of(integration.function_name, integration.qualifier)
        return may_invoke(statements, source_arn=source_arn, source_account=self._account.id)

    def _route_arn(self, exchange: Exchange, route: Route) -> str:
        """The ARN that a permission names: path parameters stand in it as `*`."""
        parts = ("*" if part.startswith("{") else part for part in route.resource.path.split("/"))
        stage, where = exchange.stage, f"{self._account.region}:{self._account.id}"
        return f"arn:aws:execute-api:{where}:{stage.api_id}/{stage.name}/{exchange.request.method}{'/'.join(parts)}"

    def _event(self, exchange: Exchange, route: Route) -> bytes:
        request, served = exchange.request, exchange.served
        event = proxy_event(request, route, api=served.api, stage=served.stage, context=self._context(exchange))
        return orjson.dumps(event)

    async def _invoke(self, integration: LambdaProxy, payload: bytes) -> Invocation | GatewayError:
        """Run the function for as long as the integration may take; it runs on when nobody waits any more."""
        name, qualifier = integration.function_name, integration.qualifier
        task = asyncio.ensure_future(self._functions.invoke(name, payload, qualifier=qualifier))
        self._invocations.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=integration.timeout_seconds)
        if not done:
            return errors.TIMED_OUT
        try:
            return task.result()
        except RequestTooLarge as error:
            return GatewayError(ErrorType.REQUEST_TOO_LARGE, 413, errors.TOO_LARGE.code, "Request Too Long", str(error))
        except (InvocationRefused, OperatorError) as error:
            return errors.rejected_invocation(f"Lambda would not run {name}: {error}")

    def _forget(self, task: asyncio.Task[Invocation]) -> None:
        self._invocations.discard(task)
        if not task.cancelled():
            task.exception()  # seen: what a function does after its caller has gone is in its own log

    def _reply(self, exchange: Exchange, payload: bytes) -> Response | GatewayError:
        accept = exchange.request.header("accept") or ""
        try:
            return read_reply(payload, accept=accept, binary_media_types=exchange.served.api.binary_media_types)
        except MalformedReply as error:
            return errors.failed_function(f"Malformed Lambda proxy response: {error}")

    def _context(self, exchange: Exchange) -> dict[str, Any]:
        return request_context(
            exchange.request,
            stage=exchange.stage,
            account_id=self._account.id,
            route=exchange.route,
            caller=exchange.caller,
        )

    def _finish(self, exchange: Exchange, outcome: Response | GatewayError) -> Response:
        """Word an error, add the headers that every response has, write the logs."""
        response = outcome if isinstance(outcome, Response) else self._worded(exchange, outcome)
        if response.error is not None and response.error.logged:
            group = f"API-Gateway-Execution-Logs_{exchange.stage.api_id}/{exchange.stage.name}"
            self._log(group, exchange.stage.name, [f"({exchange.request.id}) {response.error.logged}"])
        if exchange.stage.access_log is not None:
            line = self._access_line(exchange, response, exchange.stage.access_log.template)
            self._log(exchange.stage.access_log.group, exchange.stage.name, [line])
        self._tell(exchange, response)
        return with_ids(response, exchange.request)

    def _tell(self, exchange: Exchange, response: Response) -> None:
        if not self._observers:
            return
        facts = access_facts(exchange, response, self._machine_clock.now())
        answered = Answered(
            api_name=exchange.served.api.name,
            stage=exchange.stage.name,
            status=response.status,
            latency_ms=facts["responseLatency"],
            integration_latency_ms=facts["integrationLatency"],
        )
        for observe in self._observers:
            observe(answered)

    def _worded(self, exchange: Exchange, error: GatewayError) -> Response:
        return errors.render(
            error,
            exchange.served.api,
            context=self._context(exchange),
            stage_variables=exchange.stage.variables,
            accept=exchange.request.header("accept") or "",
        )

    def _access_line(self, exchange: Exchange, response: Response, template: str) -> str:
        context = {**self._context(exchange), **access_facts(exchange, response, self._machine_clock.now())}
        return fill(template, context=context, stage_variables=exchange.stage.variables, absent="-")


def access_facts(exchange: Exchange, response: Response, now: datetime) -> dict[str, Any]:
    """What only an access log knows: how it ended and how long it took, in milliseconds."""
    started, ended = exchange.integration_started_at, exchange.integration_ended_at
    latency = None if started is None else milliseconds(started, ended or now)
    error = None if response.error is None else errors.error_context(response.error)
    reason = None if response.error is None else response.error.logged or None
    return {
        "status": response.status,
        "responseLength": len(response.body),
        "responseLatency": milliseconds(exchange.begun_at, now),
        "integrationLatency": latency,
        "integrationStatus": exchange.integration_status,
        "integrationErrorMessage": reason,
        "integration": {"latency": latency, "status": exchange.integration_status, "error": reason},
        "error": error,
    }


def milliseconds(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)


def signature_error(refusal: Refusal) -> GatewayError:
    """AWS documents no response type for an unknown key or a torn header; both fall under DEFAULT_4XX."""
    if refusal.code == MISSING_TOKEN:
        return errors.MISSING_TOKEN
    kinds = {
        INVALID_SIGNATURE: ErrorType.INVALID_SIGNATURE,
        ACCESS_DENIED: ErrorType.ACCESS_DENIED,
        EXPIRED_TOKEN: ErrorType.EXPIRED_TOKEN,
    }
    return GatewayError(kinds.get(refusal.code, ErrorType.DEFAULT_4XX), 403, refusal.code, refusal.message)


def session_token(request: Request) -> str | None:
    """The token of a temporary key, from the header or the query string."""
    in_query = (unquote(value) for name, value in request.query_pairs if unquote(name) == "X-Amz-Security-Token")
    return request.header("x-amz-security-token") or next(in_query, None)


def unknown_stage() -> Response:
    """There is no API whose gateway responses could word it."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "ForbiddenException"))
    return Response(403, headers, b'{"message":"Forbidden"}', errors.FORBIDDEN)


REMAPPED: Final = frozenset(
    {"authorization", "connection", "content-md5", "date", "host", "server", "user-agent", "www-authenticate"}
)
DROPPED: Final = frozenset(
    {"content-length", "expect", "max-forwards", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
)


def with_ids(response: Response, request: Request) -> Response:
    """The response with API Gateway's own headers; those that an integration may not set are renamed or dropped."""
    headers = [
        (f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name, value)
        for name, value in response.headers
        if name.lower() not in DROPPED
    ]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    headers += [("x-amzn-RequestId", request.id), ("x-amz-apigw-id", request.extended_id)]
    if response.error is None:
        headers.append(("X-Amzn-Trace-Id", request.trace_id))
    return Response(response.status, tuple(headers), response.body, response.error)
