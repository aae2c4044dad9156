"""The functions that Step Functions adds to JSONata: $partition, $range, $hash, $random, $uuid and $parse.

Arguments that make no sense give nothing, as on AWS, and so fail the field that they stand in.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonata.utils import Utils

HASHES: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
LONGEST_RANGE: Final = 360_145


def partition(items: Any = None, size: Any = None) -> list[list[Any]] | None:
    """An array in pieces of so many items."""
    if not isinstance(items, list) or not items or not isinstance(size, int | float) or int(size) < 1:
        return None
    step = int(size)
    return [list(items[at : at + step]) for at in range(0, len(items), step)]


def number_range(start: Any = None, end: Any = None, step: Any = None) -> Any:
    """The numbers from one to another, that one included where the step meets it."""
    if not all(isinstance(each, int | float) for each in (start, end, step)) or int(step) == 0:
        return None
    first, last, stride = int(start), int(end), int(step)
    found = range(first, last + (1 if stride > 0 else -1), stride)
    if len(found) > LONGEST_RANGE:
        raise ValueError("Expression evaluation memory limit exceeded")
    return found[0] if len(found) == 1 else list(found) or None


def digest(text: Any = None, algorithm: Any = None) -> str | None:
    """A text's hash in hexadecimal."""
    if not isinstance(text, str) or algorithm is None:
        return None
    if algorithm not in HASHES:
        raise ValueError(f"found the algorithm {algorithm}; allowed: {', '.join(HASHES)}")
    return hashlib.new(HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def drawn(seed: Any = None) -> float:
    """A number from 0 up to 1, the same for the same seed."""
    return random.random() if seed is None else random.Random(int(seed)).random()  # noqa: S311 - no secret


def parsed(text: Any = None) -> Any:
    """What a JSON text stands for."""
    found = None if text is None else json.loads(text)
    return Utils.NULL_VALUE if found is None and text is not None else found


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "partition": partition,
    "range": number_range,
    "hash": digest,
    "random": drawn,
    "uuid": lambda: str(uuid.uuid4()),
    "parse": parsed,
}
