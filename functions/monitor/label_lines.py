"""Reads labels as the gateway stored them, a JSON object a line. What is none comes back with the reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from functions.monitor.captures import Unreadable


class LabelReason(StrEnum):
    """Why a line is no label."""

    NOT_JSON = "not-json"
    NOT_A_LABEL = "not-a-label"
    """JSON, but not an object with `inference_id`, `row`, `label` and `received`."""


class Label(NamedTuple):
    """`row` is None where the caller did not say which row of the request it is for."""

    inference_id: str
    row: int | None
    label: Mapping[str, Any]
    received: str


@dataclass(slots=True)
class LabelContents:
    """What is in one file of labels."""

    labels: list[Label] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def read_labels(content: bytes) -> LabelContents:
    """Every label of one file. Empty lines are none."""
    contents = LabelContents()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            found = _label_of(orjson.loads(line))
        except orjson.JSONDecodeError:
            contents.unreadable.append(Unreadable(LabelReason.NOT_JSON, number, line))
            continue
        if found is None:
            contents.unreadable.append(Unreadable(LabelReason.NOT_A_LABEL, number, line))
        else:
            contents.labels.append(found)
    return contents


def newest(labels: Iterable[Label]) -> dict[tuple[str, int | None], Label]:
    """One label a prediction: of several the one that was received last, whichever file it is in. A label without a
    row is one for row 0, unless the request turns out to have more rows.
    """
    found: dict[tuple[str, int | None], Label] = {}
    for label in labels:
        key = (label.inference_id, label.row)
        if key not in found or order_of(label) > order_of(found[key]):
            found[key] = label
    return found


def _label_of(document: Any) -> Label | None:
    if not isinstance(document, dict):
        return None
    inference_id, row, label, received = (document.get(name) for name in Label._fields)
    is_row = row is None or (type(row) is int and row >= 0)
    if isinstance(inference_id, str) and is_row and isinstance(label, dict) and isinstance(received, str):
        return Label(inference_id, row, label, received)
    return None


def order_of(label: Label) -> tuple[str, bytes]:
    """When it was received; of two that were received at once, always the same one."""
    return label.received, orjson.dumps(label.label, option=orjson.OPT_SORT_KEYS)
