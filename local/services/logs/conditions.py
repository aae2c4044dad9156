"""The conditions in a filter pattern: `$.a = "x" && $.b > 3` of JSON, `status = 4*` of a column."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from local.services.logs.problems import InvalidPattern
from local.services.tokens import tokens, unescaped

Condition: TypeAlias = Callable[[Mapping[str, Any]], bool]
Select: TypeAlias = Callable[[Mapping[str, Any]], list[Any]]
"""Every value that a selector finds."""

NUMERIC: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<symbol>&&|\|\||!=|<=|>=|[=<>()])|\"(?P<text>(?:[^\"\\]|\\.)*)\"|%(?P<regex>[^%]+)%"
    r"|(?P<selector>\$(?:\.[\w*-]+|\[(?:\d+|\*|'[^']*'|\"[^\"]*\")\])+)|(?P<word>[^\s&|=<>()\"!]+))"
)
_STEP: Final = re.compile(r"\.([\w*-]+)|\[(?:(\d+|\*)|'([^']*)'|\"([^\"]*)\")\]")


def condition_of_json(text: str) -> Condition:
    """The condition between the braces of a JSON pattern.

    Raises: InvalidPattern.
    """
    return _Parser(text, column=None).whole()


def condition_of_columns(text: str, pattern: str) -> tuple[str, Condition | None]:
    """A column's name and its condition, if it has one: `status = 4*`, or `bytes > 10 && bytes < 20`.

    Raises: InvalidPattern.
    """
    if text == "..." or re.fullmatch(r"[\w-]*", text):
        return text, None
    found = re.match(r"\(*\s*([\w-]+)", text)
    if found is None:
        raise InvalidPattern(pattern, f"{text!r} is no column")
    return found[1], _Parser(text, column=found[1]).whole()


def select(path: str) -> Select:
    """The values at `$.a[0].b` of the JSON under `$`."""
    steps = [found[1] or found[2] or found[3] or found[4] or "" for found in _STEP.finditer(path)]

    def values(fields: Mapping[str, Any]) -> list[Any]:
        found = [fields.get("$")]
        for step in steps:
            found = [child for value in found for child in _children(value, step)]
        return found

    return values


def _children(value: Any, step: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) if step == "*" else ([value[step]] if step in value else [])
    if isinstance(value, list):
        if step == "*":
            return value
        return [value[int(step)]] if step.isdigit() and int(step) < len(value) else []
    return []


class _Parser:
    """Recursive descent: || over && over one comparison."""

    def __init__(self, text: str, *, column: str | None) -> None:
        self._text, self._column = text, column
        self._tokens = list(tokens(text, _TOKEN, wrong=lambda rest: self._wrong(f"it cannot be read from {rest!r} on")))

    def whole(self) -> Condition:
        condition = self._any()
        if self._tokens:
            raise self._wrong(f"found {self._tokens[0][1]!r} after the end of it")
        return condition

    def _any(self) -> Condition:
        conditions = [self._all()]
        while self._take_symbol("||"):
            conditions.append(self._all())
        return conditions[0] if len(conditions) == 1 else lambda fields: any(each(fields) for each in conditions)

    def _all(self) -> Condition:
        conditions = [self._single()]
        while self._take_symbol("&&"):
            conditions.append(self._single())
        return conditions[0] if len(conditions) == 1 else lambda fields: all(each(fields) for each in conditions)

    def _single(self) -> Condition:
        if self._take_symbol("("):
            condition = self._any()
            if not self._take_symbol(")"):
                raise self._wrong("a bracket is not closed")
            return condition
        return self._comparison(self._selector())

    def _selector(self) -> Select:
        kind, text = self._take()
        if kind == "selector" and self._column is None:
            return select(text)
        if kind == "word" and self._column is not None:
            return lambda fields: [fields[text]] if text in fields else []
        raise self._wrong(f"found {text!r} where {'$.property' if self._column is None else 'a column'} is expected")

    def _comparison(self, values: Select) -> Condition:
        kind, text = self._take()
        if kind == "word":
            return self._keyword(values, text.upper())
        if text not in NUMERIC:
            raise self._wrong(f"found {text!r} where a comparison is expected")
        kind, wanted = self._take()
        if kind == "symbol":
            raise self._wrong(f"found {wanted!r} where a value is expected")
        return _compared(values, text, _test(kind, wanted, text, self._wrong))

    def _keyword(self, values: Select, word: str) -> Condition:
        following = self._take()[1].upper()
        match word, following:
            case "IS", "NULL":
                return lambda fields: any(value is None for value in values(fields))
            case "IS", ("TRUE" | "FALSE"):
                wanted = following == "TRUE"
                return lambda fields: any(value is wanted for value in values(fields))
            case "NOT", "EXISTS":
                return lambda fields: not values(fields)
            case _:
                raise self._wrong(f"found {word} {following}; allowed: IS NULL, IS TRUE, IS FALSE, NOT EXISTS")

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._wrong("it ends too early")
        return self._tokens.pop(0)

    def _take_symbol(self, symbol: str) -> bool:
        if self._tokens[:1] != [("symbol", symbol)]:
            return False
        self._tokens.pop(0)
        return True

    def _wrong(self, what: str) -> InvalidPattern:
        return InvalidPattern(self._text.strip(), what)


def _compared(values: Select, symbol: str, test: Callable[[Any], bool]) -> Condition:
    if symbol == "!=":
        return lambda fields: bool(found := values(fields)) and not any(test(value) for value in found)
    return lambda fields: any(test(value) for value in values(fields))


def _test(kind: str, wanted: str, symbol: str, wrong: Callable[[str], InvalidPattern]) -> Callable[[Any], bool]:
    """Whether one value is what is wanted; of `!=` this is the equality that must not be."""
    if kind == "regex":
        try:
            expression = re.compile(wanted)
        except re.error as error:
            raise wrong(f"{wanted!r} is no regular expression: {error}") from error
        return lambda value: expression.search(_text(value)) is not None
    if kind == "word" and _NUMBER.fullmatch(wanted):
        compare = NUMERIC["=" if symbol == "!=" else symbol]
        number = float(wanted)
        return lambda value: (found := _number(value)) is not None and compare(found, number)
    if symbol not in ("=", "!="):
        raise wrong(f"{symbol} compares with a number; found {wanted!r}")
    plain = unescaped(wanted) if kind == "text" else wanted
    if "*" not in plain:
        return lambda value: _text(value) == plain
    glob = re.compile(fnmatch.translate(plain.replace("[", "[[]").replace("?", "[?]")))
    return lambda value: glob.match(_text(value)) is not None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ("" if value is None else f"{value}")
