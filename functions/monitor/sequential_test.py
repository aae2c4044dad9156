"""One sequential test over the life of an endpoint: what its windows, and whole seasons of them, add up to.

Two clocks share the evidence where traffic has a season (a day, a week): each window is judged by a wide tolerance,
for what no hour of the day explains, and each whole season by the narrow one. Without a season there is one clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from functions.monitor.betting import (
    CERTAINTY,
    FRACTIONS,
    Evidence,
    Floats,
    block_bets,
    pack,
    row_bets,
    tail_margin,
    unpack,
    upper_bounds,
)
from model_packages.contract import Monitor

REMEMBERED_WINDOWS = 100
"""A window that comes again within this many is known again."""
LONGEST_SEASON = 1.5
"""Of a season's length: one with a longer gap in it is not judged."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One window: how many of its rows each rate counts, or which share of each block's rows, (blocks, rates)."""

    rows: int
    hits: Floats
    block_means: Floats | None = None
    block_rows: Floats | None = None

    @property
    def blocks(self) -> int:
        """Independent observations."""
        return self.rows if self.block_rows is None else len(self.block_rows)

    @property
    def largest_block(self) -> float:
        """Its rows."""
        return 1.0 if self.block_rows is None else float(self.block_rows.max())

    def bets(self, limits: Floats, *, full_block: float) -> Floats:
        """Log of what the bets against `limits` came to. A block with fewer rows than `full_block` weighs less."""
        if self.block_means is None or self.block_rows is None:
            return row_bets(self.hits, self.rows, limits)
        return block_bets(self.block_means, np.minimum(1.0, self.block_rows / full_block), limits)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What was seen of some rates among the baseline's rows, and what may become of them."""

    shares: Floats
    rows: int
    tolerances: Floats
    weights: Floats
    """Of the evidence; they sum to 1."""
    starts: tuple[int, ...]
    """Where each group of rates begins."""
    is_tail: NDArray[np.bool_]
    """Whether a rate is of all values below a cut, or of all above one."""

    def limits(self, *, least_tolerance: float = 0.0) -> Floats:
        """What the true rates are surely below, and the tolerance."""
        return np.minimum(1.0, self._bounds() + np.maximum(self.tolerances, least_tolerance))

    def _bounds(self) -> Floats:
        """Two for each tail, each with half of the error."""
        error = (1.0 - CERTAINTY) / 2.0
        bounds = upper_bounds(self.shares, self.rows, error=error / max(1, len(self.shares)))
        columns = len(np.unique(np.searchsorted(self.starts, np.flatnonzero(self.is_tail), side="right")))
        margin = tail_margin(self.rows, error=error / max(1, 2 * columns))
        return np.where(self.is_tail, np.minimum(bounds, self.shares + margin), bounds)

    def evidence(self, windows_per_false_alarm: int) -> Evidence:
        """None so far."""
        return Evidence(self.weights, self.starts, windows_per_false_alarm=windows_per_false_alarm)


class Clock(Protocol):
    """Bets on windows, and says when they count."""

    limits: Floats
    evidence: Evidence

    def add(self, observed: Observed, end: datetime) -> None: ...
    def restart(self, end: datetime) -> None: ...
    def to_json(self) -> dict[str, Any]: ...
    def restore(self, document: Mapping[str, Any]) -> None: ...


@dataclass(slots=True)
class WindowClock:
    """Each window counts at once."""

    limits: Floats
    evidence: Evidence

    def add(self, observed: Observed, end: datetime) -> None:  # noqa: ARG002 - a window is over when it comes
        self.evidence.add(observed.bets(self.limits, full_block=observed.largest_block))

    def restart(self, end: datetime) -> None:  # noqa: ARG002
        self.evidence.restart()

    def to_json(self) -> dict[str, Any]:
        return {"evidence": self.evidence.packed()}

    def restore(self, document: Mapping[str, Any]) -> None:
        self.evidence.restore(document["evidence"])


