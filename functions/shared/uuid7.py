"""Inference ids: UUIDv7 (RFC 9562, section 5.7), so that the hour of a request can be read from its id.

Ids of one generator rise strictly, also within a millisecond and when the clock is set back (section 6.2, method 2).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

_RANDOM_BITS = 74
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_VERSION_7 = 7 << 76
_VARIANT_RFC = 0b10 << 62
_LARGEST_STEP = 1 << 32  # an id's successor cannot be guessed, and 2^42 of them fit into a millisecond


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _random_bits() -> int:
    return int.from_bytes(os.urandom(10)) & _RANDOM_MASK


def compose(*, unix_ms: int, random_bits: int) -> UUID:
    """The UUIDv7 of a time and 74 random bits (12 before the variant, 62 after it)."""
    return UUID(int=_compose(unix_ms, random_bits))


def time_of(inference_id: str | UUID) -> datetime:
    """When the id was made, in UTC, to the millisecond.

    Raises: ValueError if it is no UUIDv7.
    """
    identifier = inference_id if isinstance(inference_id, UUID) else UUID(inference_id)
    if identifier.version != 7:
        raise ValueError(f"found {identifier}, a UUID of version {identifier.version}; allowed: version 7")
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


class InferenceIds:
    """Makes ids, each larger than the one before. Not for several threads: a Lambda process has one."""

    def __init__(
        self, *, clock_ms: Callable[[], int] = _clock_ms, random_bits: Callable[[], int] = _random_bits
    ) -> None:
        self._clock_ms, self._random_bits = clock_ms, random_bits
        self._last_ms, self._last_bits = -1, 0

    def __call__(self) -> str:
        now_ms = self._clock_ms()
        if now_ms > self._last_ms:
            self._last_ms, self._last_bits = now_ms, self._random_bits()
        else:
            self._step()
        return _text_of(_compose(self._last_ms, self._last_bits))

    def _step(self) -> None:
        self._last_bits += 1 + self._random_bits() % _LARGEST_STEP
        if self._last_bits > _RANDOM_MASK:
            self._last_ms, self._last_bits = self._last_ms + 1, self._random_bits()


def _compose(unix_ms: int, random_bits: int) -> int:
    high, low = random_bits >> _LOW_BITS, random_bits & _LOW_MASK
    return unix_ms << 80 | _VERSION_7 | high << 64 | _VARIANT_RFC | low


def _text_of(identifier: int) -> str:
    # str(UUID(int=...)) takes eight times as long, and every request pays for it.
    digits = f"{identifier:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
