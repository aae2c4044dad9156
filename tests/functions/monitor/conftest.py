"""A baseline of the test package `flowers`, made once: learning it takes longer than most of these tests."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

import model_packages
from model_packages.interface import Interface, load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.learning import build_baseline
from tests.functions.conftest import PACKAGES
from tests.functions.monitor.flowers import requests_of, responses_to


@pytest.fixture(scope="session")
def flowers() -> Iterator[Interface]:
    model_packages.__path__.append(str(PACKAGES))
    yield load_interface("flowers")
    model_packages.__path__.remove(str(PACKAGES))


@pytest.fixture(scope="session")
def baseline(flowers: Interface) -> Baseline:
    return _learnt(flowers, seed=1)


@pytest.fixture(scope="session")
def other_baseline(flowers: Interface) -> Baseline:
    """Of a version trained on other data: its cells are others."""
    return _learnt(flowers, seed=2)


def _learnt(flowers: Interface, *, seed: int) -> Baseline:
    source = random.Random(seed)  # noqa: S311 - the same at each run
    requests = requests_of(source, 2000)
    return build_baseline(flowers, requests=requests, responses=responses_to(source, requests))
