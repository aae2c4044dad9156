"""A REST API as it was when it was deployed, and the stage that serves it. Immutable data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANY = "ANY"


class Authorisation(StrEnum):
    """Who may call a method."""

    NONE = "NONE"
    AWS_IAM = "AWS_IAM"
    COGNITO_USER_POOLS = "COGNITO_USER_POOLS"


@dataclass(frozen=True, slots=True)
class LambdaProxy:
    """An AWS_PROXY integration: the whole request goes to a function, which writes the whole response."""

    function_name: str
    qualifier: str | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Mock:
    """A MOCK integration without mapping templates: it always gives this response."""

    status: int
    headers: Mapping[str, str]
    body: str


Integration = LambdaProxy | Mock


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one resource; `http_method` may be ANY."""

    http_method: str
    authorisation: Authorisation
    api_key_required: bool
    integration: Integration
    operation_name: str | None = None
    user_pools: tuple[str, ...] = ()
    """ARNs of the pools whose users may call it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One path of the API, such as `/models/{name}` or `/models/{name}/{proxy+}`."""

    id: str
    path: str
    methods: Mapping[str, Method]


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """How the API words one type of its own errors; `status` None leaves the error's own."""

    status: int | None
    headers: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """What a deployment froze."""

    id: str
    name: str
    deployment_id: str
    resources: tuple[Resource, ...]
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    binary_media_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket's measures. The defaults are an account's own limits in most regions."""

    rate_per_second: float = 10_000.0
    burst: int = 5_000


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where a stage writes one line a request, and the template of that line."""

    group: str
    template: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A name under which a deployment is served. Unlike the deployment it changes at once when it is updated.

    `method_throttles` is keyed by `path/METHOD`, as in `/models/{name}/GET`; `throttle` holds for the others.
    """

    name: str
    api_id: str
    deployment_id: str
    variables: Mapping[str, str] = field(default_factory=dict)
    access_log: AccessLog | None = None
    throttle: Throttle = field(default_factory=Throttle)
    method_throttles: Mapping[str, Throttle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests an API key may make in a period of DAY, WEEK or MONTH."""

    limit: int
    period: str


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """What its API keys may do on its stages, which are (API id, stage name)."""

    id: str
    stages: frozenset[tuple[str, str]]
    throttle: Throttle | None = None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that callers send in `x-api-key`, with the usage plans that it belongs to."""

    id: str
    value: str
    enabled: bool
    plans: tuple[UsagePlan, ...] = ()

    def plan_for(self, stage: Stage) -> UsagePlan | None:
        """The plan that lets this key in at a stage, or None."""
        return next((plan for plan in self.plans if (stage.api_id, stage.name) in plan.stages), None)
