"""Which AWS operation an HTTP request calls: a pure function of the request and of botocore's service models.

The service is read from the signature's credential scope (or, unsigned, from X-Amz-Target or Action), and the
operation from X-Amz-Target, from Action, from the path of RPC v2 CBOR, or from method and path by the model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import botocore.session

Protocol = Literal["json", "query", "ec2", "rest-json", "rest-xml", "smithy-rpc-v2-cbor"]

SERVICES_BY_SIGNING_NAME: Mapping[str, tuple[str, ...]] = {
    "apigateway": ("apigateway",),
    "application-autoscaling": ("application-autoscaling",),
    "cloudformation": ("cloudformation",),
    "cognito-idp": ("cognito-idp",),
    "dynamodb": ("dynamodb",),
    "ec2": ("ec2",),
    "ecr": ("ecr",),
    "events": ("events",),
    "iam": ("iam",),
    "kms": ("kms",),
    "lambda": ("lambda",),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "s3": ("s3",),
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "scheduler": ("scheduler",),
    "secretsmanager": ("secretsmanager",),
    "sns": ("sns",),
    "sqs": ("sqs",),
    "ssm": ("ssm",),
    "states": ("stepfunctions",),
    "sts": ("sts",),
    "wafv2": ("wafv2",),
}
"""The services that are told apart, by the name in a signature's scope."""

UNSIGNED_SERVICES = {"AWSCognitoIdentityProviderService": "cognito-idp"}
UNSIGNED_ACTIONS = {"AssumeRoleWithWebIdentity": "sts", "AssumeRoleWithSAML": "sts"}

PROTOCOLS: Mapping[str, Protocol] = {
    "ec2": "ec2",
    "s3": "rest-xml",
    "lambda": "rest-json",
    "apigateway": "rest-json",
    "scheduler": "rest-json",
    "sagemaker-runtime": "rest-json",
    "iam": "query",
    "sts": "query",
    "sns": "query",
    "cloudformation": "query",
}
"""The protocol of a service whose request does not show it; of all others it is json."""

CREDENTIAL = re.compile(r"Credential=([^,\s]+)")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An HTTP request to an AWS API, complete. `target` is path and query as they came, `headers` lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(f"http://host{self.target}").query, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """An operation of a service, by botocore's names. `parameters` are those that stand in the path."""

    service: str
    operation: str
    protocol: Protocol = field(default="json", compare=False)
    parameters: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A request that names no operation of a service that is told apart; the rest is what could be seen of it."""

    service: str
    operation: str
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature says about the caller and the service."""

    access_key: str
    signing_name: str


def identify(request: ApiRequest) -> ApiCall | Unknown:
    """The call that a request makes."""
    scope = signature_scope(request)
    target = request.headers.get("x-amz-target", "")
    if scope is None:
        return _identify_unsigned(request, target)
    services = SERVICES_BY_SIGNING_NAME.get(scope.signing_name)
    if services is None:
        return Unknown(scope.signing_name, _operation_named(request, target) or request.method, _wire(request, target))
    if target:
        return ApiCall(services[0], target.rpartition(".")[2], "json")
    if cbor := re.fullmatch(r"/service/\w+/operation/(\w+)", request.path):
        return ApiCall(services[0], cbor[1], "smithy-rpc-v2-cbor")
    rest = [service for service in services if PROTOCOLS.get(service, "").startswith("rest")]
    return _identify_rest(request, rest[0]) if rest else _identify_query(request, services[0])


def signature_scope(request: ApiRequest) -> Scope | None:
    """Who signed the request and for which service: from its header, or its query where it is presigned."""
    header = CREDENTIAL.search(request.headers.get("authorization", ""))
    if header:
        return _scope(header[1])
    query = request.query
    if "X-Amz-Credential" in query:
        return _scope(query["X-Amz-Credential"][0])
    if "AWSAccessKeyId" in query:
        return Scope(query["AWSAccessKeyId"][0], "s3")
    return None


def _scope(credential: str) -> Scope | None:
    match credential.split("/"):
        case [*key, _date, _region, name, "aws4_request"] if key:
            return Scope("/".join(key), name.lower())
        case [*key, _date, name, "aws4_request"] if key:
            return Scope("/".join(key), name.lower())
        case _:
            return None


def _identify_unsigned(request: ApiRequest, target: str) -> ApiCall | Unknown:
    service = UNSIGNED_SERVICES.get(target.partition(".")[0])
    if service is not None:
        return ApiCall(service, target.rpartition(".")[2], "json")
    operation = _action(request)
    if operation in UNSIGNED_ACTIONS:
        return ApiCall(UNSIGNED_ACTIONS[operation], operation, "query")
    return Unknown("an unsigned request", f"{request.method} {request.path}", _wire(request, target))


