"""The settings of an installation: the one place that reads the CDK context.

Everything below the context key `flyball` is typed here: settings for all, and under `environments` a table for each of
`dev`, `staging` and `prod` that overrides them. A key that is not known, or a value that is not allowed, in any of
them, stops the synth with one message for all. docs/environments.md is the reference.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

import aws_cdk
from aws_cdk import RemovalPolicy
from constructs import Node
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from model_packages.contract import SAGEMAKER_PAYLOAD_LIMIT_BYTES
from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

CONTEXT_KEY = "flyball"
ENVIRONMENT_KEY = "environment"
"""The context that chooses one: `cdk deploy -c environment=staging`."""
LOCAL_KEY = "local-cloud"
"""The context that `flyball up` sets: the same templates, bound to no account."""
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
"""Where the CDK's command line deploys to, if it is not AWS; on this machine, it is a local cloud."""

EnvironmentName = Literal["dev", "staging", "prod"]
ENVIRONMENTS: tuple[EnvironmentName, ...] = get_args(EnvironmentName)
TopicArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$")]


class Section(BaseModel):
    """A table of the settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Throttling(Section):
    """API Gateway's token bucket, for the whole API."""

    rate_per_second: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Requests a second in the long run."""
    burst: Annotated[int, Field(ge=1, le=5_000)] = 200
    """Requests at once."""


class Instances(Section):
    """Bounds of what a package.toml may declare of an endpoint's instances; without any, it decides alone."""

    at_least: Annotated[int, Field(ge=1)] = 1
    """An endpoint of fewer instances gets this many."""
    at_most: Annotated[int, Field(ge=1)] | None = None
    """An endpoint of more gets this many. With 1 nothing scales, and a rollout is all at once: a canary needs two."""

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at_most at least as large as at_least ({self.at_least}), or nothing")
        return self


