"""`python -m container serve|train|evaluate|check`: the image's entry point. SageMaker calls it with the first two, and
a processing job of the retraining loop with the third.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from container.settings import PACKAGE_VARIABLE, Settings
from model_packages.errors import OperatorError

EXIT_USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Runs one verb and returns the process's exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        return _run(parsed)
    except OperatorError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE


def _run(parsed: argparse.Namespace) -> int:
    # Each verb imports what it needs, and last: a wrong call must not wait for torch.
    if parsed.verb == "check":
        environment = {**os.environ, PACKAGE_VARIABLE: parsed.package or os.environ.get(PACKAGE_VARIABLE, "")}
        settings = Settings.from_environment(environment)
        from container import conformance  # noqa: PLC0415

        return conformance.run(settings.package, parsed.model_dir or settings.model_dir, as_json=parsed.json)
    settings = Settings.from_environment(os.environ)
    if parsed.verb == "serve":
        from container.serve import process  # noqa: PLC0415

        process.leave(process.run(settings))
    if parsed.verb == "evaluate":
        from container import evaluate  # noqa: PLC0415

        return evaluate.run(settings)
    from container import train  # noqa: PLC0415

    return train.run(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m container", description="The verbs of a model package's image.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="answer requests on port 8080, as SageMaker calls it")
    verbs.add_parser("train", help="make a version from the channels below /opt/ml/input, as SageMaker calls it")
    verbs.add_parser("evaluate", help="compare two versions, with the inputs below /opt/ml/processing/input")
    check = verbs.add_parser("check", help="run the conformance tests on a package and a trained version")
    check.add_argument("--package", help=f"a folder of model_packages/; default: {PACKAGE_VARIABLE}")
    check.add_argument("--model-dir", type=Path, help="the unpacked version; default: /opt/ml/model")
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
