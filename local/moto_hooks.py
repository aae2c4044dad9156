"""Everything of moto's insides that Flyball replaces, in one place.

moto keeps the state of the AWS APIs; what has to act is handed to `CloudHooks`. Each private name replaced here is
checked when this module is imported, so that another version of moto fails at the start and not in a call.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import inspect
import ipaddress
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

import moto.kms.responses
import moto.logs.models
import moto.s3.models
import moto.sagemaker.models
import moto.sns.models
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.core.base_backend import AccountSpecificBackend, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.events import models as moto_rules
from moto.events.models import EventsBackend, Rule
from moto.iam.access_control import PermissionResult
from moto.iam.models import AWSManagedPolicy
from moto.logs.metric_filters import MetricFilters
from moto.logs.models import LogStream
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.sagemaker.responses import SageMakerResponse

from local.moto_additions import ADDITIONS
from local.moto_listing import listing_quickly
from local.services.events.event import event_time
from local.services.events.schedule_expressions import ScheduleRefused, parse_schedule
from local.services.events.targets import is_within_reach, unreachable
from local.services.lambda_function import Invocation, InvocationRefused, InvocationType
from local.services.logs import moto_filters
from model_packages.errors import OperatorError


class AwsError(ServiceException):
    """`raise AwsError("ResourceNotFound", "...")` in a hook is the error that the caller gets."""


POLLED_SOURCES = frozenset({"aws:sqs", "aws:dynamodb", "aws:kinesis"})
"""Lambda waits for the answer to these sources' events; all others hand over an event and go on."""

