"""Makes a baseline from a version's data: first what to count, from a sample of the rows, then the counts, from all.

Deterministic: the same rows give the same baseline. Rows are counted in chunks; only the sample is looked at whole.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model_packages.profile import features, text
from model_packages.profile.baseline import Baseline, FieldProfile
from model_packages.profile.columns import BOOLEANS, SIDES, Column, Side
from model_packages.profile.constraints import Constraints, InferredType
from model_packages.profile.edges import learn_edges
from model_packages.profile.fold import fold_sides
from model_packages.profile.hashing import estimate_distinct
from model_packages.profile.tensors import TensorForm, groups, tensors
from model_packages.profile.values import defaulted, numbers

if TYPE_CHECKING:
    from model_packages.fields import FieldSpec
    from model_packages.interface import Interface

Rows = Sequence[Mapping[str, Any]]
Row = TypeVar("Row")

SAMPLE_ROWS = 50_000
"""Cells are learnt from at most this many rows."""
VECTOR_ROWS = 5_000
"""Centroids and directions are learnt from at most this many feature vectors."""
COMPLETENESS_SLACK = 0.05
"""How much lower than the baseline's a window's completeness may be, where the baseline itself has missing values."""
UNIQUE = 0.95
"""From this share of distinct values on, a field's are taken to be all different, within the estimate's error."""
UNIQUENESS_SLACK = 0.1
REASONABLE_ROWS = 100
"""With fewer, that all values differ says nothing."""

_INFERRED: Mapping[str, InferredType] = {
    "numeric": "Fractional",
    "integer": "Integral",
    "boolean": "String",
    "category": "String",
    "text": "String",
    "tensor": "Unknown",
    "image": "Unknown",
}


def build_baseline(interface: Interface, *, requests: Rows, responses: Rows) -> Baseline:
    """Learns columns and constraints, and counts the rows. `responses` need not be of the same rows as `requests`.

    Its constraints are what the data shows; `Baseline.overridden` applies package.toml.
    """
    rows: Mapping[Side, Rows] = {"request": requests, "response": responses}
    specs: Mapping[Side, Sequence[FieldSpec]] = {
        "request": interface.request_fields,
        "response": interface.response_fields,
    }
    fields, strict = [], []
    for side in SIDES:
        drawn = sample(rows[side], SAMPLE_ROWS)
        for spec in specs[side]:
            learnt, stricter = _learn(spec, side, defaulted(drawn, spec.name, spec.default))
            fields.append(learnt)
            strict.append(stricter)
    named = {"package": interface.package, "schema_hash": interface.schema_hash}
    tally = fold_sides(Baseline.uncounted(**named, fields=tuple(strict)), requests=requests, responses=responses)
    plan = Baseline.uncounted(**named, fields=tuple(fields))
    counted = replace(plan, tally=replace(tally, baseline=plan.identity))
    return replace(counted, fields=tuple(_constrained(field, counted) for field in counted.fields))


def sample(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """At most `count` of the rows, in their order; the same at each call."""
    if len(rows) <= count:
        return rows
    return [rows[place] for place in sorted(random.Random(0).sample(range(len(rows)), count))]  # noqa: S311


def _learn(spec: FieldSpec, side: Side, values: list[Any]) -> tuple[FieldProfile, FieldProfile]:
    """The field as windows are counted with it, and as the baseline itself is.

    They differ for text. The baseline's own tokens are all in a vocabulary that was made of them, so its rows would
    look more familiar than any window's can. Each row is therefore read with the tokens of the others alone: with those
    that are in two rows or more.
    """
    field = FieldProfile(
        name=spec.name,
        side=side,
        kind=str(spec.kind),
        columns=(),
        constraints=_stated(spec),
        default=spec.default,
    )
    match field.kind:
        case "numeric" | "integer":
            learnt = replace(field, columns=(_number_column(spec, side, values),))
        case "boolean" | "category":
            learnt = replace(field, columns=(_category_column(spec, side),))
        case "text":
            return _learn_text(field, values)
        case _:
            learnt = _learn_tensor(field, spec, values)
    return learnt, learnt


def _stated(spec: FieldSpec) -> Constraints:
    """What the schema says; the gateway refuses a number at an exclusive bound, and here it is let pass."""
    categories = BOOLEANS if spec.kind == "boolean" else spec.categories
    return Constraints(
        inferred_type=_INFERRED[spec.kind],
        minimum=spec.exclusive_minimum if spec.minimum is None else spec.minimum,
        maximum=spec.exclusive_maximum if spec.maximum is None else spec.maximum,
        categories=categories,
    )


def _number_column(spec: FieldSpec, side: Side, values: list[Any]) -> Column:
    is_whole = spec.kind == "integer"
    stated = _stated(spec)
    return _column(
        Column(name=spec.name, field=spec.name, side=side, kind="numeric", is_whole=is_whole),
        numbers(values, whole=is_whole).array,
        lowest=stated.minimum,
        highest=stated.maximum,
        noise=0.0 if side == "response" else None,
    )


def _column(
    column: Column,
    values: NDArray[np.float64],
    *,
    lowest: float | None = None,
    highest: float | None = None,
    noise: float | None = None,
) -> Column:
    """The numeric column with the edges and the centre of `values`."""
    edges = learn_edges(values, lowest=lowest, highest=highest, is_whole=column.is_whole, noise=noise)
    return replace(column, edges=edges, centre=float(np.median(values)) if len(values) else 0.0)


def _category_column(spec: FieldSpec, side: Side) -> Column:
    categories = BOOLEANS if spec.kind == "boolean" else spec.categories
    return Column(name=spec.name, field=spec.name, side=side, kind="category", categories=categories)


def _learn_text(field: FieldProfile, values: list[Any]) -> tuple[FieldProfile, FieldProfile]:
    texts = [value for value in values if isinstance(value, str)]
    vocabulary, repeated = _vocabularies(texts)
    groups = [text.measure(text.read(group), repeated) for group in text.chunks(texts)]
    measures = np.concatenate(groups, axis=1) if groups else np.zeros((len(text.MEASURES), 0))
    columns = tuple(_text_column(field, name, measure) for name, measure in zip(text.MEASURES, measures, strict=True))
    learnt = replace(field, columns=columns, vocabulary=vocabulary)
    return learnt, replace(learnt, vocabulary=repeated)


def _text_column(field: FieldProfile, name: str, measure: NDArray[np.float64]) -> Column:
    is_whole = name in text.WHOLE
    column = Column(f"{field.name}.{name}", field.name, field.side, "numeric", is_whole=is_whole)
    return _column(column, measure, lowest=0.0, highest=None if is_whole else 1.0)


def _vocabularies(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The tokens of most texts, and those of them that are in two texts or more; both ascend."""
    found: Counter[int] = Counter()
    for group in text.chunks(texts):
        tokens = text.tokenise(text.read(group))
        in_a_text = np.unique(np.stack([tokens.texts, text.shortened(tokens.hashes).astype(np.int64)]), axis=1)
        found.update(in_a_text[1].tolist())
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[: text.VOCABULARY]
    known = np.array(sorted(token for token, _ in most), dtype=np.uint32)
    return known, np.array(sorted(token for token, count in most if count > 1), dtype=np.uint32)