@dataclass(slots=True)
class SeasonClock:
    """The windows of a season count together, when it is over: only a whole season has to look as the baseline does."""

    limits: Floats
    evidence: Evidence
    length: timedelta
    begin: datetime | None = None
    windows: int = 0
    bets: Floats = field(default_factory=lambda: np.zeros(()))
    largest_block: float = 0.0
    """Of this season."""
    full_block: float = 0.0
    """The largest block of the season before, by which all are weighed; 0: not known yet, and nothing is bet."""

    def add(self, observed: Observed, end: datetime) -> None:
        if self.begin is None:
            self._begin_at(end)
            return
        self.windows += 1
        self.largest_block = max(self.largest_block, observed.largest_block)
        if observed.block_rows is None or self.full_block > 0.0:
            self.bets = self.bets + observed.bets(self.limits, full_block=self.full_block)
        if end - self.begin >= self.length:
            self._judge(whole=end - self.begin <= LONGEST_SEASON * self.length)
            self._begin_at(end)

    def restart(self, end: datetime) -> None:
        """What was bet so far in this season has been seen: another season begins."""
        self.evidence.restart()
        self._begin_at(end)

    def to_json(self) -> dict[str, Any]:
        return {
            "evidence": self.evidence.packed(),
            "begin": self.begin.isoformat() if self.begin else None,
            "windows": self.windows,
            "bets": pack(self.bets.astype(np.float32)) if self.windows else None,
            "largest_block": self.largest_block,
            "full_block": self.full_block,
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        self.evidence.restore(document["evidence"])
        self.begin = datetime.fromisoformat(document["begin"]) if document["begin"] else None
        self.windows = document["windows"]
        self.largest_block, self.full_block = document["largest_block"], document["full_block"]
        shape = np.zeros((len(self.limits), len(FRACTIONS)), np.float32)
        kept = unpack(document["bets"], like=shape) if document["bets"] else None
        self.bets = np.zeros(()) if kept is None else kept.astype(np.float64)

    def _judge(self, *, whole: bool) -> None:
        if whole and self.bets.ndim:
            self.evidence.add(self.bets, windows=self.windows)
        self.full_block = self.largest_block

    def _begin_at(self, moment: datetime) -> None:
        self.begin, self.windows, self.bets, self.largest_block = moment, 0, np.zeros(()), 0.0


@dataclass
class SequentialTest:
    """The evidence that any of some rates is above its limit. Its state is a small JSON document."""

    clocks: tuple[Clock, ...]
    threshold: float
    """Natural logarithm, as all evidence here."""
    identity: str
    """Of the limits and settings: a state of others is of no use."""
    called: bool = False
    seen: tuple[str, ...] = ()

    @classmethod
    def of(cls, rates: RateLimits, monitor: Monitor) -> Self:
        """At its beginning."""
        often, hours = monitor.windows_per_false_alarm, monitor.season_hours
        clocks: tuple[Clock, ...] = (WindowClock(rates.limits(), rates.evidence(often)),)
        if hours:
            wide = rates.limits(least_tolerance=monitor.season_tolerance)
            clocks = (
                WindowClock(wide, rates.evidence(often)),
                SeasonClock(rates.limits(), rates.evidence(often), timedelta(hours=hours)),
            )
        settings = f"{often} {hours} {monitor.block} {rates.starts}".encode()
        identity = hashlib.sha256(b"".join([settings, *(clock.limits.tobytes() for clock in clocks)]))
        return cls(clocks, math.log(often), identity.hexdigest()[:16])

    @property
    def total(self) -> float:
        """Log of the evidence."""
        return float(self._mean([np.asarray(clock.evidence.total) for clock in self.clocks]))

    @property
    def groups(self) -> Floats:
        """Log of each group's part."""
        return self._mean([clock.evidence.groups for clock in self.clocks])

    @property
    def rates(self) -> Floats:
        """Log of each rate's part."""
        return self._mean([clock.evidence.rates for clock in self.clocks])

    def add(self, window: str, observed: Observed, *, end: datetime) -> bool:
        """Takes a window in; False if it has no row, or was taken in before: then nothing changes."""
        if observed.rows == 0 or window in self.seen:
            return False
        self.seen = (*self.seen, window)[-REMEMBERED_WINDOWS:]
        for clock in self.clocks:
            clock.add(observed, end)
        called = self.total >= self.threshold
        if self.called and not called:
            self._restart(end)
        self.called = called
        return True

    def to_json(self) -> dict[str, Any]:
        """What `restore` goes on from."""
        clocks = [clock.to_json() for clock in self.clocks]
        return {"identity": self.identity, "called": self.called, "seen": list(self.seen), "clocks": clocks}

    def restore(self, document: Mapping[str, Any]) -> bool:
        """False, and the test stays at its beginning, where the state is of another baseline or other settings."""
        if document.get("identity") != self.identity:
            return False
        self.called, self.seen = document["called"], tuple(document["seen"])
        for clock, kept in zip(self.clocks, document["clocks"], strict=True):
            clock.restore(kept)
        return True

    def _restart(self, end: datetime) -> None:
        """After an alarm is over, the next false one is as far away as at the beginning."""
        for clock in self.clocks:
            clock.restart(end)

    def _mean(self, logs: Sequence[Floats]) -> Floats:
        return np.asarray(np.logaddexp.reduce(np.stack(logs), axis=0) - math.log(len(logs)))
