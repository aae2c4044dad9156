"""One small installation for all tests that only read templates, and a workshop for those that need another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cdk.synth import Assembly, Workshop, sample_packages


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """`flowers` scales on GPUs behind a canary; `house_prices` is one CPU instance; the settings are cdk.json's."""
    workshop = Workshop(tmp_path_factory.mktemp("installation"))
    return workshop.synthesize(sample_packages(workshop))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with a workshop synthesizes for itself, which takes a second each time."""
    for item in items:
        if "workshop" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
