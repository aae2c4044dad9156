"""A version's baseline: what its data looked like, on cells that stay fixed, and what is expected of each field.

`learning.py` makes one; reading and folding with one needs NumPy alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.errors import OperatorError
from model_packages.profile.columns import Column, Side
from model_packages.profile.constraints import Constraints, check_overrides
from model_packages.profile.features import FeatureMap
from model_packages.profile.packing import packed, unpacked
from model_packages.profile.tally import Tally
from model_packages.profile.tensors import TensorForm

if TYPE_CHECKING:
    from model_packages.contract import Monitor, MonitoredField

FORMAT = 1
"""Of baseline.json; a change of how anything is counted is another."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldProfile:
    """One field of Request or Response, and what its values are read with.

    `kind` is one of fields.Kind, `columns` are what is counted of it, and `default` is what an absent value is. Text
    has a `vocabulary`, uint32 [at most text.VOCABULARY], ascending; tensors and images have a `form` and `features`.
    """

    name: str
    side: Side
    kind: str
    columns: tuple[Column, ...]
    constraints: Constraints
    default: Any = None
    vocabulary: NDArray[np.uint32] | None = None
    form: TensorForm | None = None
    features: FeatureMap | None = None

    @property
    def key(self) -> str:
        """`<side>.<name>`: unique within a baseline."""
        return f"{self.side}.{self.name}"

    @property
    def categories(self) -> tuple[str, ...]:
        """The schema's, whatever package.toml says."""
        return self.columns[0].categories

    def as_json(self) -> dict[str, Any]:
        """Everything but the constraints."""
        parts = {
            "default": self.default,
            "vocabulary": None if self.vocabulary is None else packed(self.vocabulary),
            "form": None if self.form is None else self.form.as_json(),
            "features": None if self.features is None else self.features.as_json(),
        }
        return {
            "name": self.name,
            "side": self.side,
            "kind": self.kind,
            "columns": [column.as_json() for column in self.columns],
            **{name: value for name, value in parts.items() if value is not None},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            name=document["name"],
            side=document["side"],
            kind=document["kind"],
            columns=tuple(Column.from_json(column) for column in document["columns"]),
            constraints=Constraints.from_json(document["constraints"]),
            default=document.get("default"),
            vocabulary=unpacked(document["vocabulary"]) if "vocabulary" in document else None,
            form=TensorForm.from_json(document["form"]) if "form" in document else None,
            features=FeatureMap.from_json(document["features"]) if "features" in document else None,
        )


@dataclass(frozen=True, eq=False)
class Baseline:
    """The fields of one version, and the tally of the rows that it was built from.

    The fields' constraints are what was learnt until `overridden()` applies package.toml.
    """

    package: str
    schema_hash: str
    fields: tuple[FieldProfile, ...]
    tally: Tally

    @classmethod
    def uncounted(cls, *, package: str, schema_hash: str, fields: tuple[FieldProfile, ...]) -> Self:
        """The baseline of no rows yet."""
        columns = [column for field in fields for column in field.columns]
        cells = sum(column.cells for column in columns)
        identity = _identity(package, schema_hash, fields)
        tally = Tally.zeros(identity, fields=len(fields), columns=len(columns), cells=cells)
        return cls(package=package, schema_hash=schema_hash, fields=fields, tally=tally)

    @property
    def rows(self) -> int:
        """Requests that it was built from."""
        return self.tally.rows

    @property
    def counts(self) -> NDArray[np.int64]:
        """Its own cells, int64 [T]."""
        return self.tally.cells

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Every field's columns, in the order of Tally's cells."""
        return tuple(column for field in self.fields for column in field.columns)

    @cached_property
    def identity(self) -> str:
        """Twelve hex digits that say which cells a tally is on and how rows are read; constraints are no part of it."""
        return _identity(self.package, self.schema_hash, self.fields)

    @cached_property
    def cell_count(self) -> int:
        """T: how many cells all columns have together."""
        return sum(column.cells for column in self.columns)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each column's cells lie in Tally.cells and Blocks.cells."""
        ends = np.cumsum([column.cells for column in self.columns]).tolist()
        return tuple(slice(end - column.cells, end) for column, end in zip(self.columns, ends, strict=True))

    def cells_of(self, column: int) -> slice:
        """Where the cells of columns[column] lie in Tally.cells and Blocks.cells."""
        return self.slices[column]

    def field_of(self, column: Column) -> FieldProfile:
        """The field that a column is of."""
        return self.fields[self._places[(column.side, column.field)]]

    def place_of(self, field: FieldProfile) -> int:
        """Where the field's counts lie in Tally.missing and its like."""
        return self._places[(field.side, field.name)]

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        return {(field.side, field.name): place for place, field in enumerate(self.fields)}

    def overridden(self, monitor: Monitor) -> Baseline:
        """With what `monitor.fields` states in place of what was learnt. Every reader of a baseline applies it.

        Raises: PackageError for a field that is not there, or a statement that its kind cannot have.
        """
        check_overrides(self.package, monitor, self.fields)
        return replace(self, fields=tuple(_overridden(field, monitor.fields.get(field.name)) for field in self.fields))

    def to_json(self) -> str:
        """The same baseline gives the same text."""
        fields = [{**field.as_json(), "constraints": field.constraints.as_json()} for field in self.fields]
        document = {
            "format": FORMAT,
            "package": self.package,
            "schema_hash": self.schema_hash,
            "identity": self.identity,
            "fields": fields,
            "tally": {name: packed(array) for name, array in self.tally.arrays().items()},
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises: OperatorError for a text that is no baseline, or one of another format."""
        try:
            document = json.loads(text)
            found = document["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise OperatorError(f"found no baseline ({error}); allowed: baseline.json as training wrote it") from error
        if found != FORMAT:
            raise OperatorError(f"found a baseline of format {found}; allowed: {FORMAT} (train the version again)")
        fields = tuple(FieldProfile.from_json(field) for field in document["fields"])
        arrays = {name: unpacked(array) for name, array in document["tally"].items()}
        return cls(
            package=document["package"],
            schema_hash=document["schema_hash"],
            fields=fields,
            tally=Tally.from_arrays(document["identity"], arrays),
        )


def _overridden(field: FieldProfile, override: MonitoredField | None) -> FieldProfile:
    return field if override is None else replace(field, constraints=field.constraints.overridden(override))


def _identity(package: str, schema_hash: str, fields: tuple[FieldProfile, ...]) -> str:
    described = [package, schema_hash, [field.as_json() for field in fields]]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
