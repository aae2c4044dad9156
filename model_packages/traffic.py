"""Requests with labels that look like a package's own, for `flyball replay`; a process of its own, as user code is.

A package that has a `generate.py` with `generate(rows, seed, *, shift=None)` and a `Shift(field, at, size, missing)`
makes them itself. Of any other, the records of its training data are drawn again and again, and a shift is applied by
what its schema says of the field (`shifting`).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType

from model_packages.dataset import Record, read_records, write_records
from model_packages.discovery import discover, select
from model_packages.errors import OperatorError
from model_packages.interface import load_interface
from model_packages.shifting import Shift, field_named, shifted, size_of

PACKAGES = Path(__file__).parent


def traffic(package: str, *, rows: int, seed: int, shift: Shift | None = None, first: int = 0) -> list[Record]:
    """`rows` labelled requests; from number `first` on they are shifted, if there is a shift.

    Raises: OperatorError if there is no such package or field, or no data to draw from.
    """
    (found,) = select(discover(PACKAGES), [package])
    generator = _generator(package)
    if generator is not None:
        return _generated(generator, package, rows=rows, seed=seed, shift=shift, first=first)
    data = found.config.training.data
    if data.startswith("s3://"):
        raise OperatorError(f"{package} keeps its data at {data}; replay needs a generate.py, or a folder of records")
    records = _drawn(read_records(found.path / data), rows=rows, seed=seed)
    if shift is None:
        return records
    fields = load_interface(package).request_fields
    requests = shifted([record["request"] for record in records], shift, fields=fields, seed=seed, first=first)
    return [{**record, "request": request} for record, request in zip(records, requests, strict=True)]


def _generator(package: str) -> ModuleType | None:
    name = f"model_packages.{package}.generate"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _generated(
    generator: ModuleType, package: str, *, rows: int, seed: int, shift: Shift | None, first: int
) -> list[Record]:
    """A generator knows times and no numbers: the shift begins at the time of record `first`."""
    records: list[Record] = generator.generate(rows, seed)
    if shift is None or first >= rows:
        return records
    size = size_of(shift, field_named(shift.field, load_interface(package).request_fields))
    begin = datetime.fromisoformat(records[first]["time"])
    own = generator.Shift(field=shift.field, at=begin, size=size, missing=shift.missing)
    changed: list[Record] = generator.generate(rows, seed, shift=own)
    return [*records[:first], *changed[first:]]


def _drawn(records: Sequence[Record], *, rows: int, seed: int) -> list[Record]:
    """Rows out of a package's data, each as often as chance has it."""
    draw = random.Random(seed)  # noqa: S311 - a simulation: repeatable on purpose
    return [draw.choice(records) for _ in range(rows)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes requests with labels to a file."""
    parser = argparse.ArgumentParser(prog="python -m model_packages.traffic", description=main.__doc__)
    parser.add_argument("package")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a *.jsonl file")
    parser.add_argument("--shift", metavar="FIELD", help="a field of Request")
    parser.add_argument("--first", type=int, default=0, help="number of the first row that is shifted")
    parser.add_argument("--size", type=float, help="standard deviations of a number, else a share of the rows")
    parser.add_argument("--missing", action="store_true", help="the field goes missing instead of changing")
    chosen = parser.parse_args(arguments)
    shift = Shift(field=chosen.shift, size=chosen.size, missing=chosen.missing) if chosen.shift else None
    try:
        records = traffic(chosen.package, rows=chosen.rows, seed=chosen.seed, shift=shift, first=chosen.first)
    except OperatorError as error:
        sys.exit(str(error))
    write_records(records, chosen.out)


if __name__ == "__main__":
    main()
