"""`python -m cdk.preflight ASSEMBLY`: every check on what was synthesized, and, with credentials, on the account.

What `flyball preflight` starts. Exit code 4 if there is an error among the findings, 2 if the question itself fails; 1
is a traceback's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cdk.preflight.account.clients import Account, NoCredentials, current_account
from cdk.preflight.account.inspection import inspect
from cdk.preflight.installation import read_installation
from cdk.preflight.review import COST_FILE, Review, document, review
from model_packages.discovery import discover
from model_packages.errors import OperatorError

EXIT_ERRORS_FOUND = 4
MODELS = Path(__file__).parents[2] / "build" / "models"


def main(arguments: Sequence[str]) -> int:
    """Prints the findings; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cdk.preflight")
    parser.add_argument("assembly", type=Path)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    account = account_or_reason()
    found = inspect_assembly(chosen.assembly, account=account)
    if chosen.json:
        print(json.dumps({"account": _asked(account), **document(found.report)}, indent=2))
    else:
        print(as_text(found, account))
    return EXIT_ERRORS_FOUND if found.report.errors else 0


def account_or_reason() -> Account | str:
    """The account to ask, or why there is none.

    Raises: OperatorError if there are credentials and nobody answers.
    """
    try:
        return current_account()
    except NoCredentials as reason:
        return str(reason)


def inspect_assembly(assembly: Path, *, account: Account | str) -> Review:
    """The review of the assembly, with what the account adds."""
    installation = read_installation(assembly, packages=discover(), models=MODELS)
    more = inspect(account, installation=installation, assembly=assembly) if isinstance(account, Account) else ()
    budget = json.loads((assembly / COST_FILE).read_bytes())["monthly_budget_usd"]
    return review(installation, monthly_budget_usd=budget, more=more)


def as_text(found: Review, account: Account | str) -> str:
    """Errors, warnings, what is accepted, and a last line that says what was asked."""
    report = found.report
    counts = f"errors: {len(report.errors)}, warnings: {len(report.warnings)}, accepted: {len(report.accepted)}"
    return "\n".join(
        [
            *(f"error {finding}" for finding in report.errors),
            *(f"warning {finding}" for finding in report.warnings),
            *(f"accepted [{entry.finding.rule.id}] {entry.finding.where}: {entry.reason}" for entry in report.accepted),
            f"{counts}. Templates and packages were looked at; {_asked(account)}",
        ]
    )


def _asked(account: Account | str) -> str:
    if isinstance(account, str):
        return f"the account was not asked: {account}"
    return f"account {account.number} was asked in {account.region}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OperatorError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
