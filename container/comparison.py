"""Champion and challenger by the package's own evaluate(), over the same draws of the same records.

Any metric can be compared, because evaluate() is asked about every draw anew, with answers that were given once. Which
rows count as one observation is what `[monitor] block` says; where records have no time, each row is one.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from container.answers import Holdout, Side
from container.bootstrap import Blocks, bounds, draws_needed, fewest_draws
from container.evaluation import Evaluation
from model_packages.contract import Monitor
from model_packages.dataset import Record
from model_packages.evidence import Paired
from model_packages.interface import Predict

Measure = Callable[[Predict, Sequence[Record]], Evaluation]
"""The package's evaluate()."""
Part = str | None
"""A slice's name, or None for all records."""

SEED = 20_260_101
NOTHING = Evaluation(metrics={}, slices={})
LEAST_TOLD_SHARE = 0.5
"""A metric that fewer of the draws can tell has no bounds: most other holdouts would not tell it either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long draws may take; the fewest that say something are made however long they take."""

    budget_seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Where the holdout cannot tell, `compared` is None and `why_not` says why."""

    challenger: Evaluation
    champion: Evaluation = NOTHING
    compared: Paired | None = None
    slices: Mapping[str, Paired] = field(default_factory=dict)
    draws: int = 0
    why_not: str = ""


class Measured(NamedTuple):
    """What evaluate() said of some records; where it raised something, that and nothing else."""

    evaluation: Evaluation
    problem: str = ""


class Draw(NamedTuple):
    """The challenger's gains on rows drawn anew, and on all rows with the answers of some of them swapped."""

    drawn: Mapping[Part, float]
    swapped: Mapping[Part, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Two models before the same holdout. `compare` is the metric; slices that lack it are compared by `metric`."""

    holdout: Holdout
    champion: Side
    challenger: Side
    measure: Measure
    compare: str
    metric: str
    confidence: float
    monitor: Monitor
    effort: Effort = field(default_factory=Effort)

    def decide(self) -> Comparison:
        """Raises nothing of evaluate()'s: what it cannot tell is not compared."""
        both = self._measured(self.champion), self._measured(self.challenger)
        champion, challenger = (each.evaluation for each in both)
        metrics = self._metrics(champion, challenger)
        draws = tuple(self._draws(metrics)) if metrics else ()
        paired = {
            part: self._paired(champion.of(part)[name], challenger.of(part)[name], part, draws)
            for part, name in metrics.items()
        }
        compared = paired.pop(None, None)
        return Comparison(
            champion=champion,
            challenger=challenger,
            compared=compared,
            slices={part: each for part, each in paired.items() if part is not None and each is not None},
            draws=len(draws),
            why_not="" if compared else self._why_not(both),
        )

    def _measured(self, side: Side) -> Measured:
        return measured(self.measure, self.holdout, side)

    def _metrics(self, champion: Evaluation, challenger: Evaluation) -> dict[Part, str]:
        """What each part is compared by, of those that evaluate() tells of both."""
        choices: dict[Part, tuple[str, ...]] = {None: (self.compare,)}
        choices |= dict.fromkeys(champion.slices, (self.compare, self.metric))
        found = {
            part: next((name for name in names if name in champion.of(part) and name in challenger.of(part)), None)
            for part, names in choices.items()
        }
        return {part: name for part, name in found.items() if name is not None}

    def _draws(self, metrics: Mapping[Part, str]) -> Iterator[Draw]:
        generator, clock = np.random.default_rng(SEED), self.effort.clock
        blocks = Blocks(block_keys(self.holdout.records, self.monitor))
        begin = clock()
        for number in range(draws_needed(self.confidence)):
            if number >= fewest_draws(self.confidence) and clock() - begin >= self.effort.budget_seconds:
                return
            rows, swaps = blocks.drawn(generator).tolist(), blocks.swapped(generator).tolist()
            yield Draw(drawn=self._gains_of_rows(rows, metrics), swapped=self._gains_of_swaps(swaps, metrics))

    def _gains_of_rows(self, rows: Sequence[int], metrics: Mapping[Part, str]) -> dict[Part, float]:
        records = [self.holdout.records[row] for row in rows]
        return self._gains(records, self.champion, self.challenger, metrics)

    def _gains_of_swaps(self, swaps: Sequence[bool], metrics: Mapping[Part, str]) -> dict[Part, float]:
        triples = list(zip(swaps, self.champion.answers, self.challenger.answers, strict=True))
        champion = replace(self.champion, answers=[new if swap else old for swap, old, new in triples])
        challenger = replace(self.challenger, answers=[old if swap else new for swap, old, new in triples])
        return self._gains(self.holdout.records, champion, challenger, metrics)

    def _gains(
        self, records: Sequence[Record], champion: Side, challenger: Side, metrics: Mapping[Part, str]
    ) -> dict[Part, float]:
        old, new = (
            measured(self.measure, self.holdout, side, records=records).evaluation for side in (champion, challenger)
        )
        return {
            part: new.of(part)[name] - old.of(part)[name]
            for part, name in metrics.items()
            if name in old.of(part) and name in new.of(part)
        }

    def _paired(self, champion: float, challenger: float, part: Part, draws: Sequence[Draw]) -> Paired | None:
        """None where too few draws tell the metric."""
        drawn = np.array([draw.drawn[part] for draw in draws if part in draw.drawn])
        swapped = np.array([draw.swapped[part] for draw in draws if part in draw.swapped])
        if min(len(drawn), len(swapped)) < LEAST_TOLD_SHARE * len(draws):
            return None
        gain = challenger - champion
        low, high = bounds(gain, drawn=drawn, swapped=swapped, confidence=self.confidence)
        return Paired(
            champion=champion, challenger=challenger, gain=gain, low=low, high=high, rows=len(self.holdout.records)
        )

    def _why_not(self, both: Sequence[Measured]) -> str:
        problems = list(dict.fromkeys(each.problem for each in both if each.problem))
        if problems:
            return "; ".join(problems)
        for each in both:
            if self.compare not in each.evaluation.metrics:
                found = ", ".join(sorted(each.evaluation.metrics)) or "nothing"
                return f"evaluate() tells no {self.compare} of this holdout; it tells {found}"
        return f"too few of the holdouts drawn from this one tell {self.compare}: too few of its records count for it"


def measured(measure: Measure, holdout: Holdout, side: Side, *, records: Sequence[Record] | None = None) -> Measured:
    """What evaluate() tells of `records`, by default the holdout's; nothing where it raises something, as it may of
    records without a positive.
    """
    predict = holdout.look_up(side)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a mean of no rows is NaN, and left out
        try:
            return Measured(measure(predict, holdout.records if records is None else records).told())
        except Exception as error:  # noqa: BLE001 - whatever a package raises is why there is no metric
            return Measured(NOTHING, f"evaluate() raised {type(error).__name__}: {error}")


def block_keys(records: Sequence[Record], monitor: Monitor) -> list[Hashable]:
    """Of each record, which observation it belongs to. No record names its caller: a caller's rows are taken to come
    within `block_minutes`.
    """
    if monitor.block == "row":
        return list(range(len(records)))
    seconds = 60 * monitor.block_minutes
    return [_block(record, seconds) or ("row", number) for number, record in enumerate(records)]


def _block(record: Record, seconds: int) -> Hashable | None:
    try:
        instant = datetime.fromisoformat(record["time"])
    except (KeyError, TypeError, ValueError):
        return None
    return "time", (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() // seconds
