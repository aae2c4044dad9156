"""The format of /invocations: what may be asked, and how a failure is told. No HTTP server and no model in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from model_packages.interface import FOUND_BEHIND_THE_EDGE, JSON_INVALID

INSTANCES = "instances"
PREDICTIONS = "predictions"
SHOWN_PROBLEMS = 8  # SageMaker passes an error's text on; the edge has told a caller all of them


@dataclass(frozen=True, slots=True)
class Body:
    """The requests of one call, and which of the two forms they came in."""

    requests: Sequence[Mapping[str, Any]]
    is_batch: bool

    def pointer(self, row: int, field: str) -> str:
        """The JSON pointer of a row's field, of which `field` is the end."""
        return f"/{INSTANCES}/{row}{field}" if self.is_batch else field


class NotJson(CallerError):
    """The body is no JSON."""

    status = 400

    def __init__(self, reason: str) -> None:
        self.problems = (FieldProblem(pointer="", code=JSON_INVALID, found=reason, allowed="one JSON value in UTF-8"),)
        super().__init__(f"the body is no JSON: {reason}")


class TooManyRows(CallerError):
    """`instances` has more rows than the package allows."""

    status = 413


class BadRow(CallerError):
    """One row has a wrong type or shape, or the body is neither of the two forms.

    `problems` are those of the row's fields, with their pointers into the body.
    """

    status = 422

    def __init__(self, message: str, *, row: int | None = None, problems: Sequence[FieldProblem] = ()) -> None:
        self.row, self.problems = row, tuple(problems)
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


def parse_body(body: bytes, *, maximum_rows: int) -> Body:
    """The requests in a body: one object, or those in its `instances`.

    Raises: NotJson, TooManyRows, or BadRow for anything that is neither form.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    if type(content) is not dict:
        raise BadRow(f"the body is a {type(content).__name__}; allowed: a request object, or {{{INSTANCES!r}: [...]}}")
    if INSTANCES not in content:
        return Body([content], is_batch=False)
    return Body(_instances(content, maximum_rows=maximum_rows), is_batch=True)


def parse_rows(body: Body, to_row: Callable[[Mapping[str, Any]], Row]) -> list[Row]:
    """Raises: BadRow that names the first bad row and its fields; RowFailed if the package's input_fn raises."""
    return [_parse_row(body, index, to_row) for index in range(len(body.requests))]


def answer(outcomes: Sequence[dict[str, Any] | Exception]) -> dict[str, Any]:
    """What a caller gets. Raises: RowFailed for the first row that has no response."""
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Exception):
            raise RowFailed(index, outcome)
    return {PREDICTIONS: outcomes}


def error_reply(error: FlyballError | RowFailed) -> Reply:
    """Each failure as HTTP tells it: {"error": ..., "row": ...}, with Retry-After where a retry helps.

    A mistake of the caller that the edge cannot see has `errors` too, as the edge would tell it.
    """
    if isinstance(error, RowFailed):
        cause = error.error
        if isinstance(cause, ModelError) and cause.retry_after_seconds is not None:
            return error_reply(cause)
        return json_reply(500, {"error": f"the prediction failed: {type(cause).__name__}: {cause}", "row": error.row})
    content: dict[str, Any] = {"error": str(error)}
    if isinstance(error, BadRow) and error.row is not None:
        content["row"] = error.row
    content |= _told_to_the_caller(error)
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


def _parse_row(body: Body, index: int, to_row: Callable[[Mapping[str, Any]], Row]) -> Row:
    request: object = body.requests[index]
    if not isinstance(request, Mapping):
        raise BadRow(f"the request is a {type(request).__name__}; allowed: an object", row=index)
    try:
        return to_row(request)
    except InvalidRequest as error:
        problems = [replace(problem, pointer=body.pointer(index, problem.pointer)) for problem in error.problems]
        raise BadRow(_told(error.problems), row=index, problems=problems) from error
    except Exception as error:
        raise RowFailed(index, error) from error


def _told_to_the_caller(error: FlyballError) -> dict[str, Any]:
    """`errors` where there is nothing else wrong than what the edge leaves to the container."""
    problems = error.problems if isinstance(error, NotJson | BadRow) else ()
    if not problems or any(problem.code not in FOUND_BEHIND_THE_EDGE for problem in problems):
        return {}
    return {"errors": [asdict(problem) for problem in problems[:SHOWN_PROBLEMS]]}


def _told(problems: Sequence[FieldProblem]) -> str:
    shown = [f"{it.pointer[1:]}: found {it.found}, allowed: {it.allowed}" for it in problems[:SHOWN_PROBLEMS]]
    more = len(problems) - len(shown)
    return "; ".join([*shown, f"and {more} more fields"] if more else shown)
