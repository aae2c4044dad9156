"""Reads JSON with orjson, and as orjson does where it is not installed: AWS's Spark image has none.

What counts as unreadable must not depend on where a window is folded, so that this refuses what orjson refuses, and
reads numbers as orjson reads them. A test compares the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

DEEPEST = 1024
"""Of arrays and objects in each other."""
_FAR_NUMBER = re.compile(r"\d{19}|[eE]\+?\d{3}")
"""Where one is found, a number may be beyond 64 bits or beyond every float."""
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_INTEGERS = range(-(2**63), 2**64)


def loads_without_orjson(text: str | bytes) -> Any:
    """Raises: ValueError for what is no JSON."""
    found = text if isinstance(text, str) else text.decode()
    if found.count("[") + found.count("{") > DEEPEST and _depth(found) > DEEPEST:
        raise ValueError(f"found arrays and objects in each other beyond {DEEPEST}; allowed: fewer")
    decoder = _WITH_FAR_NUMBERS if _FAR_NUMBER.search(found) else _DECODER
    try:
        value = decoder.decode(found)
    except RecursionError as error:
        raise ValueError("found arrays and objects too deep in each other; allowed: fewer") from error
    if _ESCAPED_SURROGATE.search(found):
        json.dumps(value, ensure_ascii=False).encode()  # raises what is a ValueError for half a character
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if character in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"found a number of {len(text)} characters beyond every float; allowed: a smaller one")
    return number


def _integer(text: str) -> int | float:
    """One that needs more than 64 bits is a float."""
    if len(text) <= 20 and (number := int(text)) in _INTEGERS:
        return number
    return _number(text)


def _refuse(constant: str) -> Any:
    raise ValueError(f"found {constant}; allowed: JSON, which has no such number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_WITH_FAR_NUMBERS = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_refuse)
loads: Callable[[str | bytes], Any]
try:
    import orjson
except ImportError:
    loads = loads_without_orjson
else:
    loads = orjson.loads
