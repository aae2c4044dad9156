"""A composite alarm's rule: ALARM, OK and INSUFFICIENT_DATA of other alarms, TRUE, FALSE, AND, OR, NOT and brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from local.services.cloudwatch.errors import Unsupported, ValidationFailed
from local.services.cloudwatch.evaluation import State
from local.services.tokens import tokens, unescaped

LONGEST: Final = 10_240
MOST_ALARMS: Final = 100

_TOKEN: Final = re.compile(r"\s*(?:(?P<symbol>[(),])|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<word>[^\s(),\"]+))")
STATES: Final = frozenset(State)


@dataclass(frozen=True, slots=True)
class Is:
    """Whether an alarm, by name or ARN, is in a state."""

    state: State
    alarm: str


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    rule: AlarmRule


@dataclass(frozen=True, slots=True)
class Every:
    """AND."""

    rules: tuple[AlarmRule, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """OR."""

    rules: tuple[AlarmRule, ...]


AlarmRule: TypeAlias = Is | Constant | Not | Every | Some


def parse(text: str) -> AlarmRule:
    """The rule that a text says.

    Raises: ValidationFailed, Unsupported.
    """
    if not text or len(text) > LONGEST:
        raise ValidationFailed(f"AlarmRule must have 1 to {LONGEST} characters; found {len(text)}")
    rule = _Parser(text).whole()
    if len(named := set(alarms_in(rule))) > MOST_ALARMS:
        raise ValidationFailed(f"AlarmRule may refer to {MOST_ALARMS} alarms; found {len(named)}")
    return rule


def holds(rule: AlarmRule, state_of: Callable[[str], State]) -> bool:
    """Whether the rule is true of the alarms' states."""
    match rule:
        case Is(state, alarm):
            return state_of(alarm) is state
        case Constant(value):
            return value
        case Not(inner):
            return not holds(inner, state_of)
        case Every(rules):
            return all(holds(each, state_of) for each in rules)
        case Some(rules):
            return any(holds(each, state_of) for each in rules)


def alarms_in(rule: AlarmRule) -> Iterator[str]:
    """The alarms that a rule refers to, as it names them."""
    match rule:
        case Is(_, alarm):
            yield alarm
        case Not(inner):
            yield from alarms_in(inner)
        case Every(rules) | Some(rules):
            for each in rules:
                yield from alarms_in(each)
        case Constant():
            pass


class _Parser:
    """Recursive descent: OR over AND over NOT."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text, _TOKEN, wrong=lambda rest: self._wrong(f"found {rest.strip()[:20]!r}")))

    def whole(self) -> AlarmRule:
        rule = self._any()
        if self._tokens:
            raise self._wrong(f"found {self._tokens[0][1]!r} after the end of it")
        return rule

    def _any(self) -> AlarmRule:
        rules = [self._all()]
        while self._take_word("OR"):
            rules.append(self._all())
        return rules[0] if len(rules) == 1 else Some(tuple(rules))

    def _all(self) -> AlarmRule:
        rules = [self._single()]
        while self._take_word("AND"):
            rules.append(self._single())
        return rules[0] if len(rules) == 1 else Every(tuple(rules))

    def _single(self) -> AlarmRule:
        if self._take_word("NOT"):
            return Not(self._single())
        kind, value = self._take("an alarm's state")
        if (kind, value) == ("symbol", "("):
            rule = self._any()
            self._expect(")")
            return rule
        if kind == "word":
            return self._word(value)
        raise self._wrong(f"found {value!r} where an alarm's state is expected")

    def _word(self, word: str) -> AlarmRule:
        if word in ("TRUE", "FALSE"):
            return Constant(word == "TRUE")
        if word == "AT_LEAST":
            raise Unsupported("AT_LEAST in alarm rules")
        if word not in STATES:
            raise self._wrong(f"found {word!r} where ALARM, OK, INSUFFICIENT_DATA, TRUE or FALSE is expected")
        self._expect("(")
        kind, alarm = self._take("an alarm's name or ARN")
        if kind == "symbol":
            raise self._wrong(f"found {alarm!r} where an alarm's name or ARN is expected")
        self._expect(")")
        return Is(State(word), unescaped(alarm) if kind == "quoted" else alarm)

    def _take_word(self, word: str) -> bool:
        if self._tokens[:1] != [("word", word)]:
            return False
        self._tokens.pop(0)
        return True

    def _take(self, expected: str) -> tuple[str, str]:
        if not self._tokens:
            raise self._wrong(f"found its end where {expected} is expected")
        return self._tokens.pop(0)

    def _expect(self, symbol: str) -> None:
        kind, value = self._take(repr(symbol))
        if (kind, value) != ("symbol", symbol):
            raise self._wrong(f"found {value!r} where {symbol!r} is expected")

    def _wrong(self, what: str) -> ValidationFailed:
        return ValidationFailed(f"Error in AlarmRule {self._text!r}: {what}")