Document = Mapping[str, Any]
InvokeLambda = Callable[[str, bytes, InvocationType], Invocation]
SageMakerOperation = Callable[[Document], Document | None]
SageMakerObserver = Callable[[Document, Document], None]
PutDocument = Callable[[str, Document], None]
"""(bus's name, event) -> hands the event to whoever delivers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudHooks:
    """What moto hands on. All of it is called in moto's threads, never in the event loop's: no coroutines here.

    `invoke_lambda(arn, payload, invocation_type)` runs a function that a topic, a queue, a bucket or a rule triggers.
    The function's ARN ends in its version where it is not $LATEST. It may raise InvocationRefused.

    `sagemaker_operations` adds operations that moto lacks, or replaces one: `{"UpdateEndpoint": update_endpoint}`.
    Each gets the call's parameters under AWS's names and returns the response's members; it raises AwsError.

    `sagemaker_observers` are told of each call of an operation that moto carries out, after it has succeeded, with
    its parameters and its response: `{"CreateEndpoint": started, "DeleteEndpoint": ended}`.

    `put_event(bus, event)` takes each event that PutEvents brings, in place of moto's own delivery, and `rules_changed`
    is told that rules were made, changed, enabled, disabled or deleted.

    `now` is the cloud's time, which objects, events, notifications and SageMaker's resources are stamped with.

    `log_lines(group, events)` is told of each batch of events that a log group has got.

    `backend_touched` is told of each backend that anybody reaches for, in the thread that does; it has to be quick.
    """

    invoke_lambda: InvokeLambda
    sagemaker_operations: Mapping[str, SageMakerOperation] = field(default_factory=dict)
    sagemaker_observers: Mapping[str, SageMakerObserver] = field(default_factory=dict)
    put_event: PutDocument | None = None
    rules_changed: Callable[[], None] | None = None
    now: Callable[[], datetime] | None = None
    log_lines: Callable[[str, Sequence[Document]], None] | None = None
    backend_touched: Callable[[BaseBackend], None] | None = None


EXPECTED: Final[Mapping[Callable[..., Any], tuple[str, ...]]] = {
    AccountSpecificBackend.__getitem__: ("self", "region_name"),
    LambdaFunction.__init__: ("self", "account_id", "spec", "region", "version"),
    LambdaBackend.put_function_event_invoke_config: ("self", "function_name", "config"),
    LambdaBackend.update_function_event_invoke_config: ("self", "function_name", "config"),
    LambdaFunction.invoke: ("self", "body", "request_headers", "response_headers"),
    LambdaFunction.update_configuration: ("self", "config_updates"),
    LambdaFunction.get_configuration: ("self", "on_create"),
    FakeBucket.get_permission: ("self", "action", "resource"),
    S3Response.serialized: ("self", "action_result"),
    AWSManagedPolicy.from_data: ("name", "account_id", "region_name", "data"),
    vars(moto.kms.responses)["validate_policy"]: ("key", "action"),
    SageMakerResponse.create_endpoint: ("self",),
    vars(moto.sns.models)["requests"].post: ("url", "data", "json", "kwargs"),
    LogStream.put_log_events: ("self", "log_events"),
    MetricFilters.add_filter: ("self", "filter_name", "filter_pattern", "log_group_name", "metric_transformations"),
    vars(moto.logs.models)["EventMessageFilter"]: ("pattern",),
    Rule.send_to_targets: ("self", "original_event", "transform_input"),
    EventsBackend.put_events: tuple("self events".split()),  # noqa: SIM905  # alone it would be a service's name
    EventsBackend.put_targets: ("self", "name", "event_bus_arn", "targets"),
    EventsBackend.put_rule: (
        *("self", "name", "description", "event_bus_arn", "event_pattern", "role_arn", "scheduled_expression"),
        *("state", "managed_by", "tags"),
    ),
    EventsBackend.delete_rule: ("self", "name", "event_bus_arn"),
    EventsBackend.enable_rule: ("self", "name", "event_bus_arn"),
    EventsBackend.disable_rule: ("self", "name", "event_bus_arn"),
    vars(moto.s3.models)["utcnow"]: (),
    vars(moto.sagemaker.models)["utcnow"]: (),
    vars(moto_rules)["unix_time"]: ("dt",),
    vars(moto.sns.models)["iso_8601_datetime_with_milliseconds"]: ("value",),
}


def check_moto() -> None:
    """Raises OperatorError where a name that is replaced has other parameters than it had."""
    for function, expected in EXPECTED.items():
        found = tuple(inspect.signature(function).parameters)
        if found != expected:
            raise OperatorError(
                f"moto {version('moto')} has {function.__qualname__}{found} where {expected} is expected; "
                "install the version that requirements/lock.txt names"
            )


check_moto()


def install(hooks: CloudHooks) -> Callable[[], None]:
    """Make moto call the hooks, for all of this process. Returns the function that undoes it."""
    with ExitStack() as undo:
        _replace(undo, LambdaFunction, "__init__", _keep_configuration)
        _replace(undo, LambdaFunction, "update_configuration", _update_configuration)
        _replace(undo, LambdaFunction, "get_configuration", _show_configuration)
        _replace(undo, LambdaBackend, "put_function_event_invoke_config", _put_in_place)
        _replace(undo, LambdaBackend, "update_function_event_invoke_config", _update_in_place)
        _replace(undo, LambdaFunction, "invoke", lambda _original: _invoke(hooks.invoke_lambda))
        _replace(undo, FakeBucket, "get_permission", lambda _original: _decided_before)
        _replace(undo, S3Response, "serialized", listing_quickly)
        _replace(undo, moto.kms.responses, "validate_policy", lambda _original: _decided_before)
        _replace(
            undo, moto.sns.models, "requests", lambda original: SimpleNamespace(post=_loopback_only(original.post))
        )
        _replace(undo, AWSManagedPolicy, "from_data", _with_lasting_id)
        _replace(undo, EventsBackend, "put_targets", _within_reach)
        _replace(undo, EventsBackend, "put_rule", _with_a_schedule_that_fires)
        if hooks.put_event is not None:
            _replace(undo, EventsBackend, "put_events", _told_of_events(hooks.put_event))
            _replace(undo, Rule, "send_to_targets", lambda _original: _sent_before)
        for change in ("put_rule", "delete_rule", "enable_rule", "disable_rule") if hooks.rules_changed else ():
            _replace(undo, EventsBackend, change, _telling_of_rules(hooks.rules_changed))
        if hooks.now is not None:
            now = hooks.now
            _replace(undo, moto.s3.models, "utcnow", lambda _original: _ascending(now))
            _replace(undo, moto.sagemaker.models, "utcnow", lambda _original: _ascending(now))
            _replace(undo, moto.sns.models, "iso_8601_datetime_with_milliseconds", _by(now))
            _replace(undo, moto_rules, "unix_time", lambda _original: lambda: now().timestamp())
        _replace(undo, moto.logs.models, "EventMessageFilter", lambda _original: moto_filters.PatternFilter)
        _replace(undo, MetricFilters, "add_filter", lambda _original: moto_filters.put_in_place)
        if hooks.log_lines is not None:
            _replace(undo, LogStream, "put_log_events", _telling_of_lines(hooks.log_lines))
        if hooks.backend_touched is not None:
            _replace(undo, AccountSpecificBackend, "__getitem__", _telling(hooks.backend_touched))
        for response, methods in ADDITIONS.items():
            for method in methods:
                _add(undo, response, method.__name__, method)
        for operation, observer in hooks.sagemaker_observers.items():
            _replace(undo, SageMakerResponse, camelcase_to_underscores(operation), _observed_by(observer))
        for operation, carry_out in hooks.sagemaker_operations.items():
            _add(undo, SageMakerResponse, camelcase_to_underscores(operation), _carried_out_by(carry_out))
        return undo.pop_all().close


def _replace(undo: ExitStack, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Raises AttributeError where there is nothing of that name to replace."""
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    undo.callback(setattr, owner, name, original)


