"""How long single requests take, one after another. Models take turns: what disturbs the machine disturbs each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from container.answers import Request
from model_packages.interface import Predict

WARM_UP_REQUESTS = 5
MOST_REQUESTS = 200
LEAST_REQUESTS = 20
BUDGET_SECONDS = 5.0
"""Of each model; the fewest requests are made however long they take."""


def p99_latencies_ms(
    models: Sequence[Predict], requests: Sequence[Request], *, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The 99th percentile of each model, after a warm-up, without the server and the network."""
    for request in requests[:WARM_UP_REQUESTS]:
        for predict in models:
            predict([request])
    seconds: list[list[float]] = [[] for _ in models]
    begin = clock()
    for number in range(MOST_REQUESTS):
        if number >= LEAST_REQUESTS and clock() - begin >= BUDGET_SECONDS * len(models):
            break
        request = requests[number % len(requests)]
        for predict, own in zip(models, seconds, strict=True):
            own.append(_seconds(predict, request, clock))
    return [1000 * float(np.percentile(own, 99)) for own in seconds]


def _seconds(predict: Predict, request: Request, clock: Callable[[], float]) -> float:
    before = clock()
    predict([request])
    return clock() - before
