"""Requests that the gateway refused, counted by field and reason from its log: its metrics know the reason alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from functions.gateway.metrics import Metric

PATTERN = "refused"
"""The gateway's word for it: the message of the one line that it writes of a request."""
MAXIMUM_PAGES = 100
PAGE_EVENTS = 10_000
MAXIMUM_KINDS = 100
_ROW = re.compile(r"^/instances/\d+")
_INDEX = re.compile(r"/\d+(?=/|$)")


class LogReader(Protocol):
    """As much of botocore's CloudWatch Logs client as counting needs."""

    def filter_log_events(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Requests refused for one field and one reason; `field` is empty where the body as a whole was wrong."""

    field: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Of a span of time. A request with three bad fields is in three refusals and counts once in `requests`."""

    requests: int = 0
    refusals: tuple[Refusal, ...] = ()
    """The most frequent first."""
    is_whole: bool = True
    """False where there was more log than is read, or more kinds than are told."""


def count_refusals(
    logs: LogReader,
    *,
    log_group: str,
    begin: datetime,
    end: datetime,
    maximum_pages: int = MAXIMUM_PAGES,
    maximum_kinds: int = MAXIMUM_KINDS,
) -> RefusedRequests:
    """Counts what was refused from `begin` to before `end`, in at most so many pages of the log."""
    counts: Counter[tuple[str, str]] = Counter()
    requests, is_whole = 0, True
    for number, page in enumerate(_pages(logs, log_group=log_group, begin=begin, end=end)):
        if number == maximum_pages:
            is_whole = False
            break
        for line in page:
            if (found := _refusals_in(line)) is not None:
                requests += 1
                counts.update(found)
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return RefusedRequests(
        requests=requests,
        refusals=tuple(Refusal(field, reason, count) for (field, reason), count in kinds[:maximum_kinds]),
        is_whole=is_whole and len(kinds) <= maximum_kinds,
    )


def _pages(logs: LogReader, *, log_group: str, begin: datetime, end: datetime) -> Iterator[Sequence[str]]:
    arguments: dict[str, Any] = {
        "logGroupName": log_group,
        "filterPattern": PATTERN,
        "startTime": _milliseconds(begin),
        "endTime": _milliseconds(end) - 1,  # inclusive on AWS
        "limit": PAGE_EVENTS,
    }
    while True:
        page = logs.filter_log_events(**arguments)
        yield [event["message"] for event in page.get("events", ())]
        if not page.get("nextToken"):
            return
        arguments["nextToken"] = page["nextToken"]


def _refusals_in(line: str) -> set[tuple[str, str]] | None:
    """Fields and reasons of one line of the gateway's log, each once; None if the line is none of a refusal."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, Mapping) or Metric.REJECTED_REQUESTS not in record or record.get("message") != PATTERN:
        return None  # the model's failures are lines of the same form, with another metric
    fields = [text for text in record.get("fields") or () if isinstance(text, str)]
    return {_kind(text) for text in fields} or {("", str(record.get("reason", "unknown")))}


def _kind(text: str) -> tuple[str, str]:
    """`/instances/3/amount: greater_than` is the field /amount, wherever in the body it stood."""
    pointer, _, code = text.rpartition(": ")
    return _INDEX.sub("/*", _ROW.sub("", pointer)), code


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
