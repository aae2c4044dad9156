"""Says what is wrong with a payload, field by field, from pydantic's ValidationError. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model_packages.errors import FieldProblem

MAXIMUM_PROBLEMS = 100
MAXIMUM_FOUND_CHARACTERS = 80
MAXIMUM_POINTER_CHARACTERS = 200
INFERENCE_UNKNOWN, INFERENCE_EXPIRED = "inference_unknown", "inference_expired"
"""The codes of an inference id that takes no label."""

_ALLOWED: Mapping[str, str] = {
    "bool_type": "true or false",
    "extra_forbidden": "no field of that name",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "image_base64": "a PNG in base64",
    "image_png": "a PNG in base64",
    "image_size": "a PNG with [height, width, channels, bits] = {allowed}",
    INFERENCE_EXPIRED: "a prediction of the last {days} days; this one was made {made}",
    INFERENCE_UNKNOWN: "the inference_id of one of this model's answers",
    "int_type": "an integer",
    "json_invalid": "one JSON value in UTF-8",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "an array",
    "literal_error": "{expected}",
    "missing": "a value: the field is required",
    "model_type": "an object",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_long": "{max_length} characters or fewer",
    "string_too_short": "{min_length} characters or more",
    "string_type": "a text",
    "too_long": "{max_length} items or fewer",
    "too_short": "{min_length} items or more",
}
_FOUND: Mapping[str, str] = {
    "image_size": "{found}",
    "json_invalid": "{error}",
    "missing": "nothing",
    "too_long": "{actual_length} items",
    "too_short": "{actual_length} items",
}
"""Where the value itself says less than its size, or there is none."""
_PREFIXES = ("Input should be ", "Value error, ", "Assertion failed, ")


def problems_of(error: ValidationError) -> tuple[FieldProblem, ...]:
    """Every bad field, in the payload's order, MAXIMUM_PROBLEMS at most; `error.error_count()` counts them all."""
    details = error.errors(include_url=False)[:MAXIMUM_PROBLEMS]
    return tuple(_problem_of(detail) for detail in details)


def pointer_of(location: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) of a place in the body; "" is the body itself."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return _shorten("".join(f"/{part}" for part in parts), MAXIMUM_POINTER_CHARACTERS)


def shorten_json(value: Any) -> str:
    """`value` as JSON, cut where it grows too long; a large value is not written out first."""
    if isinstance(value, str):
        value = value[: MAXIMUM_FOUND_CHARACTERS + 1]
    chunks = json.JSONEncoder(default=repr, ensure_ascii=False).iterencode(value)
    return _shorten(_join_beyond(chunks, MAXIMUM_FOUND_CHARACTERS), MAXIMUM_FOUND_CHARACTERS)


def _problem_of(detail: ErrorDetails) -> FieldProblem:
    kind, context = detail["type"], detail.get("ctx", {})
    found = _FOUND[kind].format_map(context) if kind in _FOUND else shorten_json(detail["input"])
    allowed = _ALLOWED[kind].format_map(context) if kind in _ALLOWED else _without_prefix(detail["msg"])
    return FieldProblem(pointer=pointer_of(detail["loc"]), code=kind, found=found, allowed=allowed)


def _without_prefix(message: str) -> str:
    return next((message.removeprefix(prefix) for prefix in _PREFIXES if message.startswith(prefix)), message)


def _join_beyond(chunks: Iterable[str], length: int) -> str:
    """Joins chunks until they are longer than `length`, and leaves the rest unread."""
    text = ""
    for chunk in chunks:
        text += chunk
        if len(text) > length:
            break
    return text


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
