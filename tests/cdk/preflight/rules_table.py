"""The table of findings in docs/preflight.md, made from the rules.

`python -m tests.cdk.preflight.rules_table --write` writes it between its markers; a test only compares.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cdk.preflight.account.rules import RULES as ACCOUNT_RULES
from cdk.preflight.findings import Rule
from cdk.preflight.registry import RULES
from local.truth_table import is_current, markdown_table

DOCUMENT = Path(__file__).parents[3] / "docs" / "preflight.md"


def tables() -> dict[str, str]:
    """Both tables of the document by name."""
    return {
        "synth-rules": _table([rule for rule in RULES if rule not in ACCOUNT_RULES]),
        "account-rules": _table(ACCOUNT_RULES),
    }


def _table(rules: Sequence[Rule]) -> str:
    rows = [(f"`{rule.id}`", rule.severity, "yes" if rule.acceptable else "no", rule.says) for rule in rules]
    return markdown_table(("Id", "Severity", "May be accepted", "What it means"), rows)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 where the document is current, or has become so."""
    if is_current(DOCUMENT, tables(), write=list(arguments) == ["--write"]):
        return 0
    print("docs/preflight.md is behind the code; `python -m tests.cdk.preflight.rules_table --write` writes its tables")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