def _identify_query(request: ApiRequest, service: str) -> ApiCall | Unknown:
    operation = _action(request)
    if operation is None:
        return Unknown(service, f"{request.method} {request.path}", PROTOCOLS.get(service, "json"))
    return ApiCall(service, operation, PROTOCOLS.get(service, "query"))


def _identify_rest(request: ApiRequest, service: str) -> ApiCall | Unknown:
    protocol = PROTOCOLS[service]
    path = _path_with_bucket(request) if service == "s3" else request.path
    query = request.query
    for route in routes(service).get(request.method, ()):
        parameters = route.match(path, query, request.headers)
        if parameters is not None:
            return ApiCall(service, route.operation, protocol, parameters)
    return Unknown(service, f"{request.method} {request.path}", protocol)


def _path_with_bucket(request: ApiRequest) -> str:
    """The path with the bucket first, also where the bucket stands in the host's name."""
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    bucket = re.fullmatch(r"(.+?)\.(?:s3[.-].*amazonaws\.com|s3\.localhost|localhost)", host)
    return f"/{bucket[1]}{request.path}" if bucket and bucket[1] != "s3" else request.path


def _operation_named(request: ApiRequest, target: str) -> str | None:
    return target.rpartition(".")[2] or _action(request)


def _action(request: ApiRequest) -> str | None:
    if "form-urlencoded" in request.headers.get("content-type", ""):
        for name, value in parse_qsl(request.body.decode("utf-8", errors="replace")):
            if name == "Action":
                return value
    return request.query.get("Action", [None])[0]


def _wire(request: ApiRequest, target: str) -> Protocol:
    """The protocol that a request of an unknown service seems to speak."""
    if target:
        return "json"
    if request.path.startswith("/service/"):
        return "smithy-rpc-v2-cbor"
    return "query" if _action(request) else "rest-json"


@dataclass(frozen=True, slots=True)
class Route:
    """How one operation of a REST service is recognised."""

    operation: str
    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    query: Mapping[str, str]
    """Literal parameters, by name; an empty value stands for any."""
    required_query: frozenset[str]
    """With the names of the literal ones."""
    required_headers: frozenset[str]
    literal_length: int
    deprecated: bool

    @property
    def strictness(self) -> tuple[int, int, bool]:
        """The stricter of two routes that match is the one that is meant, or the newer name of the two."""
        demands = len(self.required_query) + len(self.required_headers)
        return demands, self.literal_length, not self.deprecated

    def match(self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> dict[str, str] | None:
        """The parameters in the path, or None if the request, of the same method, is not this operation's."""
        if not self.required_query <= query.keys() or not self.required_headers <= headers.keys():
            return None
        if any(value and value not in query[name] for name, value in self.query.items()):
            return None
        if (found := self.path.fullmatch(path)) is None:
            return None
        return {label: unquote(value) for label, value in zip(self.labels, found.groups(), strict=True)}


@cache
def routes(service: str) -> Mapping[str, Sequence[Route]]:
    """The routes of a REST service by method, the strictest first."""
    model = botocore.session.get_session().get_service_model(service)
    every = [_route(model.operation_model(name)) for name in model.operation_names]
    found: dict[str, list[Route]] = defaultdict(list)
    for route in sorted(every, key=lambda route: route.strictness, reverse=True):
        found[route.method].append(route)
    return found


def _route(operation: Any) -> Route:
    path, _, literal = operation.http["requestUri"].partition("?")
    query = dict(parse_qsl(literal, keep_blank_values=True))
    required = list(_required_members(operation))
    return Route(
        operation=operation.name,
        method=operation.http["method"],
        path=_pattern(path),
        labels=tuple(label.rstrip("+") for label in re.findall(r"\{([^}]+)\}", path)),
        query=query,
        required_query=frozenset([*query, *(name for location, name in required if location == "querystring")]),
        required_headers=frozenset(name.lower() for location, name in required if location == "header"),
        literal_length=len(re.sub(r"\{[^}]+\}", "", path)),
        deprecated=operation.deprecated,
    )


def _required_members(operation: Any) -> Iterator[tuple[str, str]]:
    shape = operation.input_shape
    for member in shape.required_members if shape else ():
        serialization = shape.members[member].serialization
        yield serialization.get("location", "body"), serialization.get("name", member)


def _pattern(path: str) -> re.Pattern[str]:
    end = "" if path.endswith("+}") else "/?"
    return re.compile("".join(_pattern_parts(re.split(r"(\{[^}]+\})", path))) + end)


def _pattern_parts(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if part.endswith("+}"):
            yield "(.+)"
        elif part.startswith("{"):
            yield "([^/]+)"
        else:
            yield re.escape(part)
