"""docs/preflight.md names every rule as the code has it."""

from __future__ import annotations

from local.truth_table import is_current
from tests.cdk.preflight.rules_table import DOCUMENT, tables


def test_the_document_has_every_rule() -> None:
    assert is_current(DOCUMENT, tables(), write=False), (
        "run `python -m tests.cdk.preflight.rules_table --write` and review the difference"
    )
