"""A model package as the image holds it: its folder, its settings and its example requests."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packages.contract import PACKAGE_NAME_PATTERN
from model_packages.discovery import ModelPackage, read_package
from model_packages.errors import OperatorError
from model_packages.fields import FieldSpec, Kind

DEFAULT_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Example:
    """A golden pair: numbers of the answer may differ from `response` by `tolerance`, everything else may not."""

    name: str
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    tolerance: float


def locate(name: str) -> ModelPackage:
    """The package called `name` in this image or checkout, by its package.toml; none of its code runs.

    Raises: OperatorError if there is none; PackageError if its package.toml is wrong.
    """
    spec = importlib.util.find_spec(f"model_packages.{name}") if re.match(PACKAGE_NAME_PATTERN, name) else None
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    folder = next((folder for folder in folders if (folder / "package.toml").is_file()), None)
    if folder is None:
        raise OperatorError(
            f"no model package is called {name!r}; allowed: a folder of model_packages/ with package.toml"
        )
    return read_package(folder)


def read_examples(package: ModelPackage) -> tuple[Example, ...]:
    """The package's golden pairs; none where the file was left out of the image."""
    path = package.path / "examples.json"
    if not path.is_file():
        return ()
    pairs = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Example(
            name=pair.get("name", f"example {index}"),
            request=pair["request"],
            response=pair["response"],
            tolerance=pair.get("tolerance", DEFAULT_TOLERANCE),
        )
        for index, pair in enumerate(pairs)
    )


def synthetic_request(fields: Sequence[FieldSpec]) -> dict[str, Any]:
    """A request that the schema's types, shapes, ranges and lengths allow, for a package without examples. A text
    follows no pattern.
    """
    return {field.name: _synthetic_value(field) for field in fields}


def _synthetic_value(field: FieldSpec) -> Any:
    if field.kind is Kind.CATEGORY:
        return field.categories[0]
    if field.kind is Kind.TEXT:
        return "text".ljust(field.minimum_length or 0, "t")[: field.maximum_length]
    if field.dtype == "bool":
        return _nested(value=False, shape=field.shape)
    return _nested(value=_synthetic_number(field), shape=field.shape)


def _synthetic_number(field: FieldSpec) -> float:
    """The middle of the field's range, or the number nearest to it where only whole numbers or multiples count."""
    step = field.multiple_of or (0 if field.dtype == "float32" else 1)
    low, high = _synthetic_range(field, inset=step / 1000, span=2 * (step or 1))
    middle = (low + high) / 2
    return round(middle / step) * step if step else middle


def _synthetic_range(field: FieldSpec, *, inset: float, span: float) -> tuple[float, float]:
    """The field's bounds, the exclusive ones moved inwards by `inset`; `span` apart where one is missing."""
    lows = [field.minimum, None if field.exclusive_minimum is None else field.exclusive_minimum + inset]
    highs = [field.maximum, None if field.exclusive_maximum is None else field.exclusive_maximum - inset]
    low = max((bound for bound in lows if bound is not None), default=None)
    high = min((bound for bound in highs if bound is not None), default=None)
    if low is None:
        low = 0.0 if high is None else min(0.0, high - span)
    return low, low + span if high is None else high


def _nested(*, value: object, shape: tuple[int, ...]) -> Any:
    return value if not shape else [_nested(value=value, shape=shape[1:]) for _ in range(shape[0])]
