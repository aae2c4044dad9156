"""The gateway's answers, from a deployed API to the response, with functions played by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.clock import ManualClock
from local.services.apigateway import gateway_responses as errors
from local.services.apigateway.api import (
    AccessLog,
    Api,
    ApiKey,
    Authorisation,
    GatewayResponse,
    Integration,
    LambdaProxy,
    Method,
    Mock,
    Quota,
    Resource,
    Stage,
    Throttle,
    UsagePlan,
)
from local.services.apigateway.deployments import Served
from local.services.apigateway.gateway import Account, Gateway
from local.services.apigateway.gateway_responses import Response
from local.services.apigateway.request import Request
from local.services.apigateway.routing import Router
from local.services.lambda_function import FunctionNotFound, Invocation, RequestTooLarge, TooManyRequests
from model_packages.errors import OperatorError

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PROXY = LambdaProxy("flyball-digits-gateway", None, timeout_seconds=0.2)
ALLOWED = (
    {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Principal": {"Service": "apigateway.amazonaws.com"}},
)
Handler = Callable[[dict[str, Any]], Coroutine[Any, Any, object]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def echo(event: dict[str, Any]) -> object:
    return {"statusCode": 200, "body": json.dumps(event)}


def claims_of(token: str, user_pools: Sequence[str]) -> dict[str, str] | None:
    """One pool, `users`, with one token, `good`."""
    return {"sub": "ada", "token_use": "id"} if token == "good" and "users" in user_pools else None


@dataclass
class Cloud:
    """One stage named `api` with everything around it."""

    handler: Handler = echo
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    stage: Stage = field(default_factory=lambda: Stage("api", "abc123", "dep1"))
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    binary_media_types: frozenset[str] = frozenset()
    keys: dict[str, ApiKey] = field(default_factory=dict)
    policy: Sequence[Mapping[str, Any]] = ALLOWED
    logs: list[tuple[str, str, str]] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)

    def add(
        self,
        path: str = "/models/{name}/{proxy+}",
        *,
        method: str = "ANY",
        authorisation: Authorisation = Authorisation.NONE,
        api_key_required: bool = False,
        integration: Integration = PROXY,
        user_pools: tuple[str, ...] = (),
    ) -> Cloud:
        made = Method(
            method,
            authorisation,
            api_key_required=api_key_required,
            integration=integration,
            user_pools=user_pools,
        )
        self.resources.append(Resource(id=f"r{len(self.resources)}", path=path, methods={method: made}))
        return self

    def serving(self, stage_name: str) -> Served | None:
        if stage_name != self.stage.name:
            return None
        api = Api(
            id="abc123",
            name="flyball",
            deployment_id="dep1",
            resources=tuple(self.resources),
            gateway_responses=self.gateway_responses,
            binary_media_types=self.binary_media_types,
        )
        return Served(api, self.stage, Router(api.resources))

    def api_key(self, value: str) -> ApiKey | None:
        return self.keys.get(value)

    async def invoke(self, function_name: str, payload: bytes, *, qualifier: str | None = None) -> Invocation:
        reply = await self.handler(json.loads(payload))
        return reply if isinstance(reply, Invocation) else Invocation(json.dumps(reply).encode(), 200)

    def log(self, group: str, stream: str, lines: Sequence[str]) -> None:
        self.logs.extend((group, stream, line) for line in lines)

    def gateway(self, *, machine_clock: ManualClock | None = None) -> Gateway:
        return Gateway(
            registry=self,
            functions=self,
            policy_of=lambda _name, _qualifier: self.policy,
            clock=self.clock,
            machine_clock=machine_clock,
            log=self.log,
            account=Account("123456789012", "us-east-1", {"local": "local"}.get, claims_of=claims_of),
        )


def request(path: str = "/models/digits/predict", **changes: Any) -> Request:
    defaults: dict[str, Any] = {
        "method": "POST",
        "stage": "api",
        "path": path,
        "query": "",
        "headers": (("Host", "localhost:8443"), ("Content-Type", "application/json")),
        "body": b'{"x":1}',
        "source_ip": "127.0.0.1",
        "protocol": "HTTP/1.1",
        "received_at": NOW,
        "id": "0198c0de-0000-7000-8000-000000000001",
    }
    return Request(**{**defaults, **changes})


def problem(response: Response) -> tuple[int, str, str]:
    return response.status, header(response, "x-amzn-ErrorType"), json.loads(response.body)["message"]


def header(response: Response, name: str) -> str:
    return ", ".join(value for key, value in response.headers if key.lower() == name.lower())


async def test_a_function_gets_the_whole_request_as_a_proxy_event() -> None:
    cloud = Cloud(stage=Stage("api", "abc123", "dep1", variables={"colour": "blue"})).add()
    headers = (("Host", "localhost:8443"), ("Accept", "a/b"), ("X-Two", "1"), ("X-Two", "2"), ("Content-Length", "7"))

    response = await cloud.gateway().answer(request(query="a=1&b=x%20y&a=2", headers=headers))

    assert json.loads(response.body) == {
        "resource": "/models/{name}/{proxy+}",
        "path": "/models/digits/predict",
        "httpMethod": "POST",
        "headers": {
            "Host": "localhost:8443",
            "Accept": "a/b",
            "X-Two": "2",
            "X-Amzn-Trace-Id": "Root=1-69a7bdbf-0198c0de0000700080000000",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "8443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": {
            "Host": ["localhost:8443"],
            "Accept": ["a/b"],
            "X-Two": ["1", "2"],
            "X-Amzn-Trace-Id": ["Root=1-69a7bdbf-0198c0de0000700080000000"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["8443"],
            "X-Forwarded-Proto": ["https"],
        },
        "queryStringParameters": {"a": "2", "b": "x y"},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y"]},
        "pathParameters": {"name": "digits", "proxy": "predict"},
        "stageVariables": {"colour": "blue"},
        "requestContext": {
            "resourceId": "r0",
            "resourcePath": "/models/{name}/{proxy+}",
            "accountId": "123456789012",
            "apiId": "abc123",
            "deploymentId": "dep1",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "extendedRequestId": "0198c0de0000700=",
            "httpMethod": "POST",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "127.0.0.1",
                "user": None,
                "userAgent": None,
                "userArn": None,
            },
            "path": "/api/models/digits/predict",
            "protocol": "HTTP/1.1",
            "requestId": "0198c0de-0000-7000-8000-000000000001",
            "requestTime": "04/Mar/2026:05:06:07 +0000",
            "requestTimeEpoch": 1772600767000,
            "stage": "api",
        },
        "body": '{"x":1}',
        "isBase64Encoded": False,
    }


async def test_what_is_absent_is_null_in_the_event() -> None:
    cloud = Cloud().add("/models", method="GET")

    response = await cloud.gateway().answer(request("/models", method="GET", body=b""))

    event = json.loads(response.body)
    nulls = {name for name, value in event.items() if value is None}
    assert nulls == {
        "body",
        "pathParameters",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "stageVariables",
    }


@pytest.mark.parametrize("binary", ["application/octet-stream", "application/*", "*/*"])
async def test_a_binary_media_type_travels_as_base64_in_both_directions(binary: str) -> None:
    async def handler(event: dict[str, Any]) -> object:
        assert (event["body"], event["isBase64Encoded"]) == ("AAH/", True)
        return {"statusCode": 200, "body": event["body"], "isBase64Encoded": True}

    cloud = Cloud(handler=handler, binary_media_types=frozenset({binary})).add()
    headers = (("Content-Type", "application/octet-stream"), ("Accept", "application/octet-stream"))

    response = await cloud.gateway().answer(request(headers=headers, body=b"\x00\x01\xff"))

    assert response.body == b"\x00\x01\xff"


async def test_a_reply_sets_status_headers_and_repeated_headers() -> None:
    async def handler(_event: dict[str, Any]) -> object:
        return {
            "statusCode": "201",
            "headers": {"Content-Type": "text/plain", "X-Flag": True, "Server": "mine", "Set-Cookie": "a=1"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": "done",
        }

    response = await Cloud(handler=handler).add().gateway().answer(request())

    assert (response.status, response.body) == (201, b"done")
    assert header(response, "set-cookie") == "a=1, b=2"
    assert header(response, "content-type") == "text/plain"
    assert header(response, "x-flag") == "true"
    assert header(response, "x-amzn-Remapped-Server") == "mine"
    assert header(response, "x-amzn-RequestId") == "0198c0de-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("text", "a JSON str instead of an object"),
        ([], "a JSON list instead of an object"),
        ({"statusCode": 200, "extra": 1}, "unknown keys extra"),
        ({"statusCode": "many"}, "statusCode is 'many'"),
        ({"statusCode": True}, "statusCode is True"),
        ({"statusCode": 200, "body": {"a": 1}}, "body is not a string"),
        ({"statusCode": 200, "headers": []}, None),
        ({"statusCode": 200, "headers": [1]}, "headers are not an object"),
        ({"statusCode": 200, "headers": {"a": {}}}, "header a is not a string"),
        ({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, "multiValueHeaders.a is not a list"),
        ({"statusCode": 200, "isBase64Encoded": "yes"}, "isBase64Encoded is not a boolean"),
        (Invocation(b"{", 200), "not JSON"),
        (Invocation(b'{"errorMessage":"boom"}', 200, "Unhandled"), "customer function error"),
    ],
)
async def test_a_malformed_reply_is_a_bad_gateway_and_the_log_says_why(reply: object, reason: str | None) -> None:
    async def handler(_event: dict[str, Any]) -> object:
        return reply

    cloud = Cloud(handler=handler).add()

    response = await cloud.gateway().answer(request())

    if reason is None:
        assert response.status == 200
    else:
        assert problem(response) == (502, "InternalServerErrorException", "Internal server error")
        assert reason in cloud.logs[0][2]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (FunctionNotFound("flyball-digits-gateway"), 500, "Internal server error"),
        (TooManyRequests(), 500, "Internal server error"),
        (OperatorError("no such code"), 500, "Internal server error"),
        (RequestTooLarge(size_bytes=7_000_000, limit_bytes=6_291_456), 413, "Request Too Long"),
    ],
)
async def test_an_invocation_that_lambda_rejects_is_the_servers_error(
    error: Exception, status: int, message: str
) -> None:
    async def handler(_event: dict[str, Any]) -> object:
        raise error

    cloud = Cloud(handler=handler).add()

    response = await cloud.gateway().answer(request())

    assert (response.status, json.loads(response.body)) == (status, {"message": message})
    assert cloud.logs == [("API-Gateway-Execution-Logs_abc123/api", "api", cloud.logs[0][2])]
    assert str(error) in cloud.logs[0][2]


async def test_without_permission_a_function_is_not_invoked() -> None:
    invoked = asyncio.Event()

    async def handler(_event: dict[str, Any]) -> object:
        invoked.set()
        return {}

    cloud = Cloud(handler=handler, policy=()).add()

    response = await cloud.gateway().answer(request())

    assert problem(response) == (500, "InternalServerErrorException", "Internal server error")
    assert "Invalid permissions on Lambda function flyball-digits-gateway" in cloud.logs[0][2]
    assert not invoked.is_set()


async def test_a_slow_function_times_out_and_runs_on() -> None:
    released, finished = asyncio.Event(), asyncio.Event()

    async def handler(_event: dict[str, Any]) -> object:
        await released.wait()
        finished.set()
        return {}

    cloud = Cloud(handler=handler).add(integration=replace(PROXY, timeout_seconds=0.01))

    response = await cloud.gateway().answer(request())
    released.set()

    assert problem(response) == (504, "InternalServerErrorException", "Endpoint request timed out")
    async with asyncio.timeout(5):
        await finished.wait()


@pytest.mark.parametrize("path", ["/models", "/other/digits", "/"])
async def test_a_path_without_a_route_misses_a_token_as_on_aws(path: str) -> None:
    response = await Cloud().add().gateway().answer(request(path))

    assert problem(response) == (403, "MissingAuthenticationTokenException", "Missing Authentication Token")


async def test_an_unknown_stage_is_forbidden() -> None:
    response = await Cloud().add().gateway().answer(request(stage="prod"))

    assert problem(response) == (403, "ForbiddenException", "Forbidden")


def sign(unsigned: Request, *, access_key: str = "local", secret: str = "local") -> Request:  # noqa: S107
    """The request as botocore signs it now."""
    url = f"https://localhost:8443{unsigned.full_path}"
    signing = AWSRequest(method=unsigned.method, url=url, data=unsigned.body, headers=dict(unsigned.headers))
    SigV4Auth(Credentials(access_key, secret), "execute-api", "us-east-1").add_auth(signing)
    return replace(unsigned, headers=tuple(signing.headers.items()))


async def test_signatures_and_latencies_go_by_the_machines_clock_where_the_clouds_is_ahead() -> None:
    machine = ManualClock(datetime.now(UTC))
    cloud = Cloud(clock=ManualClock(machine.now() + timedelta(days=30))).add(authorisation=Authorisation.AWS_IAM)
    cloud.stage = replace(cloud.stage, access_log=AccessLog("group", "$context.responseLatency"))

    async def slow(event: dict[str, Any]) -> object:
        machine.advance(0.25)
        cloud.clock.advance(3600)
        return await echo(event)

    cloud.handler = slow
    response = await cloud.gateway(machine_clock=machine).answer(sign(request()))

    assert response.status == 200
    assert cloud.logs == [("group", "api", "250")]


async def test_a_signed_request_names_its_caller() -> None:
    cloud = Cloud(clock=ManualClock(datetime.now(UTC))).add(authorisation=Authorisation.AWS_IAM)

    response = await cloud.gateway().answer(sign(request()))

    identity = json.loads(response.body)["requestContext"]["identity"]
    assert identity["accessKey"] == "local"
    assert identity["userArn"] == "arn:aws:iam::123456789012:user/local"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda unsigned: unsigned, 403, "MissingAuthenticationTokenException"),
        (lambda unsigned: sign(unsigned, access_key="stranger"), 403, "UnrecognizedClientException"),
        (lambda unsigned: sign(unsigned, secret="wrong"), 403, "InvalidSignatureException"),
        (lambda unsigned: replace(sign(unsigned), body=b"{}"), 403, "InvalidSignatureException"),
        (lambda unsigned: replace(sign(unsigned), path="/models/x/y"), 403, "InvalidSignatureException"),
    ],
)
async def test_iam_refuses_what_is_not_signed_well(
    change: Callable[[Request], Request], status: int, code: str
) -> None:
    cloud = Cloud(clock=ManualClock(datetime.now(UTC))).add(authorisation=Authorisation.AWS_IAM)

    response = await cloud.gateway().answer(change(request()))

    assert (response.status, header(response, "x-amzn-ErrorType")) == (status, code)


def key(*, enabled: bool = True, throttle: Throttle | None = None, quota: Quota | None = None) -> ApiKey:
    plan = UsagePlan("plan", frozenset({("abc123", "api")}), throttle, quota)
    return ApiKey("key1", "secret-value", enabled=enabled, plans=(plan,))


def with_key(value: str = "secret-value") -> Request:
    return request(headers=(("X-API-Key", value),))


async def test_a_users_token_is_let_in_and_its_claims_go_to_the_function() -> None:
    cloud = Cloud().add(authorisation=Authorisation.COGNITO_USER_POOLS, user_pools=("users",))

    response = await cloud.gateway().answer(request(headers=(("Authorization", "good"),)))

    assert json.loads(response.body)["requestContext"]["authorizer"] == {"claims": {"sub": "ada", "token_use": "id"}}


@pytest.mark.parametrize("headers", [(), (("Authorization", "bad"),)])
async def test_without_a_good_token_a_user_is_unauthorised(headers: tuple[tuple[str, str], ...]) -> None:
    cloud = Cloud().add(authorisation=Authorisation.COGNITO_USER_POOLS, user_pools=("users",))

    response = await cloud.gateway().answer(request(headers=headers))

    assert problem(response) == (401, "UnauthorizedException", "Unauthorized")


async def test_another_pools_token_is_unauthorised() -> None:
    cloud = Cloud().add(authorisation=Authorisation.COGNITO_USER_POOLS, user_pools=("others",))

    response = await cloud.gateway().answer(request(headers=(("Authorization", "good"),)))

    assert response.status == 401


async def test_a_known_api_key_is_let_in_and_named() -> None:
    cloud = Cloud(keys={"secret-value": key()}).add(api_key_required=True)

    response = await cloud.gateway().answer(with_key())

    identity = json.loads(response.body)["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == ("secret-value", "key1")


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        (key(), request()),
        (key(), with_key("wrong")),
        (key(enabled=False), with_key()),
        (replace(key(), plans=()), with_key()),
        (replace(key(), plans=(UsagePlan("other", frozenset({("abc123", "prod")})),)), with_key()),
    ],
    ids=["missing", "unknown", "disabled", "no plan", "plan of another stage"],
)
async def test_other_api_keys_are_forbidden(known: ApiKey, sent: Request) -> None:
    cloud = Cloud(keys={"secret-value": known}).add(api_key_required=True)

    response = await cloud.gateway().answer(sent)

    assert problem(response) == (403, "ForbiddenException", "Forbidden")


async def test_a_usage_plan_throttles_its_keys_by_the_clock() -> None:
    cloud = Cloud(keys={"secret-value": key(throttle=Throttle(1, 2))}).add(api_key_required=True)
    gateway = cloud.gateway()

    at_once = [(await gateway.answer(with_key())).status for _ in range(3)]
    cloud.clock.advance(1)
    later = await gateway.answer(with_key())

    assert (at_once, later.status) == ([200, 200, 429], 200)


async def test_a_used_up_quota_has_an_error_of_its_own() -> None:
    cloud = Cloud(keys={"secret-value": key(quota=Quota(1, "DAY"))}).add(api_key_required=True)
    gateway = cloud.gateway()
    await gateway.answer(with_key())

    response = await gateway.answer(with_key())

    assert problem(response) == (429, "LimitExceededException", "Limit Exceeded")


async def test_a_methods_throttle_holds_in_place_of_the_stages() -> None:
    stage = Stage(
        "api",
        "abc123",
        "dep1",
        throttle=Throttle(1, 1),
        method_throttles={"/models/{name}/{proxy+}/ANY": Throttle(1, 2)},
    )
    gateway = Cloud(stage=stage).add().add("/models").gateway()

    own = [(await gateway.answer(request())).status for _ in range(3)]
    stages = [await gateway.answer(request("/models")) for _ in range(2)]

    assert (own, [response.status for response in stages]) == ([200, 200, 429], [200, 429])
    assert problem(stages[1]) == (429, "TooManyRequestsException", "Too Many Requests")


async def test_a_mock_always_gives_its_response() -> None:
    mock = Mock(204, {"Access-Control-Allow-Origin": "*"}, "")

    response = await Cloud().add(method="OPTIONS", integration=mock).gateway().answer(request(method="OPTIONS"))

    assert (response.status, header(response, "access-control-allow-origin"), response.body) == (204, "*", b"")


PROBLEM = (
    '{"type":"urn:flyball:problem:gateway","detail":$context.error.messageString,"code":"$context.error.responseType",'
    '"instance":"urn:uuid:$context.requestId","route":"$context.resourcePath","colour":"$stageVariables.colour"}'
)


@pytest.mark.parametrize("configured", ["MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX"])
async def test_a_gateway_response_words_the_error(configured: str) -> None:
    wording = GatewayResponse(
        401,
        {"Content-Type": "'application/problem+json'", "X-Request": "context.requestId"},
        {"application/json": PROBLEM},
    )
    stage = Stage("api", "abc123", "dep1", variables={"colour": "blue"})
    cloud = Cloud(stage=stage, gateway_responses={configured: wording}).add()

    response = await cloud.gateway().answer(request("/elsewhere"))

    assert response.status == 401
    assert header(response, "content-type") == "application/problem+json"
    assert header(response, "x-request") == "0198c0de-0000-7000-8000-000000000001"
    assert json.loads(response.body) == {
        "type": "urn:flyball:problem:gateway",
        "detail": "Missing Authentication Token",
        "code": "MISSING_AUTHENTICATION_TOKEN",
        "instance": "urn:uuid:0198c0de-0000-7000-8000-000000000001",
        "route": "",
        "colour": "blue",
    }


async def test_a_default_wording_keeps_the_errors_own_status() -> None:
    wording = GatewayResponse(None, {}, {"application/json": '{"error":$context.error.messageString}'})
    cloud = Cloud(gateway_responses={"DEFAULT_5XX": wording}, policy=()).add()

    response = await cloud.gateway().answer(request())

    assert (response.status, response.body) == (500, b'{"error":"Internal server error"}')


async def test_a_body_that_the_server_did_not_read_is_too_long() -> None:
    response = Cloud().add().gateway().refuse(request(body=b""), errors.TOO_LARGE)

    assert problem(response) == (413, "RequestTooLongException", "Request Too Long")


async def test_the_access_log_has_one_line_a_request_in_the_stages_format() -> None:
    template = (
        '{"id":"$context.requestId","ip":"$context.identity.sourceIp","status":$context.status,'
        '"type":"$context.error.responseType","length":$context.responseLength,"route":"$context.resourcePath"}'
    )
    stage = Stage("api", "abc123", "dep1", access_log=AccessLog("access", template))
    cloud = Cloud(stage=stage).add("/models", integration=Mock(200, {}, "body"))
    gateway = cloud.gateway()

    await gateway.answer(request("/models"))
    await gateway.answer(request("/none"))

    assert [(group, stream) for group, stream, _ in cloud.logs] == [("access", "api")] * 2
    served, missed = (json.loads(line) for _, _, line in cloud.logs)
    assert served | {"id": ""} == {
        "id": "",
        "ip": "127.0.0.1",
        "status": 200,
        "type": "-",
        "length": 4,
        "route": "/models",
    }
    assert (missed["status"], missed["type"], missed["route"]) == (403, "MISSING_AUTHENTICATION_TOKEN", "-")
