"""What may stand in the fields of a state, by its type: which there are, and which values they take."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local.services.states.arguments import argument_problems
from local.services.states.definition import Kind
from local.services.states.expressions import is_expression, source_of
from local.services.states.integrations import ResourceRefused, integration_of
from local.services.states.references import EVERYWHERE, wrong_references

SCHEMA: Final = "SCHEMA_VALIDATION_FAILED"
NOT_HERE: Final = "NOT_IMPLEMENTED_BY_LOCAL_CLOUD"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a definition, and where."""

    code: str
    message: str
    location: str

    @property
    def is_missing_here(self) -> bool:
        """Whether AWS would run it."""
        return self.code == NOT_HERE

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}" if self.location else f"{self.code}: {self.message}"


def wrong(message: str, location: str) -> Problem:
    """What breaks the schema."""
    return Problem(SCHEMA, message, location)


def missing_here(message: str, location: str) -> Problem:
    """What the local cloud does not run."""
    return Problem(NOT_HERE, message, location)


_COMMON: Final = ("Type", "Comment", "QueryLanguage", "Output")
_FLOWING: Final = (*_COMMON, "Assign", "Next", "End")

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    Kind.TASK: frozenset((*_FLOWING, "Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Retry", "Catch")),
    Kind.PASS: frozenset(_FLOWING),
    Kind.WAIT: frozenset((*_FLOWING, "Seconds", "Timestamp")),
    Kind.CHOICE: frozenset((*_COMMON, "Assign", "Choices", "Default")),
    Kind.SUCCEED: frozenset(_COMMON),
    Kind.FAIL: frozenset(("Type", "Comment", "QueryLanguage", "Error", "Cause")),
    Kind.PARALLEL: frozenset((*_FLOWING, "Branches", "Arguments", "Retry", "Catch")),
    Kind.MAP: frozenset((*_FLOWING, "Items", "ItemSelector", "ItemProcessor", "MaxConcurrency", "Retry", "Catch")),
}
ELSEWHERE: Final[Mapping[str, frozenset[str]]] = {
    Kind.TASK: frozenset(("Credentials",)),
    Kind.MAP: frozenset(
        (
            *("ItemReader", "ItemBatcher", "ResultWriter", "Label", "Iterator"),
            *("ToleratedFailureCount", "ToleratedFailurePercentage"),
        )
    ),
}
"""What AWS has and the local cloud has not."""
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    Kind.TASK: ("Resource",),
    Kind.PASS: (),
    Kind.WAIT: (),
    Kind.CHOICE: ("Choices",),
    Kind.SUCCEED: (),
    Kind.FAIL: (),
    Kind.PARALLEL: ("Branches",),
    Kind.MAP: ("ItemProcessor",),
}
JSONPATH_FIELDS: Final = frozenset(
    (
        *("InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "Result", "ItemsPath"),
        *("MaxConcurrencyPath", "SecondsPath", "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath"),
        *("ErrorPath", "CausePath"),
    )
)

WITH_RESULT: Final = EVERYWHERE | {"result"}
WITH_ERROR: Final = EVERYWHERE | {"errorOutput"}
HAS_RESULT: Final = frozenset({Kind.TASK, Kind.PARALLEL, Kind.MAP})
VARIABLE: Final = re.compile(r"[^\W\d]\w{0,79}$")
RETRIER_FIELDS: Final = frozenset(
    (
        *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"),
        "Comment",
    )
)
LONGEST_WAIT_SECONDS: Final = 99_999_999


def field_problems(kind: Kind, fields: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What is wrong with the values of the fields that a state has."""
    scope = WITH_RESULT if kind in HAS_RESULT else EVERYWHERE
    yield from _outputs(fields, where, allowed=scope)
    for name in ("Arguments", "ItemSelector", "Items", "MaxConcurrency", "Seconds", "Timestamp", "Error", "Cause"):
        yield from _templates(fields.get(name), f"{where}/{name}", allowed=EVERYWHERE)
    for name in ("TimeoutSeconds", "HeartbeatSeconds"):
        yield from _templates(fields.get(name), f"{where}/{name}", allowed=EVERYWHERE)
        yield from _number(fields, name, where, least=1, most=LONGEST_WAIT_SECONDS)
    yield from _retriers(fields.get("Retry", []), f"{where}/Retry")
    yield from _catchers(fields.get("Catch", []), f"{where}/Catch")
    match kind:
        case Kind.TASK:
            yield from _task(fields, where)
        case Kind.WAIT:
            yield from _wait(fields, where)
        case Kind.CHOICE:
            yield from _choices(fields.get("Choices"), f"{where}/Choices")
        case Kind.FAIL:
            for name in ("Error", "Cause"):
                if not isinstance(fields.get(name, ""), str):
                    yield wrong("Expected value of type [STRING]", f"{where}/{name}")
        case Kind.PARALLEL if not isinstance(fields.get("Branches"), list) or not fields["Branches"]:
            yield wrong("Expected a list of at least one branch", f"{where}/Branches")
        case Kind.MAP:
            yield from _map(fields, where)


def _task(fields: Mapping[str, Any], where: str) -> Iterator[Problem]:
    timeout, heartbeat = fields.get("TimeoutSeconds"), fields.get("HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        yield wrong("Value should be less than TimeoutSeconds", f"{where}/HeartbeatSeconds")
    resource = fields.get("Resource")
    if not isinstance(resource, str):
        return
    try:
        integration = integration_of(resource)
    except ResourceRefused as refused:
        make = missing_here if refused.is_known_to_aws else wrong
        yield make(str(refused), f"{where}/Resource")
        return
    for message in argument_problems(integration, fields.get("Arguments", {})):
        yield wrong(message, f"{where}/Arguments")
    waits = resource.endswith(".waitForTaskToken")
    if waits and "Task.Token" not in str(fields.get("Arguments")):
        yield wrong("$states.context.Task.Token is not handed out", f"{where}/Arguments")


def _wait(fields: Mapping[str, Any], where: str) -> Iterator[Problem]:
    if ("Seconds" in fields) == ("Timestamp" in fields):
        yield wrong("Exactly one of 'Seconds' and 'Timestamp' is required", where)
    yield from _number(fields, "Seconds", where, least=0, most=LONGEST_WAIT_SECONDS)
    moment = fields.get("Timestamp")
    if moment is not None and not is_expression(moment) and not is_moment(moment):
        yield wrong("Value should be a time as of RFC3339, as in 2026-01-01T00:00:00Z", f"{where}/Timestamp")


def _map(fields: Mapping[str, Any], where: str) -> Iterator[Problem]:
    processor = fields.get("ItemProcessor")
    config = processor.get("ProcessorConfig", {}) if isinstance(processor, Mapping) else {}
    if not isinstance(config, Mapping):
        yield wrong("Value is not an object", f"{where}/ItemProcessor/ProcessorConfig")
    elif config.get("Mode", "INLINE") != "INLINE":
        place = f"{where}/ItemProcessor/ProcessorConfig/Mode"
        yield missing_here(f"found {config['Mode']}; the local cloud runs INLINE maps alone", place)
    items = fields.get("Items")
    if items is not None and not isinstance(items, list) and not is_expression(items):
        yield wrong("Expected an array, or JSONata", f"{where}/Items")
    yield from _number(fields, "MaxConcurrency", where, least=0, most=LONGEST_WAIT_SECONDS)


def _choices(choices: Any, where: str) -> Iterator[Problem]:
    if not isinstance(choices, list) or not choices:
        yield wrong("Expected a list of at least one rule", where)
        return
    for at, rule in enumerate(choices):
        place = f"{where}[{at}]"
        if not isinstance(rule, Mapping):
            yield wrong("Value is not an object", place)
            continue
        for name in rule.keys() - {"Condition", "Next", "Assign", "Output", "Comment"}:
            yield wrong(f"Field '{name}' is not supported", f"{place}/{name}")
        for name in ("Condition", "Next"):
            if name not in rule:
                yield wrong("Field is required", f"{place}/{name}")
        condition = rule.get("Condition", True)
        if not isinstance(condition, bool) and not is_expression(condition):
            yield wrong("Expected a boolean, or JSONata", f"{place}/Condition")
        yield from _templates(condition, f"{place}/Condition", allowed=EVERYWHERE)
        yield from _outputs(rule, place, allowed=EVERYWHERE)


def _retriers(retriers: Any, where: str) -> Iterator[Problem]:
    if not isinstance(retriers, list):
        yield wrong("Expected a list", where)
        return
    for at, retrier in enumerate(retriers):
        place = f"{where}[{at}]"
        if not isinstance(retrier, Mapping):
            yield wrong("Value is not an object", place)
            continue
        for name in retrier.keys() - RETRIER_FIELDS:
            yield wrong(f"Field '{name}' is not supported", f"{place}/{name}")
        yield from _names(retrier, place, is_last=at == len(retriers) - 1)
        yield from _number(retrier, "IntervalSeconds", place, least=1, most=LONGEST_WAIT_SECONDS)
        yield from _number(retrier, "MaxAttempts", place, least=0, most=LONGEST_WAIT_SECONDS)
        yield from _number(retrier, "MaxDelaySeconds", place, least=1, most=31_622_400)
        rate = retrier.get("BackoffRate", 1.0)
        if not isinstance(rate, int | float) or isinstance(rate, bool) or rate < 1:
            yield wrong("Value should be a number of at least 1.0", f"{place}/BackoffRate")
        if retrier.get("JitterStrategy", "NONE") not in ("NONE", "FULL"):
            yield wrong("Value should be one of the following: [NONE, FULL]", f"{place}/JitterStrategy")


def _catchers(catchers: Any, where: str) -> Iterator[Problem]:
    if not isinstance(catchers, list):
        yield wrong("Expected a list", where)
        return
    for at, catcher in enumerate(catchers):
        place = f"{where}[{at}]"
        if not isinstance(catcher, Mapping):
            yield wrong("Value is not an object", place)
            continue
        for name in catcher.keys() - {"ErrorEquals", "Next", "Assign", "Output", "Comment"}:
            yield wrong(f"Field '{name}' is not supported", f"{place}/{name}")
        if "Next" not in catcher:
            yield wrong("Field is required", f"{place}/Next")
        yield from _names(catcher, place, is_last=at == len(catchers) - 1)
        yield from _outputs(catcher, place, allowed=WITH_ERROR)


def _names(fields: Mapping[str, Any], where: str, *, is_last: bool) -> Iterator[Problem]:
    names = fields.get("ErrorEquals")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        yield wrong("Expected a list of error names", f"{where}/ErrorEquals")
    elif "States.ALL" in names and (len(names) > 1 or not is_last):
        yield wrong("'States.ALL' has to stand alone, and in the last entry", f"{where}/ErrorEquals")


def _outputs(fields: Mapping[str, Any], where: str, *, allowed: Collection[str]) -> Iterator[Problem]:
    yield from _templates(fields.get("Output"), f"{where}/Output", allowed=allowed)
    assigned = fields.get("Assign", {})
    if not isinstance(assigned, Mapping):
        yield wrong("Value is not an object", f"{where}/Assign")
        return
    for name in assigned:
        if name == "states" or not VARIABLE.match(name):
            yield wrong(f"'{name}' is no name for a variable", f"{where}/Assign/{name}")
    yield from _templates(assigned, f"{where}/Assign", allowed=allowed)


def _templates(template: Any, where: str, *, allowed: Collection[str]) -> Iterator[Problem]:
    if is_expression(template):
        for code, message in wrong_references(source_of(template), allowed=allowed):
            yield Problem(code, message, where)
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield from _templates(value, f"{where}/{key}", allowed=allowed)
    elif isinstance(template, list):
        for at, value in enumerate(template):
            yield from _templates(value, f"{where}[{at}]", allowed=allowed)


def _number(fields: Mapping[str, Any], name: str, where: str, *, least: int, most: int) -> Iterator[Problem]:
    value = fields.get(name, least)
    if is_expression(value):
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        yield wrong(f"Value should be a whole number from {least} to {most}", f"{where}/{name}")


def is_moment(value: Any) -> bool:
    """Whether a value is a time as Step Functions takes it: with a T and a zone."""
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
