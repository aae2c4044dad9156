"""JSONata as Step Functions evaluates it: `{% ... %}` in the strings of a definition, with the functions AWS adds.

An expression has no context item: it reads `$states` and variables alone. One that gives nothing is an error, as is one
that gives what is no JSON. https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

from jsonata import JException, Jsonata
from jsonata.functions import Functions
from jsonata.utils import Utils

from local.services.states.failures import QUERY, StateFailed
from local.services.states.functions import FUNCTIONS

OPENING, CLOSING = "{%", "%}"
LONGEST_MS: Final = 5_000
DEEPEST: Final = 500
"""Nested evaluations; AWS bounds them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What an expression may read: `$states`, and the variables in scope; `now` is what $now and $millis give."""

    states: Mapping[str, Any]
    variables: Mapping[str, Any]
    now: datetime

    def having(self, **states: Any) -> Bindings:
        """The same with more in `$states`."""
        return Bindings(states={**self.states, **states}, variables=self.variables, now=self.now)


def is_expression(value: Any) -> bool:
    """Whether a value of a definition is JSONata and not itself."""
    return isinstance(value, str) and value.startswith(OPENING) and value.endswith(CLOSING)


def source_of(value: str) -> str:
    """What stands between the braces."""
    return value[len(OPENING) : -len(CLOSING)].strip()


def filled(template: Any, *, field: str, bindings: Bindings) -> Any:
    """A template with each of its expressions evaluated.

    Raises: StateFailed.
    """
    if is_expression(template):
        return evaluated(source_of(template), field=field, bindings=bindings)
    if isinstance(template, Mapping):
        return {key: filled(value, field=f"{field}/{key}", bindings=bindings) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, field=f"{field}[{at}]", bindings=bindings) for at, value in enumerate(template)]
    return template


def typed(template: Any, kind: type | tuple[type, ...], noun: str, *, field: str, bindings: Bindings) -> Any:
    """The same, where only one type of value is allowed.

    Raises: StateFailed.
    """
    value = filled(template, field=field, bindings=bindings)
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    raise _failed(
        source_of(template) if is_expression(template) else str(template),
        field,
        f"returned an unexpected result type. Expected '{noun}', but was '{_noun_of(value)}' for value: "
        f"{json.dumps(value)}",
    )


def evaluated(source: str, *, field: str, bindings: Bindings) -> Any:
    """What an expression gives, as JSON.

    Raises: StateFailed.
    """
    expression = compiled(source)
    Jsonata.CURRENT.jsonata = expression  # its own functions ask for the expression that is under way
    frame = expression.create_frame()
    frame.set_runtime_bounds(LONGEST_MS, DEEPEST)
    _bind_functions(frame, bindings.now)
    for name, value in {**bindings.variables, "states": bindings.states}.items():
        frame.bind(name, Utils.NULL_VALUE if value is None else value)
    try:
        result = expression.evaluate(None, frame)
    except JException as error:
        raise _failed(source, field, f"threw an error during evaluation. {error.error}: {error}") from error
    except (ArithmeticError, TypeError, ValueError, AttributeError, RecursionError, LookupError) as error:
        raise _failed(source, field, f"threw an error during evaluation. {error}") from error
    if result is None:
        raise _failed(source, field, "returned nothing (undefined).")
    try:
        return _plain(result)
    except TypeError as error:
        raise _failed(source, field, "returned an unsupported result type.") from error


@lru_cache(maxsize=4096)
def compiled(source: str) -> Jsonata:
    """An expression that can be evaluated.

    Raises: JException for what is no JSONata.
    """
    expression = Jsonata(source)
    expression.set_output_convert_nulls(False)
    return expression


def _failed(source: str, field: str, what: str) -> StateFailed:
    cause = f"The JSONata expression '{source}' specified for the field '{field}' {what}"
    return StateFailed(QUERY, cause, is_own=True, location=field)


def _bind_functions(frame: Any, now: datetime) -> None:
    milliseconds = int(now.timestamp() * 1000)

    def now_text(picture: str | None = None, timezone: str | None = None) -> Any:
        return Functions.datetime_from_millis(milliseconds, picture, timezone)

    for name, function in {**FUNCTIONS, "now": now_text, "millis": lambda: milliseconds, "eval": _no_eval}.items():
        frame.bind(name, Jsonata.JLambda(function))


def _no_eval(*_arguments: Any) -> NoReturn:
    raise TypeError("$eval is not supported; $parse reads JSON")


def _plain(value: Any) -> Any:
    """Python's JSON for a result of JSONata's.

    Raises: TypeError for a function, a regular expression and the like.
    """
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(member) for member in value]
    raise TypeError(type(value).__name__)


def _noun_of(value: Any) -> str:
    nouns = {bool: "boolean", str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return nouns.get(type(value), "null")