class Vpc(Section):
    """Where the functions and the models' hosts have their network interfaces."""

    mode: Literal["none", "create", "existing"] = "none"
    """None: AWS's own networks; create: a new VPC without any way to the internet; existing: one that is there."""
    cidr: str = "10.20.0.0/16"
    """Addresses of a new VPC: IPv4, /16 to /24, on a boundary."""
    availability_zones: Literal[2, 3] = 2
    """Subnets of a new VPC, one a zone; each has an interface endpoint a service, and they cost by the hour."""
    s3_prefix_list: Annotated[str, Field(pattern=r"^pl-[0-9a-f]+$")] | None = None
    """S3's prefix list in the region, for the security groups of a new VPC; none: they allow port 443 to anywhere, and
    the routes alone lead nowhere but to S3."""
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")], ...] = ()
    """Private subnets of an existing VPC, in two zones or more."""
    security_group_ids: tuple[Annotated[str, Field(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$")], ...] = ()
    """Security groups of an existing VPC, one to five, for the functions and the models."""

    @model_validator(mode="after")
    def _a_network_of_hosts(self) -> Self:
        try:
            network = ipaddress.IPv4Network(self.cidr)
        except ValueError as error:
            raise ValueError(f"cidr like 10.20.0.0/16; found {self.cidr!r}: {error}") from error
        if not 16 <= network.prefixlen <= 24:
            raise ValueError(f"cidr from /16 to /24; found {self.cidr!r}")
        return self

    @model_validator(mode="after")
    def _ids_where_it_exists(self) -> Self:
        groups_allowed = range(1, 6)
        if self.mode == "existing" and (len(self.subnet_ids) < 2 or len(self.security_group_ids) not in groups_allowed):
            raise ValueError("with mode 'existing', subnet_ids of two subnets or more and 1 to 5 security_group_ids")
        if self.mode != "existing" and (self.subnet_ids or self.security_group_ids):
            raise ValueError(f"no subnet_ids and no security_group_ids with mode {self.mode!r}; they take 'existing'")
        return self


class PlatformSettings(Section):
    """What the owner of an installation chooses; what a model needs stands in its package.toml."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """The one account to deploy to; none: that of whoever deploys. Goes with region."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] | None = None
    """The one region to deploy to. Goes with account."""
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,13}[a-z0-9]$")] = "flyball"
    """First word of every name that has to be known in advance: stacks, endpoints, gateway functions, parameters."""
    instances: Instances = Instances()
    """How many instances an endpoint may have, whatever its package.toml declares."""
    authorization: Literal["iam", "api_key", "cognito"] = "iam"
    """How a caller proves who it is."""
    documentation: Literal["public", "authorised"] = "authorised"
    """Whether reading the catalogue and the OpenAPI document needs authorisation too."""
    throttling: Throttling = Throttling()
    """What the API accepts before it answers 429."""
    waf: bool = False
    """Puts a web application firewall before the API; it costs about 9 dollars a month."""
    vpc: Vpc = Vpc()
    """Where the functions and the models' hosts have their network interfaces."""
    log_retention_days: Literal[7, 14, 30, 90, 180, 365, 731] = 90
    """CloudWatch and S3 access logs are deleted after this long."""
    removal_policy: Literal["retain", "destroy"] = "retain"
    """What becomes of data when its stack is deleted; a bucket that still holds objects is never deleted."""
    termination_protection: bool = False
    """CloudFormation refuses to delete the stacks until this is false and deployed."""
    expects_traffic: bool = True
    """Whether a model that nobody calls, or nobody labels, is worth an alarm."""
    alarm_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Who is told about alarms by mail; a chat channel's address is one, too."""
    alarm_url: Annotated[str, Field(pattern=r"^https://[^\s]+$")] | None = None
    """A pager's or chat service's HTTPS address that takes messages from SNS."""
    alarm_topic_arn: TopicArn | None = None
    """An SNS topic that is there already, such as a pager's; its policy has to let CloudWatch publish."""
    monthly_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """The synth stops where everything together would cost more than this a month."""
    maximum_body_bytes: Annotated[int, Field(ge=1, le=SAGEMAKER_PAYLOAD_LIMIT_BYTES)] = SAGEMAKER_PAYLOAD_LIMIT_BYTES
    """The most that any package may accept as a request."""

    @model_validator(mode="after")
    def _a_place_has_both_parts(self) -> Self:
        if (self.account is None) != (self.region is None):
            raise ValueError("account and region, or neither")
        if self.region and self.alarm_topic_arn and self.alarm_topic_arn.split(":")[3] != self.region:
            raise ValueError(f"alarm_topic_arn in {self.region}: an alarm reaches no other region's topics")
        return self

    @property
    def removal(self) -> RemovalPolicy:
        """`removal_policy` as constructs take it; what a failed first deploy made is deleted either way."""
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if self.removal_policy == "retain" else RemovalPolicy.DESTROY

    @property
    def place(self) -> aws_cdk.Environment | None:
        """Account and region as a stack takes them."""
        return None if self.account is None else aws_cdk.Environment(account=self.account, region=self.region)

    @property
    def tells_somebody(self) -> bool:
        """Whether an alarm reaches anybody who has not subscribed by hand."""
        return any((self.alarm_email, self.alarm_url, self.alarm_topic_arn))


class Environment(PlatformSettings):
    """The settings of one environment."""

    name: EnvironmentName
    """Which one it is."""
    longer_prefixes: tuple[str, ...] = ()
    """Prefixes of other environments, perhaps of this account and region, that begin with this one's."""


DEFAULTS: Mapping[EnvironmentName, Mapping[str, Any]] = {
    "dev": {"instances": {"at_most": 1}, "removal_policy": "destroy", "expects_traffic": False},
    "staging": {"prefix": "flyball-staging"},
    "prod": {
        "prefix": "flyball-prod",
        "instances": {"at_least": 2},
        "termination_protection": True,
        "log_retention_days": 365,
    },
}
"""What an environment has where neither its table nor the settings for all say otherwise."""


class _Tables(BaseModel):
    """The settings as cdk.json has them, before they are judged one environment at a time."""

    model_config = ConfigDict(extra="allow", frozen=True)

    environments: dict[EnvironmentName, dict[str, Any]] = {}


def read_settings(node: Node) -> Environment:
    """The chosen environment of the app that `node` belongs to; all three are checked.

    Raises: OperatorError that names every bad key with what was found and what is allowed.
    """
    found: Any = node.try_get_context(CONTEXT_KEY)
    name = _chosen(node)
    is_local = _is_local(node)
    environments = _environments(_tables({} if found is None else found), chosen=name)
    _check_prefixes(environments)
    chosen = environments[name]
    if is_local:
        return _on_a_laptop(chosen)
    if name == "prod" and not chosen.tells_somebody:
        targets = "alarm_email, alarm_url or alarm_topic_arn"
        raise _cannot_be_used([f"{_key(name)}: found nobody who is told about alarms; allowed: {targets}"])
    return chosen


def check_packages(packages: Sequence[ModelPackage], settings: Environment) -> None:
    """Raises: OperatorError for each package that asks for more than the platform allows, or whose name would make its
    stack one of another environment's.
    """
    problems = [problem for package in packages for problem in _package_problems(package, settings)]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise OperatorError(f"packages ask for more than the platform allows:\n{lines}")


def _package_problems(package: ModelPackage, settings: Environment) -> Iterator[str]:
    asked, limit = package.config.endpoint.maximum_body_bytes, settings.maximum_body_bytes
    if asked > limit:
        where = f"{package.name}/package.toml: endpoint.maximum_body_bytes"
        yield f"{where} is {asked}; allowed by {CONTEXT_KEY}.maximum_body_bytes: up to {limit}"
    stack = f"{settings.prefix}-{package.aws_name}"
    for prefix in settings.longer_prefixes:
        if stack.startswith(f"{prefix}-"):
            yield (
                f"{package.name}: its stack would be {stack}, a name of the environment with the prefix {prefix!r}; "
                "allowed: another name of the package, or of one of the two prefixes"
            )


def _chosen(node: Node) -> EnvironmentName:
    name: Any = node.try_get_context(ENVIRONMENT_KEY)
    if name is None:
        return "dev"
    if name not in ENVIRONMENTS:
        raise _cannot_be_used([f"{ENVIRONMENT_KEY}: found {name!r}; allowed: {', '.join(ENVIRONMENTS)}"])
    chosen: EnvironmentName = name
    return chosen


def _is_local(node: Node) -> bool:
    found: Any = node.try_get_context(LOCAL_KEY)
    if found is None:
        return urlsplit(os.environ.get(ENDPOINT_VARIABLE, "")).hostname in ("localhost", "127.0.0.1", "::1")
    try:
        return TypeAdapter(bool).validate_python(found or False)
    except ValidationError as error:
        raise _cannot_be_used([f"{LOCAL_KEY}: found {found!r}; allowed: true, false"]) from error


def _on_a_laptop(chosen: Environment) -> Environment:
    """Bound to no account. An instance costs nothing there, so that none is saved: a canary needs two."""
    instances = Instances(at_least=chosen.instances.at_least)
    return chosen.model_copy(update={"account": None, "region": None, "instances": instances})


def _tables(found: Any) -> _Tables:
    try:
        return _Tables.model_validate(found)
    except ValidationError as error:
        raise _cannot_be_used([_problem(dict(details), key=CONTEXT_KEY) for details in error.errors()]) from error


def _environments(tables: _Tables, *, chosen: EnvironmentName) -> dict[EnvironmentName, Environment]:
    """The environments that have a table, and the chosen one."""
    environments, problems = {}, []
    for name in (each for each in ENVIRONMENTS if each in {*tables.environments, chosen}):
        shared, own = tables.model_extra or {}, tables.environments.get(name, {})
        try:
            settings = PlatformSettings.model_validate(_merged(_merged(DEFAULTS[name], shared), own))
        except ValidationError as error:
            found = [dict(details) for details in error.errors()]
            problems += [_problem(each, key=_key(name) if _is_in(own, each) else CONTEXT_KEY) for each in found]
        else:
            environments[name] = Environment(name=name, **dict(settings))
    if problems:
        raise _cannot_be_used(problems)
    return {name: _with_longer_prefixes(each, environments.values()) for name, each in environments.items()}


def _with_longer_prefixes(one: Environment, environments: Iterable[Environment]) -> Environment:
    others = (other for other in environments if other.prefix.startswith(f"{one.prefix}-") and _may_meet(one, other))
    return one.model_copy(update={"longer_prefixes": tuple(other.prefix for other in others)})


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with what `over` sets, tables key by key."""
    both = {
        key: _merged(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {**under, **both}


def _is_in(table: Any, problem: Mapping[str, Any]) -> bool:
    """Whether the value that a problem is about stands in this table, or a part of it does."""
    for key in problem["loc"]:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return bool(problem["loc"]) or bool(table)


def _check_prefixes(environments: Mapping[EnvironmentName, Environment]) -> None:
    """Two environments that may lie in one account and region have to be told apart by their prefix."""
    problems = [
        f"{CONTEXT_KEY}.environments: found the prefix {one.prefix!r} for {one.name} and {other.name}, which may be of "
        "one account and region; allowed: a prefix each, or an account and region each"
        for one, other in combinations(environments.values(), 2)
        if one.prefix == other.prefix and _may_meet(one, other)
    ]
    if problems:
        raise _cannot_be_used(problems)


def _may_meet(one: PlatformSettings, other: PlatformSettings) -> bool:
    places = (one.account, one.region), (other.account, other.region)
    return None in places[0] + places[1] or places[0] == places[1]


def _cannot_be_used(problems: Sequence[str]) -> OperatorError:
    lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
    return OperatorError(f"the settings of cdk.json cannot be used:\n{lines}")


def _key(environment: EnvironmentName) -> str:
    return f"{CONTEXT_KEY}.environments.{environment}"


def _problem(details: Mapping[str, Any], *, key: str) -> str:
    location = [str(part) for part in details["loc"] if part != "[key]"]
    dotted = ".".join([key, *location])
    if details["type"] == "extra_forbidden":
        return f"{dotted}: found an unknown key; allowed: {', '.join(_keys_beside(location))}"
    allowed = details["msg"]
    for opening in ("Input should be ", "String should ", "Value error, "):
        allowed = allowed.removeprefix(opening)
    allowed = re.sub(r" or instance of \w+", "", allowed)
    found = "this table" if details["type"] == "value_error" else repr(details["input"])
    return f"{dotted}: found {found}; allowed: {allowed}"


def _keys_beside(location: Sequence[str]) -> Iterator[str]:
    """The keys of the table that the last key of `location` stands in."""
    section: type[BaseModel] = PlatformSettings
    for name in location[:-1]:
        table: Any = section.model_fields[name].annotation
        section = table
    yield from section.model_fields
