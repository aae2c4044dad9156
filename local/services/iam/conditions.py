"""The Condition element: every operator that IAM documents, with IfExists and the two set operators.

An operator, or a value that its operator cannot compare, is refused when the policy is read.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from local.services.iam.patterns import Context, ContextValue, filled, glob, matches_arn, unescaped

Quantifier = Literal["ForAllValues", "ForAnyValue"]
Compare = Callable[[str, str], bool]
"""Compares the request's value with the policy's. Raises ValueError where a value is not of the operator's type."""


class MalformedCondition(ValueError):
    """A condition that IAM does not accept; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Operator:
    """How one operator compares. A `negated` one holds if no value of the policy matches."""

    compare: Compare
    negated: bool = False
    fills_variables: bool = False
    check: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator; `name` is the operator as it was written."""

    name: str
    operator: Operator | None
    """None for `Null`."""
    key: str
    values: tuple[str, ...]
    if_exists: bool = False
    quantifier: Quantifier | None = None

    def holds(self, context: Context, *, has_variables: bool = True) -> bool:
        """Whether the request fulfils it."""
        found = context.get(self.key)
        if self.operator is None:
            return (found is None or found == ()) == (self.values[0] == "true")
        if found is None:
            return self._without_value(self.operator)
        wanted = self._wanted(self.operator, context, has_variables=has_variables)
        return self._compared(self.operator, as_values(found), wanted)

    def _without_value(self, wanted: Operator) -> bool:
        if self.quantifier is not None:
            return self.quantifier == "ForAllValues" or self.if_exists
        return self.if_exists or wanted.negated

    def _wanted(self, wanted: Operator, context: Context, *, has_variables: bool) -> list[str]:
        if not (wanted.fills_variables and has_variables):
            return list(self.values)
        values = (filled(value, context) for value in self.values)
        return [value for value in values if value is not None]

    def _compared(self, wanted: Operator, found: Sequence[str], values: Sequence[str]) -> bool:
        each = (one_holds(wanted, value, values) for value in found)
        return all(each) if self.quantifier == "ForAllValues" else any(each)


def one_holds(wanted: Operator, found: str, values: Sequence[str]) -> bool:
    """One value of the request against all of the policy's. What cannot be compared does not match."""
    try:
        matched = any(wanted.compare(found, value) for value in values)
    except ValueError:
        return False
    return matched != wanted.negated


def as_values(found: ContextValue) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found


def read_conditions(found: Any) -> tuple[Condition, ...]:
    """Every condition of a statement; all of them have to hold.

    Raises: MalformedCondition.
    """
    if not isinstance(found, Mapping):
        raise MalformedCondition(f"Syntax errors in policy: Condition is {found!r}; an object is allowed")
    return tuple(
        _condition(name, key, values) for name, tests in found.items() for key, values in _tests(name, tests).items()
    )


def _tests(name: str, tests: Any) -> Mapping[str, Any]:
    if not isinstance(tests, Mapping):
        raise MalformedCondition(f"Syntax errors in policy: {name} holds {tests!r}; an object is allowed")
    return tests


def _condition(name: str, key: str, found: Any) -> Condition:
    quantifier, plain, if_exists = _taken_apart(name)
    values = tuple(_text(value) for value in (found if isinstance(found, list) else [found]))
    if plain == "Null":
        values = tuple(value.lower() for value in values)
        if len(values) != 1 or values[0] not in ("true", "false"):
            raise MalformedCondition(f"Null of {key} is {found!r}; allowed are true, false")
        return Condition(name, None, key.lower(), values)
    known = OPERATORS[plain]
    for value in values if known.check else ():
        _checked(known, name, value)
    return Condition(name, known, key.lower(), values, if_exists, quantifier)


def _taken_apart(name: str) -> tuple[Quantifier | None, str, bool]:
    """`ForAnyValue:StringLikeIfExists` in its three parts. Raises MalformedCondition."""
    prefix, colon, rest = name.rpartition(":")
    if_exists = rest.endswith("IfExists")
    plain = rest.removesuffix("IfExists")
    is_null = plain == "Null" and not if_exists and not colon
    if not is_null and plain not in OPERATORS:
        raise MalformedCondition(f"Invalid Condition type : {name}.")
    match prefix:
        case "":
            return None, plain, if_exists
        case "ForAllValues" | "ForAnyValue":
            return prefix, plain, if_exists
        case _:
            raise MalformedCondition(f"Invalid Condition type : {name}.")


def _checked(known: Operator, name: str, value: str) -> None:
    assert known.check is not None  # noqa: S101  # the caller looked
    try:
        known.check(value)
    except ValueError as error:
        raise MalformedCondition(f"{name} cannot compare {value!r}: {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedCondition(f"Syntax errors in policy: a condition's value is {value!r}; texts are allowed")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error


def _moment(text: str) -> datetime:
    """ISO 8601, or seconds since 1970."""
    if text.replace(".", "", 1).isdigit() and len(text.partition(".")[0]) > 4:
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is not base64") from error


def _boolean(text: str) -> str:
    lower = text.lower()
    if lower not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return lower


def _equal(found: str, wanted: str) -> bool:
    return found == unescaped(wanted)


def _equal_ignoring_case(found: str, wanted: str) -> bool:
    return found.casefold() == unescaped(wanted).casefold()


def _like(found: str, wanted: str) -> bool:
    return bool(glob(wanted)(found))


def _arn_like(found: str, wanted: str) -> bool:
    return found.startswith("arn:") and matches_arn(wanted, found)


def _in_network(found: str, wanted: str) -> bool:
    return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)


def _network(text: str) -> object:
    return ipaddress.ip_network(text, strict=False)


def _typed(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Compare:
    return lambda found, wanted: compare(read(found), read(wanted))


def _pair(
    name: str, compare: Compare, check: Callable[[str], object] | None, *, variables: bool
) -> dict[str, Operator]:
    """`StringEquals` and `StringNotEquals`."""
    kind, comparison = name.split("/")
    return {
        f"{kind}{comparison}": Operator(compare, fills_variables=variables, check=check),
        f"{kind}Not{comparison}": Operator(compare, negated=True, fills_variables=variables, check=check),
    }


def _ordered(kind: str, read: Callable[[str], Any]) -> dict[str, Operator]:
    comparisons: Mapping[str, Callable[[Any, Any], bool]] = {
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
    }
    return {
        **_pair(f"{kind}/Equals", _typed(read, operator.eq), read, variables=False),
        **{f"{kind}{name}": Operator(_typed(read, compare), check=read) for name, compare in comparisons.items()},
    }


OPERATORS: Final[Mapping[str, Operator]] = {
    **_pair("String/Equals", _equal, None, variables=True),
    **_pair("String/EqualsIgnoreCase", _equal_ignoring_case, None, variables=True),
    **_pair("String/Like", _like, None, variables=True),
    **_pair("Arn/Equals", _arn_like, None, variables=True),
    **_pair("Arn/Like", _arn_like, None, variables=True),
    **_ordered("Numeric", _number),
    **_ordered("Date", _moment),
    "Bool": Operator(_typed(_boolean, operator.eq), check=_boolean),
    "BinaryEquals": Operator(_typed(_bytes, operator.eq), check=_bytes),
    "IpAddress": Operator(_in_network, check=_network),
    "NotIpAddress": Operator(_in_network, negated=True, check=_network),
}
"""By IAM's own names."""
