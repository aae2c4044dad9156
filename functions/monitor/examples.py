"""Picks captured rows for the report to show: those that lie where a column has more rows than the baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from functions.monitor.distances import Distances
from functions.monitor.folding import KeptRow
from functions.monitor.window_document import Example
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.tally import Tally

COLUMNS = 5
EXAMPLES_A_COLUMN = 3
MAXIMUM_CHARACTERS = 600


def pick_examples(
    baseline: Baseline, tally: Tally, *, distances: Sequence[Distances | None], rows: Sequence[KeptRow]
) -> tuple[Example, ...]:
    """A few rows of each of the columns that changed most."""
    if not rows:
        return ()
    decoded = [{"request": json.loads(row.request), "response": json.loads(row.response)} for row in rows]
    cells = fold(baseline, decoded, block_keys=list(range(len(rows)))).blocks.cells  # [rows, T]: each row is a block
    return tuple(
        _example(baseline, column, row=rows[index], decoded=decoded[index])
        for column in _most_changed(distances)
        for index in np.flatnonzero(cells[:, _grown_cell(baseline, tally, column)])[:EXAMPLES_A_COLUMN].tolist()
    )


def _most_changed(distances: Sequence[Distances | None]) -> Iterator[int]:
    """Columns by how far their change is above what chance does."""
    beyond = {
        index: found.total_variation - found.total_variation_noise
        for index, found in enumerate(distances)
        if found is not None
    }
    ordered = sorted(beyond, key=lambda index: (-beyond[index], index))
    return (index for index in ordered[:COLUMNS] if beyond[index] > 0)


def _grown_cell(baseline: Baseline, tally: Tally, column: int) -> int:
    """The cell whose share has grown most."""
    place = baseline.cells_of(column)
    first: int = place.start
    before, now = (counts[place] / max(1, counts[place].sum()) for counts in (baseline.counts, tally.cells))
    return first + int(np.argmax(now - before))


def _example(baseline: Baseline, column: int, *, row: KeptRow, decoded: Mapping[str, Any]) -> Example:
    found = baseline.columns[column]
    return Example(
        column=found.name,
        value=_shortened(json.dumps(decoded[found.side].get(found.field), ensure_ascii=False)),
        inference_id=row.inference_id,
        request=_shortened(row.request),
        response=_shortened(row.response),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAXIMUM_CHARACTERS else text[: MAXIMUM_CHARACTERS - 1] + "…"
