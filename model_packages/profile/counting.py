"""The counting itself: chunk by chunk into the arrays that become a tally. `fold.py` is its only caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile import features, tensors, text
from model_packages.profile.columns import Side
from model_packages.profile.hashing import count_distinct, mixed, number_hashes, vector_hashes
from model_packages.profile.tally import BLOCKS, FAULTS, Blocks, Sample, Tally
from model_packages.profile.values import (
    CategoryCodes,
    Numbers,
    Values,
    boolean_codes,
    category_codes,
    is_missing,
    listed,
    numbers,
    repeated,
)

if TYPE_CHECKING:
    from model_packages.profile.baseline import Baseline, FieldProfile


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: how many, the place of each row's block among those that there are [n], and each row's key [n]."""

    size: int
    blocks: NDArray[np.intp] | None
    keys: NDArray[np.uint64] | None

    def where(self, rows: NDArray[np.bool_] | slice | None) -> Self:
        """Some of these rows; all of them for None."""
        if rows is None:
            return self
        size = len(range(self.size)[rows]) if isinstance(rows, slice) else int(np.count_nonzero(rows))
        blocks = None if self.blocks is None else self.blocks[rows]
        return type(self)(size, blocks, None if self.keys is None else self.keys[rows])


class Counting:
    """Counts of one fold in the making."""

    def __init__(
        self,
        baseline: Baseline,
        *,
        block_keys: NDArray[np.int64] | Sequence[int] | None,
        row_keys: NDArray[np.uint64] | Sequence[int] | None,
    ) -> None:
        self._baseline = baseline
        self._sides = {"request": 0, "response": 0}
        self._cells = np.zeros(baseline.cell_count, dtype=np.int64)
        self._faults = {name: np.zeros(len(baseline.fields), dtype=np.int64) for name in FAULTS}
        empty = Tally.empty(baseline)
        self._sums, self._extremes, self._registers = empty.sums, empty.extremes, empty.registers
        self._samples: dict[str, Sample] = {}
        self._row_keys = None if row_keys is None else np.asarray(row_keys, dtype=np.uint64)
        keys = np.zeros(0, np.int64) if block_keys is None else np.asarray(block_keys, dtype=np.int64) % BLOCKS
        self._block_keys = np.flatnonzero(np.bincount(keys, minlength=BLOCKS))
        self._places = None if block_keys is None else np.searchsorted(self._block_keys, keys)
        self._block_rows = np.zeros((len(self._block_keys), 2), dtype=np.int64)
        self._block_cells = np.zeros((len(self._block_keys), baseline.cell_count), dtype=np.int32)
        self._codes = {column.key: CategoryCodes(column.categories) for column in baseline.columns}
        self._first = dict(zip((field.key for field in baseline.fields), _firsts(baseline), strict=True))

    def chunk(self, start: int, rows: NDArray[np.bool_]) -> Chunk:
        """The rows from `start` on for which `rows` is true."""
        end = start + len(rows)
        places = None if self._places is None else self._places[start:end]
        keys = None if self._row_keys is None else self._row_keys[start:end]
        return Chunk(len(rows), places, keys).where(rows)

    def add(self, side: Side, columns: Mapping[str, Values], chunk: Chunk) -> None:
        """Counts one side of some rows; a field that has no column is its default in every row."""
        self._sides[side] += chunk.size
        if chunk.blocks is not None:
            self._block_rows[:, 0 if side == "request" else 1] += np.bincount(
                chunk.blocks, minlength=len(self._block_keys)
            )
        for place, field in enumerate(self._baseline.fields):
            if field.side == side and chunk.size:
                values = columns.get(field.name)
                found = repeated(field.default, chunk.size) if values is None else values
                _COUNTERS[field.kind](self, place, field, found, chunk)

    def tally(self) -> Tally:
        """What was counted."""
        return Tally(
            baseline=self._baseline.identity,
            rows=self._sides["request"],
            responses=self._sides["response"],
            cells=self._cells,
            **self._faults,
            sums=self._sums,
            extremes=self._extremes,
            registers=self._registers,
            samples=dict(sorted(self._samples.items())),
            blocks=Blocks(keys=self._block_keys, rows=self._block_rows, cells=self._block_cells),
        )

    def _count_number_field(self, place: int, field: FieldProfile, values: Values, chunk: Chunk) -> None:
        found = numbers(values, whole=field.kind == "integer")
        self._count_faults(place, found)
        if len(found.array):
            self._count_numbers(self._first[field.key], found.array, chunk.where(found.present))
            self._count_out_of_range(place, field, found.array, found.array)
        if field.kind == "integer":
            count_distinct(self._registers[place], number_hashes(found.array))

    def _count_category_field(self, place: int, field: FieldProfile, values: Values, chunk: Chunk) -> None:
        codes = self._codes[field.columns[0].key]
        found = boolean_codes(values, codes) if field.kind == "boolean" else category_codes(values, codes)
        counts = np.bincount(found, minlength=codes.wrong + 1)
        self._faults["missing"][place] += counts[codes.missing]
        self._faults["wrong_type"][place] += counts[codes.wrong]
        allowed = set(field.constraints.categories)
        self._faults["unknown"][place] += counts[codes.unseen] + sum(
            counts[code] for category, code in codes.items() if category is not None and category not in allowed
        )
        self._count_codes(self._first[field.key], found, counts[: codes.missing], chunk)

    def _count_text_field(self, place: int, field: FieldProfile, values: Values, chunk: Chunk) -> None:
        rows = listed(values)
        is_text = np.array([isinstance(row, str) for row in rows], dtype=np.bool_)
        missing = sum(map(is_missing, rows))
        self._faults["missing"][place] += missing
        self._faults["wrong_type"][place] += np.count_nonzero(~is_text) - missing
        texts, present = [row for row in rows if isinstance(row, str)], chunk.where(is_text)
        start = 0
        for group in text.chunks(texts):
            reading = text.read(group)
            within = present.where(slice(start, start + len(group)))
            assert field.vocabulary is not None  # noqa: S101 - every text field has one
            self._count_measures(self._first[field.key], text.measure(reading, field.vocabulary), within)
            count_distinct(self._registers[place], text.text_hashes(reading))
            start += len(group)

    def _count_tensor_field(self, place: int, field: FieldProfile, values: Values, chunk: Chunk) -> None:
        form, known = field.form, field.features
        assert form is not None and known is not None  # noqa: S101, PT018 - every tensor field has them
        for rows, group in tensors.groups(values, form):
            found = tensors.tensors(group, form)
            self._count_faults(place, found)
            self._faults["unread"][place] += found.unread
            if not len(found.array):
                continue
            within = chunk.where(rows).where(found.present)
            measures = features.measure(found.array)
            vectors = features.feature_vectors(found.array, form.shape, is_image=form.is_image)
            first = self._first[field.key]
            self._count_measures(first, measures, within)
            self._count_measures(first + len(measures), known.projections(vectors), within)
            nearest = known.nearest(vectors)
            cells = field.columns[-1].cells
            self._count_codes(first + len(field.columns) - 1, nearest, np.bincount(nearest, minlength=cells), within)
            self._count_out_of_range(place, field, measures[2], measures[3])
            self._sample(field.key, vectors, within)

    def _count_faults(self, place: int, found: Numbers | tensors.Tensors) -> None:
        self._faults["missing"][place] += found.missing
        self._faults["wrong_type"][place] += found.wrong_type

    def _count_out_of_range(
        self, place: int, field: FieldProfile, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> None:
        """Rows whose least value `low` [n] or greatest value `high` [n] is out of range."""
        least, most = field.constraints.minimum, field.constraints.maximum
        below = least is not None and low.min() < least
        above = most is not None and high.max() > most
        if below or above:
            outside = np.zeros(len(low), dtype=np.bool_)
            outside |= False if least is None else low < least
            outside |= False if most is None else high > most
            self._faults["out_of_range"][place] += np.count_nonzero(outside)

    def _count_measures(self, first: int, measures: NDArray[np.float64], chunk: Chunk) -> None:
        for offset, measure in enumerate(measures):
            self._count_numbers(first + offset, measure, chunk)

    def _count_numbers(self, column: int, values: NDArray[np.float64], chunk: Chunk) -> None:
        """Comparing with each edge is several times quicker than searching for each value's place."""
        described = self._baseline.columns[column]
        if chunk.blocks is None:
            below = [int(np.count_nonzero(values <= edge)) for edge in described.edges]
            self._cells[self._baseline.slices[column]] += np.diff([0, *below, len(values)])
        else:
            places = np.zeros(len(values), dtype=np.intp)
            for edge in described.edges:
                places += values > edge
            self._count_blocks(column, places, chunk.blocks)
        with np.errstate(over="ignore"):
            about = values - described.centre
            self._sums[column] += about.sum(), np.square(about, out=about).sum()
        low, high = self._extremes[column]
        self._extremes[column] = min(low, values.min()), max(high, values.max())

    def _count_codes(self, column: int, codes: NDArray[np.intp], counts: NDArray[np.intp], chunk: Chunk) -> None:
        """Codes from `len(counts)` on are in no cell."""
        if chunk.blocks is None:
            self._cells[self._baseline.slices[column]] += counts
        else:
            counted = codes < len(counts)
            self._count_blocks(column, codes[counted], chunk.blocks[counted])

    def _count_blocks(self, column: int, places: NDArray[np.intp], blocks: NDArray[np.intp]) -> None:
        cells, where = self._baseline.columns[column].cells, self._baseline.slices[column]
        size = len(self._block_keys)
        counts = np.bincount(blocks * cells + places, minlength=size * cells).reshape(size, cells)
        self._block_cells[:, where] += counts.astype(np.int32)
        self._cells[where] += counts.sum(axis=0)

    def _sample(self, key: str, vectors: features.Vectors, chunk: Chunk) -> None:
        content = vector_hashes(vectors)
        keys = content if chunk.keys is None else mixed(content ^ mixed(chunk.keys))
        found = Sample.of(keys, vectors)
        self._samples[key] = self._samples[key] + found if key in self._samples else found


def _firsts(baseline: Baseline) -> list[int]:
    """The place of each field's first column."""
    sizes = [len(field.columns) for field in baseline.fields]
    return [sum(sizes[:place]) for place in range(len(sizes))]


_COUNTERS: Mapping[str, Callable[[Counting, int, FieldProfile, Any, Chunk], None]] = {
    "numeric": Counting._count_number_field,
    "integer": Counting._count_number_field,
    "boolean": Counting._count_category_field,
    "category": Counting._count_category_field,
    "text": Counting._count_text_field,
    "tensor": Counting._count_tensor_field,
    "image": Counting._count_tensor_field,
}
