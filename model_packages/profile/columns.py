"""What is counted: a field of a Request or a Response is one column, or several where its values are no scalars.

A column has fixed cells, and a row with a value falls into exactly one of them. Pure descriptions; nothing is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, Self

Side = Literal["request", "response"]
SIDES: tuple[Side, Side] = ("request", "response")
BOOLEANS = ("false", "true")
OTHER = "any other"
"""The label of a category column's last cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is counted.

    A numeric column with edges e1 < .. < ek has the k + 1 cells (-inf, e1], (e1, e2], .., (ek, inf). A category column
    has a cell for each category and a last one for any other; a boolean's categories are "false" and "true". `name` is
    the field's, or `<field>.<what>` where the column is derived from the field; it is unique within its side. `centre`
    is what moments of a numeric column are taken about: near its values, so that no digits are lost.
    """

    name: str
    field: str
    side: Side
    kind: Literal["numeric", "category"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    centre: float = 0.0
    is_whole: bool = False

    @property
    def key(self) -> str:
        """`<side>.<name>`: unique within a baseline."""
        return f"{self.side}.{self.name}"

    @property
    def cells(self) -> int:
        """How many cells the column has."""
        return len(self.edges if self.kind == "numeric" else self.categories) + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Each cell for a person to read."""
        if self.kind == "category":
            return (*self.categories, OTHER)
        if not self.edges:
            return ("any",)
        return _whole_labels(self.edges) if self.is_whole else _number_labels(self.edges)

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value != ()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**parts)


def _number_labels(edges: tuple[float, ...]) -> tuple[str, ...]:
    scale = max(map(abs, edges))
    numbers = [f"{0.0 if abs(edge) < 1e-8 * scale else edge:.6g}" for edge in edges]
    between = (high if low == high else f"{low} to {high}" for low, high in pairwise(numbers))
    return (f"up to {numbers[0]}", *between, f"above {numbers[-1]}")


def _whole_labels(edges: tuple[float, ...]) -> tuple[str, ...]:
    last = [math.floor(edge) for edge in edges]
    between = (f"{high}" if low + 1 == high else f"{low + 1} to {high}" for low, high in pairwise(last))
    return (f"up to {last[0]}", *between, f"{last[-1] + 1} and more")
