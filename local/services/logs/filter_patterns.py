"""Filter patterns of CloudWatch Logs: words and phrases, JSON properties, and the columns of lines with spaces.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
A pattern is compiled once; what matches gives the fields that a metric's value or dimension may be taken from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

from local.services.logs.conditions import Condition, condition_of_columns, condition_of_json
from local.services.logs.problems import InvalidPattern
from local.services.tokens import unescaped

Fields: TypeAlias = Mapping[str, Any]
"""What a line has: `$` is its JSON, other names are columns."""
Pattern: TypeAlias = Callable[[str], Fields | None]
"""None where the line does not match."""

LONGEST: Final = 1024
NOTHING: Final[Fields] = {}

_TERM: Final = re.compile(
    r"\s*(?P<sign>[?-]?)(?:\"(?P<phrase>(?:[^\"\\]|\\.)*)\"|%(?P<regex>[^%]+)%|(?P<word>[^\s\"]+))"
)
_COLUMN: Final = re.compile(r"\[([^\]]*)\]|\"([^\"]*)\"|(\S+)")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Pattern:
    """The pattern, ready to be used.

    Raises: InvalidPattern.
    """
    text = pattern.strip()
    if len(text) > LONGEST:
        raise InvalidPattern(pattern, f"it has {len(text)} characters; {LONGEST} are allowed")
    if not text:
        return _everything
    if text.startswith("{"):
        return _of_json(text)
    if text.startswith("["):
        return _of_columns(text)
    return _of_terms(text)


def _everything(_message: str) -> Fields | None:
    return NOTHING


def _of_json(text: str) -> Pattern:
    if not text.endswith("}"):
        raise InvalidPattern(text, "its closing brace is missing")
    condition = condition_of_json(text[1:-1])

    def match(message: str) -> Fields | None:
        if "{" not in message:
            return None
        try:
            document = orjson.loads(message)
        except orjson.JSONDecodeError:
            return None
        fields = {"$": document}
        return fields if isinstance(document, dict) and condition(fields) else None

    return match


def _of_columns(text: str) -> Pattern:
    if not text.endswith("]"):
        raise InvalidPattern(text, "its closing bracket is missing")
    columns = [column.strip() for column in _split(text[1:-1])]
    if columns.count("...") > 1:
        raise InvalidPattern(text, "it has ... more than once")
    parsed: list[tuple[str, Condition | None]] = [condition_of_columns(column, text) for column in columns]

    def match(message: str) -> Fields | None:
        values = ["".join(found) for found in _COLUMN.findall(message)]
        fields = _columns(parsed, values)
        if fields is None:
            return None
        return fields if all(condition is None or condition(fields) for _, condition in parsed) else None

    return match


def _columns(parsed: Sequence[tuple[str, Condition | None]], values: Sequence[str]) -> Fields | None:
    """Each column's value under its name; None where the line has another number of columns."""
    names = [name for name, _ in parsed]
    if "..." not in names:
        return dict(zip(names, values, strict=True)) if len(names) == len(values) else None
    at = names.index("...")
    after = len(names) - at - 1
    if len(values) < at + after:
        return None
    first = dict(zip(names[:at], values, strict=False))
    last = dict(zip(names[at + 1 :], values[len(values) - after :], strict=True)) if after else {}
    return {**first, **last}


def _split(text: str) -> list[str]:
    """At commas outside of quotes and brackets."""
    parts, depth, quoted, begin = [], 0, False, 0
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "([":
            depth += 1
        elif not quoted and character in ")]":
            depth -= 1
        elif character == "," and not quoted and not depth:
            parts.append(text[begin:index])
            begin = index + 1
    return [*parts, text[begin:]]


def _of_terms(text: str) -> Pattern:
    wanted: list[Callable[[str], bool]] = []
    unwanted: list[Callable[[str], bool]] = []
    optional: list[Callable[[str], bool]] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise InvalidPattern(text, f"it cannot be read from {text[position:]!r} on")
        {"": wanted, "-": unwanted, "?": optional}[found["sign"]].append(_contains(found, text))
        position = found.end()
        while text[position : position + 1].isspace():
            position += 1
    if wanted or unwanted:
        optional = []  # CloudWatch ignores ?terms beside others

    def match(message: str) -> Fields | None:
        if not all(term(message) for term in wanted) or any(term(message) for term in unwanted):
            return None
        return NOTHING if not optional or any(term(message) for term in optional) else None

    return match


def _contains(found: re.Match[str], text: str) -> Callable[[str], bool]:
    if found["regex"]:
        try:
            expression = re.compile(found["regex"])
        except re.error as error:
            raise InvalidPattern(text, f"{found['regex']!r} is no regular expression: {error}") from error
        return lambda message: expression.search(message) is not None
    part = unescaped(found["phrase"]) if found["phrase"] is not None else found["word"]
    return lambda message: part in message
