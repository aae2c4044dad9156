"""The truth table of ARCHITECTURE.md, rendered from the registries: what the local cloud does, what it only simulates.

`python -m local.truth_table` says whether the document is current; with `--write` it writes the tables between their
markers, `<!-- table: NAME -->` and `<!-- end -->`. The rest of the document is written by people.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from local.api_table import API_TABLE, ServiceTable
from local.deploy.handlers import SupportedType
from local.deploy.registry import supported
from model_packages.errors import OperatorError

DOCUMENT = Path(__file__).parent.parent / "ARCHITECTURE.md"

_BETWEEN_MARKERS = re.compile(r"(?<=<!-- table: )([a-z-]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def truth_tables() -> dict[str, str]:
    """Each table of the document, by the name that its marker has."""
    return {"resources": resources_table(supported()), "operations": operations_table(API_TABLE)}


def resources_table(types: Iterable[SupportedType]) -> str:
    """One row a CloudFormation resource type: the properties that take effect, and those that only seem to."""
    rows = [(f"`{each.resource_type}`", _listed(each.implemented), _explained(each.simulated)) for each in types]
    return markdown_table(("Resource type", "Real", "Simulated"), rows)


def operations_table(services: Mapping[str, ServiceTable]) -> str:
    """One row a service of the AWS API; an operation that is in no row is refused by name."""
    rows = [(f"`{name}`", _listed(table.real), _explained(table.simulated)) for name, table in sorted(services.items())]
    return markdown_table(("Service", "Real", "Simulated"), rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line break at its end. A cell may hold `|`, but no line break."""
    return "".join(map(_row, (header, ["---"] * len(header), *rows)))


def filled(text: str, tables: Mapping[str, str]) -> str:
    """`text` with each of `tables` between its markers.

    Raises: OperatorError if the markers in `text` are not those of `tables`, each once.
    """
    found = [match[1] for match in _BETWEEN_MARKERS.finditer(text)]
    if sorted(found) != sorted(tables):
        raise OperatorError(f"found the table markers {found}; allowed: each of {sorted(tables)}, once")
    return _BETWEEN_MARKERS.sub(lambda match: match[1] + match[2] + tables[match[1]], text)


def is_current(document: Path, tables: Mapping[str, str], *, write: bool) -> bool:
    """Whether the document holds these tables; with `write`, it does so afterwards.

    Raises: OperatorError if its markers are wrong.
    """
    text = document.read_text(encoding="utf-8")
    expected = filled(text, tables)
    if write:
        document.write_text(expected, encoding="utf-8")
    return write or text == expected


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 where the document is current, or has become so."""
    parser = argparse.ArgumentParser(prog="python -m local.truth_table", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into ARCHITECTURE.md")
    if is_current(DOCUMENT, truth_tables(), write=parser.parse_args(arguments).write):
        return 0
    print("ARCHITECTURE.md is behind the code; `python -m local.truth_table --write` writes its tables")
    return 1


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "-"


def _explained(sentences: Mapping[str, str]) -> str:
    """Names with the same sentence share it, in the order of their names."""
    by_sentence = sorted((sentence, name) for name, sentence in sentences.items())
    groups = [([name for _, name in pairs], sentence) for sentence, pairs in groupby(by_sentence, key=lambda it: it[0])]
    return "<br>".join(f"**{', '.join(names)}**: {sentence}" for names, sentence in sorted(groups)) or "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
