"""Makes the test package `flowers` a model package for the time of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import model_packages

PACKAGES = Path(__file__).parent / "packages"


@pytest.fixture(autouse=True)
def _flowers_is_a_package() -> Iterator[None]:
    model_packages.__path__.append(str(PACKAGES))
    yield
    model_packages.__path__.remove(str(PACKAGES))
    for name in [name for name in sys.modules if name.startswith("model_packages.flowers")]:
        del sys.modules[name]
