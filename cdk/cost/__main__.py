"""`python -m cdk.cost ASSEMBLY`: the cost table of what was synthesized; with --deployed, what a deploy would change of
it, against the templates that CloudFormation has now. What `flyball diff` starts after the real `cdk diff`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from cdk.cost import difference, table
from cdk.cost.difference import Change
from cdk.cost.estimate import estimate
from cdk.preflight.account.clients import Account, NotAsked, current_account
from cdk.preflight.installation import Installation, Stack, read_installation
from model_packages.discovery import discover
from model_packages.errors import OperatorError

MODELS = Path(__file__).parents[2] / "build" / "models"


def main(arguments: Sequence[str]) -> int:
    """Prints a table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cdk.cost")
    parser.add_argument("assembly", type=Path)
    parser.add_argument("--deployed", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    installation = read_installation(chosen.assembly, packages=discover(), models=MODELS)
    if chosen.deployed:
        changes = changes_of(installation, current_account())
        print(
            json.dumps([_document(change) for change in changes], indent=2) if chosen.json else difference.text(changes)
        )
    else:
        found = estimate(installation)
        print(json.dumps(table.document(found), indent=2) if chosen.json else table.text(found))
    return 0


def changes_of(installation: Installation, account: Account) -> tuple[Change, ...]:
    """What a deploy of the installation would change; stacks that are not deployed cost nothing before.

    Raises: OperatorError if CloudFormation does not answer.
    """
    try:
        deployed = tuple(_deployed(installation, account))
    except NotAsked as refusal:
        raise OperatorError(f"the deployed templates cannot be read: {refusal}") from refusal
    after = estimate(installation)
    before = estimate(replace(installation, stacks=deployed), prices=after.prices)
    return difference.compare(before, after)


def _deployed(installation: Installation, account: Account) -> Iterator[Stack]:
    for stack in installation.stacks:
        answer = account.ask("cloudformation", "get_template", StackName=stack.name, TemplateStage="Processed")
        if answer is not None and answer["TemplateBody"]:
            body = answer["TemplateBody"]
            yield replace(stack, template=json.loads(body) if isinstance(body, str) else body)


def _document(change: Change) -> dict[str, object]:
    return {**asdict(change), "difference_usd": change.difference_usd}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OperatorError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
