"""IAM's patterns: `*`, `?`, policy variables, and how an ARN is compared, segment by segment.

Each pattern is compiled once. A variable that has no value in a request leaves a pattern that matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

ContextValue = str | tuple[str, ...]
Context = Mapping[str, ContextValue]
"""What is known of a request: condition keys in lower case, and their values. A key that is absent has no value."""

ARN_SEGMENTS: Final = 6
VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
LITERALS: Final = {"*": "*", "?": "?", "$": "$"}
"""`${*}` stands for an asterisk, and not for anything."""

_ESCAPED: Final = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}
"""What a literal from a variable looks like while a pattern is compiled: no ARN has these characters."""


@lru_cache(maxsize=8192)
def glob(pattern: str, *, ignore_case: bool = False) -> Callable[[str], object]:
    """A function that tells whether a whole text matches: `*` is any run of characters, `?` any one."""
    parts = (".*" if part == "*" else "." if part == "?" else _literal(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch


def matches_action(pattern: str, action: str) -> bool:
    """Actions are compared without regard to case."""
    return bool(glob(pattern, ignore_case=True)(action))


def matches_arn(pattern: str, arn: str) -> bool:
    """An asterisk stays within its segment, except in the last one, which may hold colons itself.

    `*` alone is every resource, also the one that has no ARN. Segments that a pattern lacks stand for anything.
    """
    if pattern == "*":
        return True
    wanted, found = pattern.split(":", ARN_SEGMENTS - 1), arn.split(":", ARN_SEGMENTS - 1)
    wanted += ["*"] * (ARN_SEGMENTS - len(wanted))
    return len(wanted) == len(found) and all(glob(each)(text) for each, text in zip(wanted, found, strict=True))


def filled(pattern: str, context: Context) -> str | None:
    """The pattern with its variables replaced by literal text; None where one of them has no single value."""
    if "${" not in pattern:
        return pattern
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        value = _value(match[1], context)
        missing = missing or value is None
        return escaped(value or "")

    text = VARIABLE.sub(value_of, pattern)
    return None if missing else text


def escaped(text: str) -> str:
    """Text that stands for itself in a pattern."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return "".join(_UNESCAPED.get(character, character) for character in text)


_UNESCAPED: Final = {private: character for character, private in _ESCAPED.items()}


def _value(name: str, context: Context) -> str | None:
    """A variable's value: `key`, or `key, 'default'`."""
    if name in LITERALS:
        return LITERALS[name]
    key, _, default = name.partition(",")
    value = context.get(key.strip().lower())
    if isinstance(value, str):
        return value
    quoted = re.fullmatch(r"\s*'(.*)'\s*", default)
    return quoted[1] if quoted and value is None else None


def _literal(part: str) -> str:
    return re.escape(unescaped(part))
