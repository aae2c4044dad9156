"""What staleness costs, and that waiting until it has cost a run is never much worse than the best in hindsight."""

from __future__ import annotations

import random

import pytest

from functions.retraining.staleness import Staleness, extra_errors_by_drift, extra_errors_by_labels, too_cheap
from model_packages.contract import Retraining

RUN_USD = 100.0
SETTINGS = Retraining(run_usd=RUN_USD, error_usd=1.0)


@pytest.mark.parametrize(("live", "errors"), [(0.15, 50.0), (0.10, 0.0), (0.02, 0.0)])
def test_errors_that_the_holdout_had_too_are_no_staleness(live: float, errors: float) -> None:
    found = extra_errors_by_labels(live_error=live, holdout_error=0.1, predictions=1000)

    assert found == pytest.approx(errors)


@pytest.mark.parametrize(("changes", "errors"), [((), 0.0), ((0.1, 0.2), 300.0), ((0.7, 0.7), 1000.0)])
def test_drift_causes_at_most_as_many_errors_as_there_are_predictions(
    changes: tuple[float, ...], errors: float
) -> None:
    assert extra_errors_by_drift(changes=changes, predictions=1000) == pytest.approx(errors)


def test_without_costs_no_run_is_too_dear() -> None:
    nothing = Staleness(extra_errors=0.0, predictions=0, source="labels")

    assert too_cheap(nothing, Retraining()) == ""


class World:
    """What one step costs at `time` with a model that was trained at `trained`: an older one never errs less."""

    def __init__(self, seed: int, *, steps: int) -> None:
        source = random.Random(seed)  # noqa: S311 - the same at each run
        moves = [source.choice([0.0, 0.0, 0.0, source.random()]) for _ in range(steps)]
        self.rate, self.steps = source.uniform(0.1, 4.0), steps
        self._moved = [sum(moves[:time]) for time in range(steps + 1)]

    def cost(self, time: int, trained: int) -> float:
        """At most a twenty-fifth of a run's: labels come often enough."""
        return min(RUN_USD / 25, self.rate * (self._moved[time] - self._moved[trained]))


def cost_of_the_rule(world: World) -> float:
    """Trains whenever the rule no longer says that it is too early."""
    paid = owed = 0.0
    trained = 0
    for time in range(world.steps):
        owed += world.cost(time, trained)
        paid += world.cost(time, trained)
        if not too_cheap(Staleness(extra_errors=owed, predictions=1, source="labels"), SETTINGS):
            paid, owed, trained = paid + RUN_USD, 0.0, time
    return paid


def cost_in_hindsight(world: World) -> float:
    """The least that any choice of times to train costs."""
    best = {0: 0.0}  # when the model was trained -> the least paid so far
    for time in range(world.steps):
        paid = {trained: cost + world.cost(time, trained) for trained, cost in best.items()}
        paid[time] = min(min(paid.values()) + RUN_USD, paid.get(time, float("inf")))
        best = paid
    return min(best.values())


@pytest.mark.parametrize("seed", range(30))
def test_the_rule_pays_at_most_twice_what_the_best_in_hindsight_pays(seed: int) -> None:
    world = World(seed, steps=400)
    rule, best = cost_of_the_rule(world), cost_in_hindsight(world)

    overshoot = 1 + 1 / 50  # a step costs at most a twenty-fifth of a run, and two runs' worth is paid between runs
    assert best <= rule <= 2 * overshoot * best + RUN_USD  # the last stretch has no run that ends it
