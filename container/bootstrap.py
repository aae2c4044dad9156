"""How sure a gain is that two models show on the same rows. Pure.

Two questions are asked, and the less certain answer counts. Rows drawn anew, with replacement (the percentile
bootstrap, Efron 1979): what would another holdout show? Answers swapped at random (the randomisation test, Noreen
1989): what would chance show of two models that are equally good? Alone, the first is too sure where few rows make the
difference, and the second where one model errs seldom and badly. Simulated error rates, of other bounds too, are in
docs/decisions/gate-evidence.md.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Swaps = NDArray[np.bool_]

_SAME = 1e-9
"""A difference below this is rounding, and no difference."""


class Bounds(NamedTuple):
    """One-sided bounds of the true gain, each at the stated confidence; the gain that was seen lies between them."""

    low: float
    high: float


class Blocks:
    """Rows in blocks that are drawn and swapped as one: what a block's rows have in common is seen once."""

    def __init__(self, keys: Sequence[Hashable]) -> None:
        """`keys` has one a row; rows of one key are one block."""
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self._block_of = np.array([numbers[key] for key in keys], np.int64)
        ends = np.cumsum(np.bincount(self._block_of, minlength=len(numbers)))
        self._members = np.split(np.argsort(self._block_of, kind="stable"), ends[:-1])

    def __len__(self) -> int:
        return len(self._members)

    def drawn(self, generator: np.random.Generator) -> Rows:
        """Rows of as many blocks as there are, drawn with replacement."""
        chosen = generator.integers(len(self), size=len(self))
        return np.concatenate([self._members[block] for block in chosen])

    def swapped(self, generator: np.random.Generator) -> Swaps:
        """Of each row, whether its answers change sides."""
        return (generator.random(len(self)) < 0.5)[self._block_of]


def draws_needed(confidence: float) -> int:
    """So many leave fifty beyond each bound."""
    return max(400, math.ceil(50 / (1 - confidence)))


def fewest_draws(confidence: float) -> int:
    """Half as many still have a quantile at this confidence."""
    return max(400, math.ceil(2 / (1 - confidence)))


def bounds(gain: float, *, drawn: Floats, swapped: Floats, confidence: float) -> Bounds:
    """The wider of both answers: `drawn` and `swapped` are the gains that each draw showed: at least half of
    `fewest_draws`.
    """
    rank = math.ceil(confidence * (len(swapped) + 1))
    chance = np.sort(swapped)
    lows = (np.quantile(drawn, 1 - confidence, method="lower"), gain - chance[rank - 1], gain)
    highs = (np.quantile(drawn, confidence, method="higher"), gain - chance[-rank], gain)
    return Bounds(_settled(float(min(lows))), _settled(float(max(highs))))


def _settled(difference: float) -> float:
    """Where two equal gains were computed in different ways, the bound is 0 and not 1e-17."""
    return 0.0 if abs(difference) < _SAME else difference
