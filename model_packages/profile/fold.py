"""Counts rows into a tally. Rows as dicts and columns as arrays go the same way and give the same numbers.

Rows are taken in chunks that fit in a processor's cache, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.columns import SIDES, Side
from model_packages.profile.counting import Chunk, Counting
from model_packages.profile.tally import Tally
from model_packages.profile.values import Values, count, defaulted, part, selected

if TYPE_CHECKING:
    from model_packages.profile.baseline import Baseline

CHUNK = 1 << 14
"""Rows at a time: 128 KiB a column."""


def fold(
    baseline: Baseline,
    rows: Sequence[Mapping[str, Any]],
    *,
    block_keys: NDArray[np.int64] | Sequence[int] | None = None,
    row_keys: NDArray[np.uint64] | Sequence[int] | None = None,
) -> Tally:
    """Counts decoded rows, each {"request": {...}, "response": {...} or None}.

    `block_keys` says each row's block; without them no blocks are counted. `row_keys` (for example hashed inference
    ids) decide which feature vectors are sampled; without them the vectors' own content does. A value that is absent
    is the schema's default; null and NaN are missing. Nothing in a row raises: what is wrong with it is counted.
    """
    counting = Counting(baseline, block_keys=block_keys, row_keys=row_keys)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        answered = np.array([row.get("response") is not None for row in chunk], dtype=np.bool_)
        requests = [row["request"] for row in chunk]
        responses = [row["response"] for row in chunk if row.get("response") is not None]
        whole = counting.chunk(start, np.ones(len(chunk), dtype=np.bool_))
        counting.add("request", _values(baseline, "request", requests), whole)
        counting.add("response", _values(baseline, "response", responses), counting.chunk(start, answered))
    return counting.tally()


def fold_columns(
    baseline: Baseline,
    *,
    request: Mapping[str, Values],
    response: Mapping[str, Values] | None = None,
    answered: NDArray[np.bool_] | None = None,
    block_keys: NDArray[np.int64] | None = None,
    row_keys: NDArray[np.uint64] | None = None,
) -> Tally:
    """Counts columnar rows: field -> array of n values (a tensor field's is [n, ...], or n nested lists), or Encoded.

    NaN and None are missing; a field without an array has the schema's default in every row. `answered` [n] says which
    rows have a response; without it, all have if `response` is given.
    """
    counting = Counting(baseline, block_keys=block_keys, row_keys=row_keys)
    size = _row_count([*request.values(), *(response or {}).values()])
    if answered is None:
        answered = np.full(size, response is not None)
    for start in range(0, size, CHUNK):
        end = min(start + CHUNK, size)
        has_response = answered[start:end]
        whole = counting.chunk(start, np.ones(end - start, dtype=np.bool_))
        counting.add("request", {name: part(values, start, end) for name, values in request.items()}, whole)
        responses = {
            name: selected(part(values, start, end), has_response) for name, values in (response or {}).items()
        }
        counting.add("response", responses, counting.chunk(start, has_response))
    return counting.tally()


def fold_sides(
    baseline: Baseline, *, requests: Sequence[Mapping[str, Any]], responses: Sequence[Mapping[str, Any]]
) -> Tally:
    """Counts requests and responses that need not be of the same rows."""
    counting = Counting(baseline, block_keys=None, row_keys=None)
    rows: Mapping[Side, Sequence[Mapping[str, Any]]] = {"request": requests, "response": responses}
    for side in SIDES:
        for start in range(0, len(rows[side]), CHUNK):
            chunk = rows[side][start : start + CHUNK]
            counting.add(side, _values(baseline, side, chunk), Chunk(len(chunk), None, None))
    return counting.tally()


def _values(baseline: Baseline, side: Side, rows: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    fields = [field for field in baseline.fields if field.side == side]
    names = [field.name for field in fields]
    try:
        # Half the time of one look after another, and the usual case: nothing is left to the schema's defaults.
        found = list(zip(*map(itemgetter(*names), rows), strict=True)) if len(names) > 1 else []
    except KeyError:
        found = []
    if len(found) != len(names):
        return {field.name: defaulted(rows, field.name, field.default) for field in fields}
    return dict(zip(names, map(list, found), strict=True))


def _row_count(columns: Sequence[Values]) -> int:
    counts = {count(values) for values in columns}
    if len(counts) > 1:
        raise ValueError(f"found columns of {sorted(counts)} rows; allowed: one number of rows")
    return counts.pop() if counts else 0
