"""The mathematics of the decision: bets against "this rate is at most its limit", and what many of them add up to.

It knows arrays, neither fields nor files. A bet's expected value is at most 1 while the limit holds, whatever else the
data do; sources and proofs are in docs/decisions/drift-decision.md. Pure numpy; everything is in natural logarithms.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FRACTIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.95)
"""Of the largest stake that cannot lose everything: a bet for each, so that small and large changes are found."""
CERTAINTY = 0.99
"""With this confidence all limits lie above the true rates of what the baseline was drawn from."""
HEADROOM = 10.0
"""Evidence counts up to this many times the threshold, so that it is gone soon after the change is."""
FACTORS_AT_ONCE = 128
"""So many factors between 0.05 and 50 multiply without leaving the range of a float."""
STEP_NATS, LEAST_NATS = 1.0 / 1024.0, -8.0
"""Evidence is kept in sixteen bits, rounded down; what is below the least counts as none."""


def upper_bounds(shares: Floats, rows: int, *, error: float) -> Floats:
    """Above each true mean, but for a chance of `error` in each, where `shares` are means of `rows` values in [0, 1].

    Chernoff's bound: the largest mean u with rows * KL(share, u) <= log(1 / error).
    """
    if rows == 0:
        return np.ones_like(shares)
    low, high = shares.copy(), np.ones_like(shares)
    allowed = -math.log(error) / rows
    for _ in range(50):
        middle = (low + high) / 2.0
        inside = _divergence(shares, middle) <= allowed
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def tail_margin(rows: int, *, error: float) -> float:
    """How far all tails of one side of a distribution may lie above those seen in `rows` values, but for `error`.

    The inequality of Dvoretzky, Kiefer, Wolfowitz and Massart.
    """
    return math.sqrt(-math.log(error) / (2.0 * rows)) if rows else 1.0


def row_bets(hits: Floats, rows: int, limits: Floats) -> Floats:
    """Log of what each bet came to, (rates, fractions), where every row is one observation."""
    return np.stack(
        [
            hits * np.log1p(fraction * (1.0 - limits) / limits) + (rows - hits) * math.log1p(-fraction)
            for fraction in FRACTIONS
        ],
        axis=1,
    )


def block_bets(means: Floats, weights: Floats, limits: Floats) -> Floats:
    """The same where every block is one observation: `means` are (blocks, rates) and `weights` at most 1, (blocks,).

    Blocks that weigh less are bet on with less: what has to be at most the limit is the weighted mean over all blocks.
    """
    odds = weights[:, None] * (means - limits) / limits
    bets = np.zeros((len(limits), len(FRACTIONS)))
    for column, fraction in enumerate(FRACTIONS):
        factors = 1.0 + fraction * odds
        for start in range(0, len(factors), FACTORS_AT_ONCE):
            bets[:, column] += np.log(np.prod(factors[start : start + FACTORS_AT_ONCE], axis=0))
    return bets


class Evidence:
    """A mixture of Shiryaev-Roberts detectors, one for each rate and fraction: R <- (R + 1) * bet.

    While every limit holds, R minus the number of windows is a supermartingale for each of them, hence for their
    weighted mean; so the mean reaches `windows_per_false_alarm` after that many windows or more, in expectation.
    """

    def __init__(self, weights: Floats, starts: Sequence[int], *, windows_per_false_alarm: int) -> None:
        """`weights` of the rates sum to 1. A group of rates begins at each of `starts`; none of them begins none."""
        self._log_weights = (np.log(weights) - math.log(len(FRACTIONS)))[:, None]
        self._starts = np.asarray(starts, np.intp)
        self._sizes = np.diff([*starts, len(weights)])
        self._most = math.log(windows_per_false_alarm) + math.log(HEADROOM)
        self._kept = np.zeros((len(weights), len(FRACTIONS)), np.uint16)

    @property
    def groups(self) -> Floats:
        """Log of each group's part of the evidence: the evidence is the sum of the parts."""
        return self._log_parts(self._logs())

    @property
    def rates(self) -> Floats:
        """Log of each rate's part."""
        return np.asarray(np.logaddexp.reduce(self._logs() + self._log_weights, axis=1))

    @property
    def total(self) -> float:
        """Log of the evidence, up to HEADROOM times the threshold."""
        return min(self._most, float(np.logaddexp.reduce(self.groups)))

    def add(self, bets: Floats, *, windows: int = 1) -> None:
        """What a window (or several, bet on as one) has to say. All that is lost here is lost on the safe side."""
        logs = np.logaddexp(self._logs(), math.log(windows)) + bets
        excess = np.maximum(0.0, self._log_parts(logs) - self._most)
        steps = np.floor((logs - np.repeat(excess, self._sizes)[:, None] - LEAST_NATS) / STEP_NATS)
        self._kept = np.clip(steps, 0, np.iinfo(np.uint16).max).astype(np.uint16)

    def restart(self) -> None:
        """From no evidence, as at the beginning."""
        self._kept = np.zeros_like(self._kept)

    def packed(self) -> str:
        """As text for a JSON document."""
        return pack(self._kept)

    def restore(self, text: str) -> bool:
        """Goes on from what `packed` gave; False, and nothing changes, where that was of other rates."""
        kept = unpack(text, like=self._kept)
        self._kept = self._kept if kept is None else kept
        return kept is not None

    def _logs(self) -> Floats:
        kept = self._kept.astype(np.float64)
        return np.where(kept > 0, kept * STEP_NATS + LEAST_NATS, -np.inf)

    def _log_parts(self, logs: Floats) -> Floats:
        return np.logaddexp.reduceat(np.logaddexp.reduce(logs + self._log_weights, axis=1), self._starts)


def pack(array: NDArray[Any]) -> str:
    """An array as short text. `unpack` needs to be told its type and shape."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode("ascii")


def unpack(text: str, *, like: NDArray[Any]) -> NDArray[Any] | None:
    """The array, or None where the text is of an array with another number of values, or damaged."""
    try:
        content = zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error):
        return None
    return np.frombuffer(content, like.dtype).reshape(like.shape).copy() if len(content) == like.nbytes else None


def _divergence(shares: Floats, means: Floats) -> Floats:
    """KL divergence of two coins, in nats; a share below its mean is all that is asked for."""
    with np.errstate(divide="ignore", invalid="ignore"):
        heads = np.where(shares > 0.0, shares * np.log(shares / means), 0.0)
        tails = np.where(shares < 1.0, (1.0 - shares) * np.log((1.0 - shares) / (1.0 - means)), 0.0)
    return heads + tails
