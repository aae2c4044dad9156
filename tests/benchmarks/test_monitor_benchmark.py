"""The monitor benchmark runs. Its figures are for people: a test on a busy machine could judge none of them."""

from __future__ import annotations

import pytest

from cdk.function_asset import ROOT, dependencies_folder
from tests.benchmarks.monitor import measure, tables


@pytest.mark.slow
@pytest.mark.skipif(
    not dependencies_folder(ROOT / "build").exists(),
    reason="`python -m cdk.function_asset` fetches what functions import",
)
def test_a_window_of_each_size_is_measured() -> None:
    measured = measure(rows=[300, 600], rounds=1)

    assert [window["rows"] for window in measured.windows] == [300, 600]
    assert all(window["seconds"] > 0 for window in measured.windows)
    assert {"numpy", "orjson", "pydantic_core"} <= measured.libraries_mb.keys()
    assert 0 < measured.code_mb < 1
    assert "| 600 |" in tables(measured)
