"""The agreed installation, whole, for each test to change in its own way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cdk.preflight.templates import Flowers


@pytest.fixture
def flowers(tmp_path: Path) -> Flowers:
    return Flowers(tmp_path / "flowers")
