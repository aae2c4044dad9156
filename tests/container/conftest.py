"""The test packages beside this file become model packages, and a build context of one is laid out as an image's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import model_packages

ROOT = Path(__file__).parents[2]
PACKAGES = Path(__file__).parent / "packages"


@pytest.fixture(scope="session", autouse=True)
def test_packages() -> Iterator[Path]:
    """Makes `model_packages.<name>` of every folder in packages/."""
    model_packages.__path__.append(str(PACKAGES))
    yield PACKAGES
    model_packages.__path__.remove(str(PACKAGES))


@pytest.fixture
def build_context(tmp_path: Path) -> Callable[[str], Path]:
    """Lays out what docker would be given for one test package: Dockerfile, container/ and model_packages/."""

    def lay_out(package: str) -> Path:
        context = tmp_path / "context"
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "container", context / "container", ignore=without_caches)
        shutil.copy(ROOT / "container" / "Dockerfile", context / "Dockerfile")
        contract = context / "model_packages"
        contract.mkdir()
        for module in (ROOT / "model_packages").glob("*.py"):
            shutil.copy(module, contract / module.name)
        shutil.copytree(ROOT / "model_packages" / "profile", contract / "profile", ignore=without_caches)
        shutil.copytree(PACKAGES / package, contract / package, ignore=without_caches)
        return context

    return lay_out


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
