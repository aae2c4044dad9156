"""The latency of single requests, on a clock that models move."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from container.latency import p99_latencies_ms
from model_packages.interface import Predict


class Clock:
    """Time passes only while a model predicts."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def model(self, *seconds: float) -> Predict:
        """One that takes so long for each request in turn."""
        durations = itertools.cycle(seconds)

        def predict(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
            self.now += next(durations)
            return [{} for _ in requests]

        return predict


def test_the_slowest_requests_of_each_model_count() -> None:
    clock = Clock()
    models = [clock.model(0.001), clock.model(*[0.002] * 24, 0.01)]

    steady, uneven = p99_latencies_ms(models, [{}], clock=clock)

    assert steady == pytest.approx(1.0)
    assert uneven == pytest.approx(10.0)


def test_slow_models_are_asked_less_often() -> None:
    clock = Clock()

    found = p99_latencies_ms([clock.model(1.0)], [{}], clock=clock)

    assert found == [pytest.approx(1000.0)]
    assert clock.now < 30
