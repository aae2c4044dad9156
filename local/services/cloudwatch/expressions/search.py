"""SEARCH: which metrics a search term finds. `{Namespace,Dimension} MetricName="x"` and what goes with it.

A schema in braces asks for exactly these dimensions. Words are found in parts of names, what stands in quotes is the
whole of one; AND (or nothing), OR, NOT and brackets combine. `:aws.AccountId` is not here: there is one account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from local.services.cloudwatch.errors import Unsupported, ValidationFailed
from local.services.cloudwatch.metric import Metric
from local.services.tokens import tokens

MOST_FOUND: Final = 500

_SCHEMA: Final = re.compile(r"\s*\{([^{}]*)\}")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<symbol>[()=])|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<word>[^\s()=\"']+))"
)
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Matches: TypeAlias = Callable[[Metric], bool]


@dataclass(frozen=True, slots=True)
class Schema:
    """A namespace and the names of all dimensions."""

    namespace: str
    dimensions: frozenset[str]

    def matches(self, metric: Metric) -> bool:
        """Whether a metric has just this form."""
        return metric.namespace == self.namespace and {name for name, _ in metric.dimensions} == self.dimensions


def search(term: str) -> Matches:
    """What decides whether a metric is found.

    Raises: ValidationFailed, Unsupported.
    """
    schema = _SCHEMA.match(term)
    rest = term[schema.end() :] if schema else term
    matches = _Terms(rest).whole()
    if schema is None:
        return matches
    wanted = _schema(schema[1])
    return lambda metric: wanted.matches(metric) and matches(metric)


def _schema(text: str) -> Schema:
    namespace, *dimensions = (part.strip().strip("\"'") for part in text.split(","))
    if not namespace:
        raise ValidationFailed("a search's schema begins with a namespace: {Namespace,Dimension}")
    return Schema(namespace, frozenset(dimensions))


def _unreadable(rest: str) -> ValidationFailed:
    return ValidationFailed(f"a search cannot be read from {rest!r} on")


class _Terms:
    """Recursive descent: OR over AND over NOT."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text, _TOKEN, wrong=_unreadable))

    def whole(self) -> Matches:
        matches = self._any() if self._tokens else _everything
        if self._tokens:
            raise ValidationFailed(f"a search has {self._tokens[0][1]!r} where nothing is expected")
        return matches

    def _any(self) -> Matches:
        found = [self._all()]
        while self._tokens[:1] == [("word", "OR")]:
            self._tokens.pop(0)
            found.append(self._all())
        return lambda metric: any(matches(metric) for matches in found)

    def _all(self) -> Matches:
        found: list[Matches] = []
        while self._tokens and self._tokens[0] not in (("word", "OR"), ("symbol", ")")):
            if self._tokens[0] == ("word", "AND"):
                self._tokens.pop(0)
                continue
            found.append(self._single())
        return lambda metric: all(matches(metric) for matches in found)

    def _single(self) -> Matches:
        kind, text = self._tokens.pop(0)
        if (kind, text) == ("word", "NOT"):
            negated = self._single()
            return lambda metric: not negated(metric)
        if (kind, text) == ("symbol", "("):
            inner = self._any()
            if self._tokens[:1] != [("symbol", ")")]:
                raise ValidationFailed("a search's bracket is not closed")
            self._tokens.pop(0)
            return inner
        if kind == "symbol":
            raise ValidationFailed(f"a search has {text!r} where a term is expected")
        if self._tokens[:1] == [("symbol", "=")]:
            self._tokens.pop(0)
            return self._property(text)
        return _anywhere(kind, text)

    def _property(self, name: str) -> Matches:
        if name.startswith(":aws"):
            raise Unsupported(f"search by {name}")
        if self._tokens[:1] == [("symbol", "(")]:
            raise Unsupported("search for several values of one property")
        if not self._tokens:
            raise ValidationFailed(f"a search has no value for {name}")
        kind, text = self._tokens.pop(0)
        compare = _comparison(kind, text)
        return lambda metric: (value := _property_of(metric, name)) is not None and compare(value)


def _everything(_metric: Metric) -> bool:
    return True


def _property_of(metric: Metric, name: str) -> str | None:
    if name == "MetricName":
        return metric.name
    if name == "Namespace":
        return metric.namespace
    return dict(metric.dimensions).get(name)


def _anywhere(kind: str, text: str) -> Matches:
    compare = _comparison(kind, text)

    def matches(metric: Metric) -> bool:
        names = (metric.namespace, metric.name, *(part for pair in metric.dimensions for part in pair))
        return any(compare(name) for name in names)

    return matches


def _comparison(kind: str, text: str) -> Callable[[str], bool]:
    """Quoted text is the whole; a word is one or more parts of it, as camel case and punctuation cut it."""
    if kind in ("double", "single"):
        return lambda value: value == text
    wanted = [part.lower() for part in _PARTS.findall(text)] or [text.lower()]

    def contains(value: str) -> bool:
        if value.lower() == text.lower():
            return True
        found = [part.lower() for part in _PARTS.findall(value)]
        return any(found[index : index + len(wanted)] == wanted for index in range(len(found)))

    return contains
