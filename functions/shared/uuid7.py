"""Inference ids: UUIDv7 (RFC 9562, section 5.7), so that an id tells the hour of its request, and who made it.

The last 24 of an id's 74 random bits are a keyed check of all the others, so that one issuer's ids can be told from a
typo, another issuer's and a made-up one without a store (docs/decisions/inference-ids.md). Ids of one generator rise
strictly, also within a millisecond and when the clock is set back (section 6.2, method 2).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2s
from uuid import RFC_4122, UUID

_RANDOM_BITS = 74
CHECK_BITS = 24
CHANCE_BITS = _RANDOM_BITS - CHECK_BITS
_CHANCE_MASK = (1 << CHANCE_BITS) - 1
_CHECK_MASK = (1 << CHECK_BITS) - 1
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_VERSION_7 = 7 << 76
_VARIANT_RFC = 0b10 << 62
_LARGEST_STEP = 1 << 32  # an id's successor cannot be guessed, and 2^18 of them and more fit into a millisecond


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _chance_bits() -> int:
    return int.from_bytes(os.urandom(7)) & _CHANCE_MASK


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


def share_of(inference_id: str) -> float:
    """A number from 0 to below 1, the same each time and evenly spread over ids: what is sampled by."""
    return (int(inference_id[-CHECK_BITS // 4 :], 16)) / (1 << CHECK_BITS)


class Issuer:
    """Whoever's ids are to be recognised. The name is no secret: the check finds mistakes, and not forgers."""

    def __init__(self, name: str) -> None:
        self._key = blake2s(name.encode()).digest()

    def seal(self, unix_ms: int, chance_bits: int) -> int:
        """The 74 random bits: `chance_bits`, then their check with the time's."""
        content = (unix_ms << CHANCE_BITS | chance_bits).to_bytes(13)
        check = blake2s(content, digest_size=CHECK_BITS // 8, key=self._key).digest()
        return chance_bits << CHECK_BITS | int.from_bytes(check)

    def made(self, identifier: UUID) -> bool:
        """Whether the id is one of this issuer's; of 2^24 others, one is taken for it."""
        if identifier.variant != RFC_4122 or identifier.version != 7:
            return False
        number = identifier.int
        random_bits = (number >> 64 & 0xFFF) << _LOW_BITS | number & _LOW_MASK
        return self.seal(number >> 80, random_bits >> CHECK_BITS) & _CHECK_MASK == random_bits & _CHECK_MASK


class InferenceIds:
    """Makes ids, each larger than the one before. Not for several threads: a Lambda process has one."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        clock_ms: Callable[[], int] = _clock_ms,
        chance_bits: Callable[[], int] = _chance_bits,
    ) -> None:
        self._issuer, self._clock_ms, self._chance_bits = issuer, clock_ms, chance_bits
        self._last_ms, self._last_bits = -1, 0

    def __call__(self, unix_ms: int | None = None) -> str:
        """An id of the time `unix_ms`, or of now."""
        now_ms = self._clock_ms() if unix_ms is None else unix_ms
        if now_ms > self._last_ms:
            self._last_ms, self._last_bits = now_ms, self._chance_bits()
        else:
            self._step()
        return _text_of(_compose(self._last_ms, self._issuer.seal(self._last_ms, self._last_bits)))

    def _step(self) -> None:
        self._last_bits += 1 + self._chance_bits() % _LARGEST_STEP
        if self._last_bits > _CHANCE_MASK:
            self._last_ms, self._last_bits = self._last_ms + 1, self._chance_bits()


def _compose(unix_ms: int, random_bits: int) -> int:
    high, low = random_bits >> _LOW_BITS, random_bits & _LOW_MASK
    return unix_ms << 80 | _VERSION_7 | high << 64 | _VARIANT_RFC | low


def _text_of(identifier: int) -> str:
    # str(UUID(int=...)) takes eight times as long, and every request pays for it.
    digits = f"{identifier:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
