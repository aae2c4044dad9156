"""The table of alarms in the documentation is the one that the stack is made from."""

from __future__ import annotations

from local.truth_table import is_current
from tests.cdk.alarms_table import DOCUMENT, tables


def test_the_documented_alarms_are_those_of_the_stack() -> None:
    current = is_current(DOCUMENT, tables(), write=False)

    assert current, "run `python -m tests.cdk.alarms_table --write` and review the difference"
