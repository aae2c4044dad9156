"""The format of /invocations: what may be asked, and how a failure is told. No HTTP server and no model in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from container.serve.exchange import JSON, Reply, json_reply
from container.tensors import Row
from model_packages.errors import (
    CallerError,
    FieldProblem,
    FlyballError,
    InvalidRequest,
    ModelError,
    UnsupportedContent,
)

INSTANCES = "instances"
PREDICTIONS = "predictions"
SHOWN_PROBLEMS = 8  # SageMaker passes an error's text on; the edge has told a caller all of them


class NotJson(CallerError):
    """The body is no JSON."""

    status = 400


class TooManyRows(CallerError):
    """`instances` has more rows than the package allows."""

    status = 413


class BadRow(CallerError):
    """One row has a wrong type or shape, or the body is neither of the two forms."""

    status = 422

    def __init__(self, message: str, *, row: int | None = None) -> None:
        self.row = row
        super().__init__(message)


class RowFailed(Exception):
    """The package's code raised while it computed a row."""

    def __init__(self, row: int, error: Exception) -> None:
        self.row, self.error = row, error
        super().__init__(f"row {row}: {error}")


def require_json(content_type: str | None) -> None:
    """Raises: UnsupportedContent."""
    if content_type is None or content_type.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedContent(header="Content-Type", found=content_type or "", allowed=JSON)


def parse_requests(body: bytes, *, maximum_rows: int) -> Sequence[Mapping[str, Any]]:
    """The requests in a body: one object, or those in its `instances`.

    Raises: NotJson, TooManyRows, or BadRow for anything that is neither form.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"the body is no JSON: {error}") from error
    if type(content) is not dict:
        raise BadRow(f"the body is a {type(content).__name__}; allowed: a request object, or {{{INSTANCES!r}: [...]}}")
    if INSTANCES not in content:
        return [content]
    return _instances(content, maximum_rows=maximum_rows)


def parse_rows(requests: Sequence[Mapping[str, Any]], to_row: Callable[[Mapping[str, Any]], Row]) -> list[Row]:
    """Raises: BadRow that names the first bad row and its fields; RowFailed if the package's input_fn raises."""
    return [_parse_row(index, request, to_row) for index, request in enumerate(requests)]


def answer(outcomes: Sequence[dict[str, Any] | Exception]) -> dict[str, Any]:
    """What a caller gets. Raises: RowFailed for the first row that has no response."""
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Exception):
            raise RowFailed(index, outcome)
    return {PREDICTIONS: outcomes}


def error_reply(error: FlyballError | RowFailed) -> Reply:
    """Each failure as HTTP tells it: {"error": ..., "row": ...}, with Retry-After where a retry helps."""
    if isinstance(error, RowFailed):
        cause = error.error
        if isinstance(cause, ModelError) and cause.retry_after_seconds is not None:
            return error_reply(cause)
        return json_reply(500, {"error": f"the prediction failed: {type(cause).__name__}: {cause}", "row": error.row})
    content: dict[str, Any] = {"error": str(error)}
    if isinstance(error, BadRow) and error.row is not None:
        content["row"] = error.row
    retry_after = error.retry_after_seconds if isinstance(error, ModelError) else None
    status = error.status if isinstance(error, CallerError | ModelError) else 500
    return json_reply(status, content, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


def _instances(content: dict[str, Any], *, maximum_rows: int) -> Sequence[Mapping[str, Any]]:
    instances = content[INSTANCES]
    if len(content) != 1 or type(instances) is not list or not instances:
        raise BadRow(f"{INSTANCES!r} has to be a list of at least one request, and the body's only key")
    if len(instances) > maximum_rows:
        raise TooManyRows(f"{INSTANCES!r} has {len(instances)} rows; allowed: {maximum_rows}")
    return instances


def _parse_row(index: int, request: object, to_row: Callable[[Mapping[str, Any]], Row]) -> Row:
    if not isinstance(request, Mapping):
        raise BadRow(f"the request is a {type(request).__name__}; allowed: an object", row=index)
    try:
        return to_row(request)
    except InvalidRequest as error:
        raise BadRow(_told(error.problems), row=index) from error
    except Exception as error:
        raise RowFailed(index, error) from error


def _told(problems: Sequence[FieldProblem]) -> str:
    shown = [f"{it.pointer[1:]}: found {it.found}, allowed: {it.allowed}" for it in problems[:SHOWN_PROBLEMS]]
    more = len(problems) - len(shown)
    return "; ".join([*shown, f"and {more} more fields"] if more else shown)
