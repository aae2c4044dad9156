"""Reads captured records, in SageMaker's own form: a JSON object a line, with what went in and what came out.

It does not care whether the endpoint or the gateway wrote them, and passes over nothing in silence: what it cannot
read comes back with the reason. Pure: bytes in, records out.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from functions.monitor.strict_json import loads
from functions.shared.moments import read_moment
from functions.shared.uuid7 import time_of

INSTANCES, PREDICTIONS, PREDICTION = "instances", "predictions", "prediction"
GZIP_MAGIC = b"\x1f\x8b"
YEARS = range(2000, 2200)
"""Another one is no time; near the calendar's ends, not even the hour could be told."""
_GZIP_WINDOW = 31  # zlib's word for: a gzip header, and its largest window
_CALLER = re.compile(r"(?:^|[;,]\s*)caller=([^;,\s]+)")

Row = Mapping[str, Any]
"""`{"request": {...}, "response": {...}}`, as model_packages.profile folds them."""


class Reason(StrEnum):
    """Why something captured could not be read."""

    BROKEN_GZIP = "broken-gzip"
    NOT_JSON = "not-json"
    NOT_A_RECORD = "not-a-record"
    """JSON, but without `captureData` and `eventMetadata`."""
    NO_ID = "no-id"
    """Neither an inference id nor an event id: nobody could say whether it came twice."""
    NO_TIME = "no-time"
    NO_INPUT = "no-input"
    NO_OUTPUT = "no-output"
    ENCODING = "encoding"
    """Neither JSON nor base64."""
    BODY_NOT_JSON = "body-not-json"
    BODY_FORM = "body-form"
    """JSON that is neither one request nor many, or no answer to it."""
    ROWS_DIFFER = "rows-differ"
    """More predictions than requests, or fewer."""
    LATE = "late"
    """The whole file came too late to be compared."""


class Capture(NamedTuple):
    """One call of the endpoint. A tuple, because there are a hundred thousand in a window."""

    event_id: str
    inference_id: str
    """Empty where the caller gave none: no label can belong to it."""
    time: datetime
    caller: str
    """As the gateway hashed it; empty where nobody said."""
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no record one can use, or no label, as it was found."""

    reason: StrEnum
    line: int
    raw: bytes


@dataclass(slots=True)
class Contents:
    """What is in one captured file."""

    captures: list[Capture] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


class _NotReadable(Exception):
    """Ends the reading of one line."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.value)


def read_captures(content: bytes) -> Contents:
    """Every record of one file, plain or gzip. Empty lines are none."""
    contents = Contents()
    text, is_whole = _decompress(content) if content.startswith(GZIP_MAGIC) else (content, True)
    lines = text.split(b"\n")
    broken = None if is_whole else lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            contents.captures.append(_read_line(line))
        except _NotReadable as problem:
            contents.unreadable.append(Unreadable(problem.reason, number, line))
    if broken is not None:
        contents.unreadable.append(Unreadable(Reason.BROKEN_GZIP, len(lines) + 1, broken))
    return contents


def count_records(content: bytes) -> int:
    """How many lines a file has, readable or not."""
    text = _decompress(content)[0] if content.startswith(GZIP_MAGIC) else content
    return sum(1 for line in text.split(b"\n") if line and not line.isspace())


def _decompress(content: bytes) -> tuple[bytes, bool]:
    """What can be decompressed, and whether that is all; a gzip file may have several members."""
    parts: list[bytes] = []
    while content:
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            parts.append(member.decompress(content))
        except zlib.error:
            return b"".join(parts), False
        if not member.eof:
            return b"".join(parts), False
        content = member.unused_data.lstrip(b"\0")
    return b"".join(parts), True


def _read_line(line: bytes) -> Capture:
    try:
        record = loads(line)
    except ValueError as error:
        raise _NotReadable(Reason.NOT_JSON) from error
    try:
        data, metadata = record["captureData"], record["eventMetadata"]
        event_id, inference_id = metadata.get("eventId") or "", metadata.get("inferenceId") or ""
        sent, answered = data.get("endpointInput"), data.get("endpointOutput")
    except (KeyError, TypeError, AttributeError) as error:
        raise _NotReadable(Reason.NOT_A_RECORD) from error
    if not (event_id or inference_id):
        raise _NotReadable(Reason.NO_ID)
    return Capture(
        event_id=str(event_id),
        inference_id=str(inference_id),
        time=_time(metadata.get("inferenceTime"), inference_id),
        caller=_caller(metadata.get("customAttributes")),
        rows=_rows(_body(sent, Reason.NO_INPUT), _body(answered, Reason.NO_OUTPUT)),
    )


def _time(text: Any, inference_id: Any) -> datetime:
    """When the endpoint answered; else when the gateway made the id."""
    try:
        moment = read_moment(text)
    except (TypeError, ValueError):
        try:
            moment = time_of(inference_id)
        except (TypeError, ValueError, AttributeError):
            raise _NotReadable(Reason.NO_TIME) from None
    if moment.year not in YEARS:
        raise _NotReadable(Reason.NO_TIME)
    return moment


def _caller(attributes: Any) -> str:
    """Who asked, from what SageMaker passed on: a list of texts, or one."""
    texts = attributes if isinstance(attributes, list) else [attributes]
    return next(filter(None, (_caller_in(text) for text in texts if isinstance(text, str))), "")


@lru_cache(maxsize=4096)
def _caller_in(text: str) -> str:
    """Callers come again and again, and a look at a text takes longer than one at those seen before."""
    found = _CALLER.search(text)
    return found[1] if found else ""


def _body(side: Any, missing: Reason) -> Any:
    """The body of one side, parsed."""
    if not isinstance(side, dict) or not isinstance(text := side.get("data"), str):
        raise _NotReadable(missing)
    encoding = side.get("encoding", "JSON")
    try:
        if encoding == "JSON":
            return loads(text)
        if encoding == "BASE64":
            return loads(base64.b64decode(text, validate=True))
    except ValueError as error:  # JSON's and binascii's errors are
        raise _NotReadable(Reason.BODY_NOT_JSON) from error
    raise _NotReadable(Reason.ENCODING)


def _rows(sent: Any, answered: Any) -> Sequence[Row]:
    if type(sent) is not dict or type(answered) is not dict:
        raise _NotReadable(Reason.BODY_FORM)
    many = answered.get(PREDICTIONS)
    if INSTANCES not in sent and type(many) is list and len(many) == 1 and type(many[0]) is dict:
        return [{"request": sent, "response": many[0]}]  # as nearly every record is
    requests = sent.get(INSTANCES, [sent])
    responses = _responses(answered)
    if type(requests) is not list or type(responses) is not list:
        raise _NotReadable(Reason.BODY_FORM)
    if len(requests) != len(responses):
        raise _NotReadable(Reason.ROWS_DIFFER)
    return list(_pairs(requests, responses))


def _responses(answered: dict[str, Any]) -> Any:
    """The container answers with a list; one answer alone is taken too. A field may have either name."""
    if type(many := answered.get(PREDICTIONS)) is list:
        return many
    one = answered.get(PREDICTION)
    return [one if type(one) is dict else answered]


def _pairs(requests: list[Any], responses: list[Any]) -> Iterator[Row]:
    for request, response in zip(requests, responses, strict=True):
        if type(request) is not dict or type(response) is not dict:
            raise _NotReadable(Reason.BODY_FORM)
        yield {"request": request, "response": response}