def _learn_tensor(field: FieldProfile, spec: FieldSpec, values: list[Any]) -> FieldProfile:
    form = TensorForm(
        shape=spec.shape,
        is_image=field.kind == "image",
        low=0.0 if spec.minimum is None else float(spec.minimum),
        high=255.0 if spec.maximum is None else float(spec.maximum),
    )
    read = [tensors(group, form).array for _, group in groups(sample(values, VECTOR_ROWS), form)]
    array = np.concatenate(read) if read else np.zeros((0, form.size), dtype=np.float32)
    vectors = features.feature_vectors(array, form.shape, is_image=form.is_image)
    known = features.learn_feature_map(vectors)
    names = (*features.MEASURES, *known.names)
    measures = [*features.measure(array), *known.projections(vectors)]
    noise = features.NOISE * float(np.abs(array).max(initial=0.0))
    columns = [
        _column(Column(f"{field.name}.{name}", field.name, field.side, "numeric"), measure, noise=noise)
        for name, measure in zip(names, measures, strict=True)
    ]
    cluster = Column(
        name=f"{field.name}.{features.CLUSTER}",
        field=field.name,
        side=field.side,
        kind="category",
        categories=tuple(str(number) for number in range(len(known.centroids))),
    )
    return replace(field, columns=(*columns, cluster), form=form, features=known)


def _constrained(field: FieldProfile, counted: Baseline) -> FieldProfile:
    """The field with what its own counts showed, where the schema leaves it open."""
    tally, place = counted.tally, counted.place_of(field)
    rows = tally.rows_of(field.side)
    present = rows - int(tally.missing[place])
    share = present / rows if rows else 1.0
    stated = field.constraints
    minimum, maximum = _observed_range(field, counted)
    return replace(
        field,
        constraints=replace(
            stated,
            completeness=1.0 if share == 1.0 else max(0.0, round(share - COMPLETENESS_SLACK, 4)),
            minimum=minimum if stated.minimum is None else stated.minimum,
            maximum=maximum if stated.maximum is None else stated.maximum,
            uniqueness=_uniqueness(field, present, estimate_distinct(tally.registers[place])),
        ),
    )


def _observed_range(field: FieldProfile, counted: Baseline) -> tuple[float | None, float | None]:
    """What was seen, and as far again on either side: for numbers whose bounds the schema does not state."""
    first = counted.columns.index(field.columns[0])
    if field.kind not in ("numeric", "integer") or not counted.counts[counted.cells_of(first)].any():
        return None, None
    low, high = counted.tally.extremes[first].tolist()
    return low - (high - low), high + (high - low)


def _uniqueness(field: FieldProfile, present: int, distinct: float) -> float | None:
    if field.kind not in ("text", "integer") or present < REASONABLE_ROWS or distinct < UNIQUE * present:
        return None
    return UNIQUE - UNIQUENESS_SLACK