def _add(undo: ExitStack, owner: Any, name: str, value: Any) -> None:
    if hasattr(owner, name):
        _replace(undo, owner, name, lambda _original: value)
    else:
        setattr(owner, name, value)
        undo.callback(delattr, owner, name)


def _invoke(invoke_lambda: InvokeLambda) -> Callable[..., str | bytes]:
    """In place of LambdaFunction.invoke, through which moto's topics, queues, buckets and rules go."""

    def invoke(self: Any, body: str, request_headers: Any, response_headers: Any) -> str | bytes:
        named = request_headers.get("x-amz-invocation-type")
        invocation_type = InvocationType(named) if named else type_for_event(body)
        try:
            invocation = invoke_lambda(self.function_arn, body.encode(), invocation_type)
        except InvocationRefused as refusal:
            document = {"errorType": refusal.code, "errorMessage": str(refusal)}
            invocation = Invocation(json.dumps(document).encode(), 200, "Unhandled")
        if invocation.function_error is not None:
            response_headers["x-amz-function-error"] = invocation.function_error
        response_headers["x-amz-log-result"] = base64.b64encode(invocation.log_tail).decode()
        return invocation.payload

    return invoke


def type_for_event(body: str) -> InvocationType:
    """How AWS invokes a function with this event: sources that are polled wait for the answer."""
    event = json.loads(body or "{}")
    records = event.get("Records") if isinstance(event, dict) else None
    source = records[0].get("eventSource") if records else None
    return InvocationType.REQUEST_RESPONSE if source in POLLED_SOURCES else InvocationType.EVENT


