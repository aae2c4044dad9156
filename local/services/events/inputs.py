"""What of an event a target gets: all of it, a part (InputPath), a constant (Input), or a text made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Document = Mapping[str, Any]

PLACEHOLDER: Final = re.compile(r"<([A-Za-z0-9_.\-]+)>")
STEP: Final = re.compile(r"\.([A-Za-z0-9_\-]+)|\[(\d+)\]|\['([^']+)'\]")


class InputRefused(ValueError):
    """A target's input cannot be made: a path that is no path, a text that is no JSON."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transformer may name beside the event's own parts."""

    rule_arn: str
    rule_name: str
    ingestion_time: str


def target_input(target: Document, event: Document, around: Surroundings) -> str:
    """The text that is delivered to a target: JSON, or what its InputTransformer makes.

    Raises: InputRefused.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(at_path(event, str(target["InputPath"])))
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event, around)
    return json.dumps(event)


def at_path(event: Document, path: str) -> Any:
    """The value at `$.detail.items[0].name`; None where there is none.

    Raises: InputRefused for what is no such path.
    """
    rest = path.removeprefix("$")
    if not path.startswith("$") or STEP.sub("", rest):
        raise InputRefused(f"found the path {path!r}; the local cloud knows $, $.name, $['name'] and [0]")
    value: Any = event
    for match in STEP.finditer(rest):
        name, index, quoted = match.groups()
        if index is not None:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            value = value.get(name or quoted) if isinstance(value, Mapping) else None
    return value


def _transformed(transformer: Document, event: Document, around: Surroundings) -> str:
    """The template with every `<variable>` filled in: as JSON, or inside a string of the template as its text."""
    values = {name: at_path(event, str(path)) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.rule-arn": around.rule_arn,
        "aws.events.rule-name": around.rule_name,
        "aws.events.event.ingestion-time": around.ingestion_time,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }
    template = str(transformer["InputTemplate"])
    pieces: list[str] = []
    last = 0
    for match in PLACEHOLDER.finditer(template):
        if match[1] not in values:
            raise InputRefused(f"the template names <{match[1]}>, which InputPathsMap does not have")
        before = template[last : match.start()]
        pieces += [before, _filled(values[match[1]], in_text=_in_text("".join(pieces) + before))]
        last = match.end()
    return "".join([*pieces, template[last:]])


def _in_text(before: str) -> bool:
    """Whether what follows stands between quotes."""
    return len(re.findall(r'(?<!\\)"', before)) % 2 == 1


def _filled(value: Any, *, in_text: bool) -> str:
    """A value inside quotes loses its own; what is absent is empty there, and null elsewhere."""
    if not in_text:
        return json.dumps(value)
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]
