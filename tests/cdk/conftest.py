"""One small installation for all tests that only read templates, a few of other settings, and a workshop for those that
need yet another.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cdk.synth import VARIATIONS, Assembly, Workshop, sample_packages


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """`flowers` scales on GPUs behind a canary; `house_prices` is one CPU instance; the environment is staging."""
    workshop = Workshop(tmp_path_factory.mktemp("installation"))
    return workshop.synthesize(sample_packages(workshop))


@pytest.fixture(scope="session")
def variations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    """The same packages under other settings."""
    workshop = Workshop(tmp_path_factory.mktemp("variations"))
    packages = sample_packages(workshop)
    return {name: workshop.synthesize(packages, out=name, **settings) for name, settings in VARIATIONS.items()}


@pytest.fixture(scope="session")
def private(variations: dict[str, Assembly]) -> Assembly:
    """In a VPC of its own."""
    return variations["vpc"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with a workshop synthesizes for itself, which takes a second each time."""
    for item in items:
        if "workshop" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