def _keep_configuration(original: Callable[..., None]) -> Callable[..., None]:
    """moto forgets a function's LoggingConfig and DeadLetterConfig."""

    @functools.wraps(original)
    def init(self: Any, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        self.logging_config, self.dead_letter_config = spec.get("LoggingConfig"), spec.get("DeadLetterConfig")
        original(self, account_id, spec, region, version)

    return init


def _update_configuration(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto leaves these members as they were at creation."""

    @functools.wraps(original)
    def update_configuration(self: Any, config_updates: dict[str, Any]) -> Any:
        self.logging_config = config_updates.get("LoggingConfig", self.logging_config)
        self.dead_letter_config = config_updates.get("DeadLetterConfig", self.dead_letter_config)
        self.tracing_config = config_updates.get("TracingConfig", self.tracing_config)
        self.kms_key_arn = config_updates.get("KMSKeyArn", self.kms_key_arn)
        self.ephemeral_storage = (config_updates.get("EphemeralStorage") or {"Size": self.ephemeral_storage})["Size"]
        return original(self, config_updates)

    return update_configuration


def _show_configuration(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  # moto's
        dead_letters = {"DeadLetterConfig": self.dead_letter_config} if self.dead_letter_config else {}
        logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}", **(self.logging_config or {})}
        return {**original(self, on_create), "LoggingConfig": logging, **dead_letters}

    return get_configuration


def _put_in_place(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto keeps every event invoke config that a function ever had, and shows the first."""

    @functools.wraps(original)
    def put(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        answer = original(self, function_name, config)
        function = self.get_function(function_name)
        function.event_invoke_config = function.event_invoke_config[-1:]
        return answer

    return put


def _update_in_place(_original: Callable[..., Any]) -> Callable[..., Any]:
    """moto takes an update for a config of its own."""

    def update(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        former = self.get_function(function_name).event_invoke_config
        merged = {**(former[-1].config if former else {}), **config}
        return self.put_function_event_invoke_config(function_name, merged)

    return update


def _with_lasting_id(original: Callable[..., Any]) -> Any:
    """moto gives AWS's own policies another id in each process."""

    def from_data(_cls: type[Any], name: str, account_id: str, region_name: str, data: dict[str, Any]) -> Any:
        policy = original(name, account_id, region_name, data)
        policy.id = "ANPA" + base64.b32encode(hashlib.sha256(policy.arn.encode()).digest()).decode()[:17]
        return policy

    return classmethod(from_data)


def _telling(touched: Callable[[BaseBackend], None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def getitem(self: Any, region_name: str) -> Any:
            backend = original(self, region_name)
            touched(backend)
            return backend

        return getitem

    return wrap


def _within_reach(original: Callable[..., None]) -> Callable[..., None]:
    """moto takes targets that nobody delivers to."""

    @functools.wraps(original)
    def put_targets(self: Any, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]) -> None:
        for arn in (target["Arn"] for target in targets):
            if not is_within_reach(arn) and re.match(r"arn:[^:]+:[^:]+:", arn):
                raise AwsError("ValidationException", unreachable(arn.split(":")[2], arn))
        original(self, name, event_bus_arn, targets)

    return put_targets


def _with_a_schedule_that_fires(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto looks at the outline of a schedule only."""

    @functools.wraps(original)
    def put_rule(self: Any, name: str, **members: Any) -> Any:
        if expression := members.get("scheduled_expression"):
            try:
                parse_schedule(expression, anchor=datetime.now(UTC))
            except ScheduleRefused as refused:
                raise AwsError("ValidationException", f"Parameter ScheduleExpression is not valid: {refused}") from None
        return original(self, name, **members)

    return put_rule


def _told_of_events(put_event: PutDocument) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """moto asks each rule in turn; here an event goes whole to whoever knows the rules."""

    def wrap(original: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[dict[str, Any]]]:
        @functools.wraps(original)
        def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            entries = original(self, events)
            for event, entry in zip(events, entries, strict=True):
                if "EventId" in entry:
                    put_event(self._normalize_event_bus_arn(event.get("EventBusName")), _event(self, event, entry))
            return entries

        return put_events

    return wrap


def _event(backend: EventsBackend, event: Document, entry: Document) -> Document:
    """An entry of PutEvents in the form that targets get."""
    given = event.get("Time")
    seconds = vars(moto_rules)["unix_time"]() if given is None else float(given)
    return {
        "version": "0",
        "id": entry["EventId"],
        "detail-type": event["DetailType"],
        "source": event["Source"],
        "account": backend.account_id,
        "time": event_time(datetime.fromtimestamp(seconds, UTC)),
        "region": backend.region_name,
        "resources": list(event.get("Resources") or []),
        "detail": json.loads(event["Detail"]),
    }


def _sent_before(*_arguments: Any) -> None:
    """In place of moto's delivery to the targets of one rule."""


def _telling_of_rules(changed: Callable[[], None] | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def change(self: Any, *arguments: Any, **members: Any) -> Any:
            answer = original(self, *arguments, **members)
            if changed is not None:
                changed()
            return answer

        return change

    return wrap


def _by(now: Callable[[], datetime]) -> Callable[[Callable[[datetime], str]], Callable[..., str]]:
    """moto's way to write a moment, with the cloud's time where none is given."""

    def wrap(original: Callable[[datetime], str]) -> Callable[..., str]:
        return lambda value=None: original(value or now().astimezone(UTC).replace(tzinfo=None))

    return wrap


def _ascending(now: Callable[[], datetime]) -> Callable[[], datetime]:
    """The cloud's time without its zone, as moto has it, and never the same twice, though that time may stand still."""
    lock, last = threading.Lock(), [datetime.min]

    def utcnow() -> datetime:
        with lock:
            last[0] = max(now().astimezone(UTC).replace(tzinfo=None), last[0] + timedelta(microseconds=1))
            return last[0]

    return utcnow


def _telling_of_lines(observe: Callable[[str, Sequence[Document]], None]) -> Callable[[Callable[..., str]], Any]:
    def wrap(original: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(original)
        def put_log_events(self: Any, log_events: list[dict[str, Any]]) -> str:
            answer = original(self, log_events)
            observe(self.log_group.name, log_events)
            return answer

        return put_log_events

    return wrap


def _decided_before(*_arguments: Any) -> Any:
    """moto's judgement of a policy: none. The guard of the cloud port has decided before a call gets here."""
    return PermissionResult.NEUTRAL


def _loopback_only(post: Callable[..., Any]) -> Callable[..., Any]:
    """A topic's HTTP subscriptions reach this machine and no other."""

    def post_to_loopback(url: str, **arguments: Any) -> Any:
        if not is_loopback(url):
            raise AwsError("InvalidParameter", f"the local cloud delivers to this machine only, not to {url}")
        return post(url, timeout=30, **arguments)

    return post_to_loopback


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own by its name alone: nothing is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _observed_by(observer: SageMakerObserver) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def observed(self: Any) -> Any:
            result = original(self)
            observer(dict(self.params), _response_members(result))
            return result

        return observed

    return wrap


def _response_members(result: Any) -> Document:
    """A response of moto's as a document; some operations return it, some return its JSON."""
    members = result.result if isinstance(result, ActionResult) else json.loads(result or "{}")
    return members if isinstance(members, dict) else {}


def _carried_out_by(operation: SageMakerOperation) -> Callable[..., Any]:
    def carry_out(self: Any) -> ActionResult:
        members = operation(dict(self.params))
        return EmptyResult() if members is None else ActionResult(dict(members))

    return carry_out
