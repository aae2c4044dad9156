"""What is wrong with a definition: what AWS refuses, and what AWS runs and the local cloud does not.

The codes and places are those of ValidateStateMachineDefinition. What is only missing here is told apart, because it is
no mistake of whoever wrote it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local.services.states.definition import JSONATA, Kind
from local.services.states.fields import (
    ELSEWHERE,
    FIELDS,
    JSONPATH_FIELDS,
    REQUIRED,
    Problem,
    field_problems,
    missing_here,
    wrong,
)

LONGEST_NAME: Final = 80
TARGET: Final = "MISSING_TRANSITION_TARGET"
TOP_FIELDS: Final = frozenset({"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"})
FLOW_FIELDS: Final = frozenset({"StartAt", "States", "Comment", "ProcessorConfig"})


def problems_of(text: str) -> list[Problem]:
    """Everything that is wrong; none where the definition can be run here."""
    try:
        document = json.loads(text)
    except ValueError as error:
        return [Problem("INVALID_JSON_DESCRIPTION", f"Parse error: {error}", "")]
    if not isinstance(document, Mapping):
        return [Problem("SCHEMA_VALIDATION_FAILED", "Value is not an object", "/")]
    return list(dict.fromkeys(_of_machine(document)))


def _of_machine(document: Mapping[str, Any]) -> Iterator[Problem]:
    language = document.get("QueryLanguage", "JSONPath")
    if language not in ("JSONPath", JSONATA):
        yield wrong("Value should be one of the following: [JSONPath, JSONata]", "/QueryLanguage")
    timeout = document.get("TimeoutSeconds", 1)
    if not _is_whole(timeout) or timeout < 1:
        yield wrong("Value should be a whole number of at least 1", "/TimeoutSeconds")
    if document.get("Version", "1.0") != "1.0":
        yield wrong("Value should be 1.0", "/Version")
    yield from _unknown(document, TOP_FIELDS, "")
    yield from _of_flow(document, "", language=language, outer=frozenset())
    for name, count in Counter(_names(document)).items():
        if count > 1:
            yield wrong(f"The name '{name}' is given to {count} states", "/States")


def _of_flow(document: Mapping[str, Any], place: str, *, language: str, outer: frozenset[str]) -> Iterator[Problem]:
    states, start = document.get("States"), document.get("StartAt")
    if not isinstance(states, Mapping) or not states:
        yield wrong("Field is required", f"{place}/States")
        return
    if not isinstance(start, str):
        yield wrong("Field is required", f"{place}/StartAt")
    elif start not in states:
        yield Problem(TARGET, f"Missing 'Next' target: {start}", f"{place}/StartAt")
    own = frozenset(name for fields in states.values() for name in _assigned(fields))
    for name in sorted(own & outer):
        yield wrong(f"The variable '{name}' is assigned in an outer scope already", place or "/")
    for name, fields in states.items():
        where = f"{place}/States/{name}"
        if not 0 < len(name) <= LONGEST_NAME:
            yield wrong(f"A state's name has 1 to {LONGEST_NAME} characters", where)
        if not isinstance(fields, Mapping):
            yield wrong("Value is not an object", where)
            continue
        yield from _of_state(fields, where, language=language)
        for at, inner in _inner_flows(fields):
            if isinstance(inner, Mapping):
                yield from _unknown(inner, FLOW_FIELDS, f"{where}/{at}")
                yield from _of_flow(inner, f"{where}/{at}", language=language, outer=outer | own)
            else:
                yield wrong("Value is not an object", f"{where}/{at}")
    yield from _transitions(states, start, place)


def _of_state(fields: Mapping[str, Any], where: str, *, language: str) -> Iterator[Problem]:
    own = fields.get("QueryLanguage", language)
    kind = fields.get("Type")
    if own != JSONATA:
        yield missing_here("the local cloud runs the query language JSONata alone", where)
        return
    if kind not in list(Kind):
        yield wrong(f"Value should be one of the following: [{', '.join(Kind)}]", f"{where}/Type")
        return
    for name in fields:
        if name in ELSEWHERE.get(kind, ()):
            yield missing_here(f"the local cloud's {kind} states have no {name}", f"{where}/{name}")
        elif name in JSONPATH_FIELDS or name.endswith(".$"):
            message = f"The QueryLanguage is set to 'JSONata', but field '{name}' is only supported for the 'JSONPath' "
            yield wrong(f"{message}QueryLanguage", where)
        elif name not in FIELDS[kind]:
            yield wrong(f"Field '{name}' is not supported", f"{where}/{name}")
    for name in REQUIRED[kind]:
        if name not in fields:
            yield wrong("Field is required", f"{where}/{name}")
    yield from field_problems(Kind(kind), fields, where)


def _transitions(states: Mapping[str, Any], start: Any, place: str) -> Iterator[Problem]:
    """Each target is there, each state is reached, each but the last ones goes on, and one of those is reached."""
    reached, waiting = set[str](), [start] if isinstance(start, str) else []
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached and isinstance(states[name], Mapping):
            reached.add(name)
            waiting += [target for _at, target in _targets(states[name]) if isinstance(target, str)]
    for name, fields in states.items():
        where = f"{place}/States/{name}"
        if not isinstance(fields, Mapping):
            continue
        for at, target in _targets(fields):
            if target not in states:
                yield Problem(TARGET, f"Missing 'Next' target: {target}", f"{where}/{at}")
        if name not in reached:
            yield Problem(TARGET, f'State "{name}" is not reachable.', where)
        ends = fields.get("Type") in (Kind.CHOICE, Kind.SUCCEED, Kind.FAIL)
        if not ends and ("Next" in fields) == (fields.get("End") is True):
            yield wrong("Exactly one of 'Next' and 'End' is required", where)
    if reached and not any(_is_last(states[name]) for name in reached):
        yield Problem("MISSING_END_STATE", "No path leads to a terminal state.", place or "/")


def _targets(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("Next", "Default"):
        if name in fields:
            yield name, fields[name]
    for name in ("Choices", "Catch"):
        for at, each in enumerate(fields[name] if isinstance(fields.get(name), list) else ()):
            if isinstance(each, Mapping) and "Next" in each:
                yield f"{name}[{at}]/Next", each["Next"]


def _is_last(fields: Mapping[str, Any]) -> bool:
    return fields.get("End") is True or fields.get("Type") in (Kind.SUCCEED, Kind.FAIL)


def _inner_flows(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if fields.get("Type") == Kind.PARALLEL and isinstance(fields.get("Branches"), list):
        yield from ((f"Branches[{at}]", each) for at, each in enumerate(fields["Branches"]))
    if fields.get("Type") == Kind.MAP and "ItemProcessor" in fields:
        yield "ItemProcessor", fields["ItemProcessor"]


def _names(document: Any) -> Iterator[str]:
    states = document.get("States") if isinstance(document, Mapping) else None
    for name, fields in states.items() if isinstance(states, Mapping) else ():
        yield name
        for _at, inner in _inner_flows(fields) if isinstance(fields, Mapping) else ():
            yield from _names(inner)


def _assigned(fields: Any) -> Iterator[str]:
    """The variables that a state may assign."""
    if not isinstance(fields, Mapping):
        return
    lists = [fields[name] for name in ("Choices", "Catch") if isinstance(fields.get(name), list)]
    for each in (fields, *(entry for entries in lists for entry in entries)):
        if isinstance(each, Mapping) and isinstance(each.get("Assign"), Mapping):
            yield from each["Assign"]


def _unknown(document: Mapping[str, Any], known: frozenset[str], place: str) -> Iterator[Problem]:
    for name in document:
        if name not in known:
            yield wrong(f"Field '{name}' is not supported", f"{place}/{name}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
