"""What rows counted to, on the cells of one baseline. Tallies add up: any split of the rows gives the same sum.

Of bounded size, whatever the number of rows. Counts and registers are exact under merging; sums are floats, and
agree to their last digits.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.columns import Column, Side
from model_packages.profile.hashing import REGISTERS

BLOCKS = 4096
"""Block keys are taken modulo this."""
SAMPLE_ROWS = 500
"""A field's sample holds at most this many feature vectors."""
FAULTS = ("missing", "wrong_type", "out_of_range", "unknown", "unread")
"""What is counted of a field's rows, beside the cells."""

_ADDED = ("rows", "responses", "cells", *FAULTS, "sums", "blocks")
_ARRAYS = ("cells", *FAULTS, "sums", "extremes", "registers")
_SAMPLE = ("keys", "vectors")
_BLOCK = ("keys", "rows", "cells")


class Plan(Protocol):
    """What a tally needs to know of a baseline."""

    @property
    def identity(self) -> str: ...

    @property
    def fields(self) -> Sequence[object]: ...

    @property
    def columns(self) -> Sequence[Column]: ...

    @property
    def cell_count(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The same counts by block. `keys` int64[b] ascend, below BLOCKS; `rows` int64[b, 2] are those with a request and
    those with a response; `cells` int32[b, T].
    """

    keys: NDArray[np.int64]
    rows: NDArray[np.int64]
    cells: NDArray[np.int32]

    def __add__(self, other: Blocks) -> Blocks:
        keys = np.union1d(self.keys, other.keys)
        rows = np.zeros((len(keys), 2), dtype=np.int64)
        cells = np.zeros((len(keys), self.cells.shape[1]), dtype=np.int32)
        for part in (self, other):
            places = np.searchsorted(keys, part.keys)
            rows[places] += part.rows
            cells[places] += part.cells
        return Blocks(keys=keys, rows=rows, cells=cells)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Feature vectors of a tensor or image field: those with the SAMPLE_ROWS smallest keys, a fair and repeatable draw.

    `keys` uint64[n] ascend; `vectors` float32[n, d].
    """

    keys: NDArray[np.uint64]
    vectors: NDArray[np.float32]

    def __add__(self, other: Sample) -> Sample:
        return Sample.of(np.concatenate([self.keys, other.keys]), np.concatenate([self.vectors, other.vectors]))

    @classmethod
    def of(cls, keys: NDArray[np.uint64], vectors: NDArray[np.float32]) -> Self:
        """The sample of some rows: [n] and [n, d]."""
        first = np.argsort(keys, kind="stable")[:SAMPLE_ROWS]
        return cls(keys=keys[first], vectors=vectors[first])


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts on a baseline's T cells, F fields and C columns, in the baseline's order."""

    baseline: str
    """The identity of the baseline whose cells these are."""
    rows: int
    """Rows with a request."""
    responses: int
    """Rows with a response."""
    cells: NDArray[np.int64]
    """[T]: of all columns, one after the other; Baseline.cells_of() finds a column's."""
    missing: NDArray[np.int64]
    """[F]: rows without a value."""
    wrong_type: NDArray[np.int64]
    """[F]: rows whose value is of another type; they fall into no cell."""
    out_of_range: NDArray[np.int64]
    """[F]: rows with a number outside of the constraints; they fall into cells all the same."""
    unknown: NDArray[np.int64]
    """[F]: rows with a category that the constraints do not have."""
    unread: NDArray[np.int64]
    """[F]: rows whose image could not be decoded here; they fall into no cell."""
    sums: NDArray[np.float64]
    """[C, 2]: of a numeric column's values about its centre, and of their squares."""
    extremes: NDArray[np.float64]
    """[C, 2]: a numeric column's least and greatest value; inf and -inf where there is none."""
    registers: NDArray[np.uint8]
    """[F, R]: HyperLogLog registers of text and integer fields; zeros for others."""
    samples: Mapping[str, Sample]
    """By the key of each tensor or image field."""
    blocks: Blocks
    """Empty where the rows were folded without block keys."""

    @classmethod
    def empty(cls, baseline: Plan) -> Self:
        """The tally of no rows."""
        fields, columns, cells = len(baseline.fields), len(baseline.columns), baseline.cell_count
        return cls.zeros(baseline.identity, fields=fields, columns=columns, cells=cells)

    @classmethod
    def zeros(cls, identity: str, *, fields: int, columns: int, cells: int) -> Self:
        """The tally of no rows on a baseline of so many fields, columns and cells."""
        counts = {name: np.zeros(fields, dtype=np.int64) for name in FAULTS}
        return cls(
            baseline=identity,
            rows=0,
            responses=0,
            cells=np.zeros(cells, dtype=np.int64),
            **counts,
            sums=np.zeros((columns, 2)),
            extremes=np.tile([np.inf, -np.inf], (columns, 1)),
            registers=np.zeros((fields, REGISTERS), dtype=np.uint8),
            samples={},
            blocks=Blocks(
                keys=np.zeros(0, dtype=np.int64),
                rows=np.zeros((0, 2), dtype=np.int64),
                cells=np.zeros((0, cells), dtype=np.int32),
            ),
        )

    def __add__(self, other: Tally) -> Tally:
        """Raises: ValueError if the other tally is on another baseline's cells."""
        if self.baseline != other.baseline:
            found = f"{self.baseline} and {other.baseline}"
            raise ValueError(f"found tallies on the baselines {found}; allowed: one baseline")
        added = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        low, high = np.minimum(self.extremes, other.extremes), np.maximum(self.extremes, other.extremes)
        samples = dict(self.samples)
        for key, sample in other.samples.items():
            samples[key] = samples[key] + sample if key in samples else sample
        return Tally(
            baseline=self.baseline,
            **added,
            extremes=np.stack([low[:, 0], high[:, 1]], axis=1),
            registers=np.maximum(self.registers, other.registers),
            samples=dict(sorted(samples.items())),
        )

    def rows_of(self, side: Side) -> int:
        """Rows that have this side."""
        return self.rows if side == "request" else self.responses

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything but the baseline's identity, by name."""
        samples = {
            f"sample.{part}.{key}": getattr(sample, part) for key, sample in self.samples.items() for part in _SAMPLE
        }
        return {
            "size": np.array([self.rows, self.responses], dtype=np.int64),
            **{name: getattr(self, name) for name in _ARRAYS},
            **{f"block.{part}": getattr(self.blocks, part) for part in _BLOCK},
            **samples,
        }

    @classmethod
    def from_arrays(cls, baseline: str, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The tally that `arrays()` described."""
        rows, responses = arrays["size"].tolist()
        keys = sorted(name.removeprefix("sample.keys.") for name in arrays if name.startswith("sample.keys."))
        return cls(
            baseline=baseline,
            rows=rows,
            responses=responses,
            **{name: arrays[name] for name in _ARRAYS},
            samples={key: Sample(**{part: arrays[f"sample.{part}.{key}"] for part in _SAMPLE}) for key in keys},
            blocks=Blocks(**{part: arrays[f"block.{part}"] for part in _BLOCK}),
        )

    def to_bytes(self) -> bytes:
        """An npz file; the same tally gives the same bytes."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {"baseline": np.array(self.baseline), **self.arrays()}
        np.savez_compressed(content, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises: ValueError for what is no tally."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = dict(file)
            return cls.from_arrays(str(arrays.pop("baseline")), arrays)
        except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            found = f"{len(content)} bytes that are no tally ({error})"
            raise ValueError(f"found {found}; allowed: what to_bytes() wrote") from error
