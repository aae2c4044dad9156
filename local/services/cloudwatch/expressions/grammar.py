"""Metric math's grammar: from the text of an expression to a tree. It knows no metric and computes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from local.services.cloudwatch.errors import ValidationFailed
from local.services.tokens import tokens, unescaped


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A literal in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of another query, or a word such as REPEAT."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; operators are functions too, under their symbol."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    members: tuple[Node, ...]


Node: TypeAlias = Number | Text | Name | Call | Array

PRECEDENCE: Final = {
    **dict.fromkeys(("||", "OR"), 1),
    **dict.fromkeys(("&&", "AND"), 2),
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/"), 5),
    "^": 6,
}
WORDS: Final = {"OR": "||", "AND": "&&"}
UNARY: Final = 7

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|(?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _token(kind: str, text: str) -> _Token:
    return _Token("text", unescaped(text)) if kind in ("single", "double") else _Token(kind, text)


def parse(expression: str) -> Node:
    """The tree of an expression.

    Raises: ValidationFailed.
    """
    return _Parser(expression).whole()


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        found = tokens(expression, _TOKEN, wrong=lambda rest: self._wrong(f"found {rest[:10]!r}"))
        self._tokens = [*(_token(kind, text) for kind, text in found), _Token("end", "")]
        self._position = 0

    def whole(self) -> Node:
        node = self._operation(0)
        if self._next.kind != "end":
            raise self._wrong(f"found {self._next.text!r} after the end of it")
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._position]

    def _take(self) -> _Token:
        token = self._next
        self._position += 1
        return token

    def _operation(self, least: int) -> Node:
        left = self._operand()
        while (rank := PRECEDENCE.get(self._next.text.upper(), 0)) > least and self._next.kind in ("symbol", "name"):
            symbol = self._take().text.upper()
            right = self._operation(rank - 1 if symbol == "^" else rank)
            left = Call(WORDS.get(symbol, symbol), (left, right))
        return left

    def _operand(self) -> Node:
        token = self._take()
        match token.kind:
            case "number":
                return Number(float(token.text))
            case "text":
                return Text(token.text)
            case "name":
                return self._named(token.text)
            case _:
                return self._bracketed(token)

    def _named(self, name: str) -> Node:
        if self._next.text != "(":
            return Name(name)
        self._take()
        return Call(name.upper(), self._list(")"))

    def _bracketed(self, token: _Token) -> Node:
        match token.text:
            case "-":
                return Call("-", (Number(0.0), self._operation(UNARY - 2)))
            case "+":
                return self._operation(UNARY - 2)
            case "(":
                node = self._operation(0)
                self._expect(")")
                return node
            case "[":
                return Array(self._list("]"))
            case _:
                raise self._wrong(f"found {token.text or 'its end'!r} where a value is expected")

    def _list(self, end: str) -> tuple[Node, ...]:
        members: list[Node] = []
        while self._next.text != end or self._next.kind == "text":
            members.append(self._operation(0))
            if self._next.text != ",":
                break
            self._take()
        self._expect(end)
        return tuple(members)

    def _expect(self, symbol: str) -> None:
        token = self._take()
        if token.text != symbol or token.kind == "text":
            raise self._wrong(f"found {token.text or 'its end'!r} where {symbol!r} is expected")

    def _wrong(self, what: str) -> ValidationFailed:
        return ValidationFailed(f"Error in expression {self._expression!r}: {what}")


def names_in(node: Node) -> Iterator[str]:
    """The names that a tree refers to."""
    match node:
        case Name(name):
            yield name
        case Call(_, parts) | Array(parts):
            for part in parts:
                yield from names_in(part)


def calls_in(node: Node) -> Iterator[str]:
    """The functions and operators in a tree."""
    match node:
        case Call(function, parts):
            yield function
            for part in parts:
                yield from calls_in(part)
        case Array(parts):
            for part in parts:
                yield from calls_in(part)
