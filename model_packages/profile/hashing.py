"""64-bit hashes of many values at once, the same on every machine and in every process, and what they estimate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
REGISTER_BITS = 11
REGISTERS = 1 << REGISTER_BITS
"""Of a distinct estimate: its standard error is 1.04 / sqrt(2048), 2.3 %."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(values: NDArray[np.uint64]) -> Hashes:
    """SplitMix64's finaliser: every bit of a value moves every bit of its hash."""
    found = values + _GOLDEN
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    hashes: Hashes = found ^ (found >> np.uint64(31))
    return hashes


def number_hashes(values: NDArray[np.float64]) -> Hashes:
    """Of numbers; 0 and -0 are one number."""
    return mixed((values + 0.0).view(np.uint64))


def vector_hashes(vectors: NDArray[np.float32]) -> Hashes:
    """Of the rows of [n, d]."""
    bits = np.ascontiguousarray(vectors).view(np.uint32).astype(np.uint64)
    factors = mixed(np.arange(vectors.shape[1], dtype=np.uint64)) | np.uint64(1)
    return mixed((bits * factors).sum(axis=1, dtype=np.uint64))


def count_distinct(registers: NDArray[np.uint8], hashes: Hashes) -> None:
    """Adds hashed values to the HyperLogLog `registers` [REGISTERS], in place."""
    places = (hashes >> np.uint64(64 - REGISTER_BITS)).astype(np.intp)
    rest = (hashes << np.uint64(REGISTER_BITS)) >> np.uint64(REGISTER_BITS)  # 53 bits: a float holds them exactly
    _, exponents = np.frexp(rest.astype(np.float64))
    np.maximum.at(registers, places, (64 - REGISTER_BITS + 1 - exponents).astype(np.uint8))


def estimate_distinct(registers: NDArray[np.uint8]) -> float:
    """How many different values the registers saw (Flajolet et al. 2007, with linear counting where few)."""
    alpha = 0.7213 / (1 + 1.079 / REGISTERS)
    raw = alpha * REGISTERS**2 / float(np.sum(np.exp2(-registers.astype(np.float64))))
    empty = int(np.count_nonzero(registers == 0))
    if raw <= 2.5 * REGISTERS and empty:
        return float(REGISTERS * np.log(REGISTERS / empty))
    return raw
