"""Counts what assembled files hold, some thousand records at a time, so that memory does not grow with them."""

from __future__ import annotations

import gzip
import io
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from functions.retraining.label_agreement import Answered
from functions.retraining.labelled import request_digest
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.quality_fields import QualityFields, class_name
from model_packages.profile.tally import Tally

CHUNK_ROWS = 10_000
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counting:
    """What records are counted with: the same cells twice, with the ranges that are stated and with those seen."""

    stated: Baseline
    learnt: Baseline
    fields: QualityFields | None


@dataclass(slots=True)
class Part:
    """What some of the records came to."""

    stated: Tally
    learnt: Tally
    contents: array[int] = field(default_factory=lambda: array("Q"))
    """A digest of each record's request and label."""
    classes: Counter[str] = field(default_factory=Counter)
    """Of a classification's labels."""
    numbers: array[float] = field(default_factory=lambda: array("d"))
    """A regression's labels."""
    answered: list[Answered] = field(default_factory=list)
    """Of captured records."""

    @property
    def rows(self) -> int:
        return len(self.contents)

    @property
    def most_repeated(self) -> int:
        """How often the record comes that comes most often."""
        found: NDArray[np.uint64] = np.frombuffer(self.contents, np.uint64) if self.rows else np.empty(0, np.uint64)
        return int(np.unique(found, return_counts=True)[1].max(initial=0))

    @property
    def repeated_share(self) -> float:
        """Of one that does not come twice it is 0."""
        most = self.most_repeated
        return most / self.rows if most > 1 else 0.0

    def __add__(self, other: Part) -> Part:
        return Part(
            stated=self.stated + other.stated,
            learnt=self.learnt + other.learnt,
            contents=self.contents + other.contents,
            classes=self.classes + other.classes,
            numbers=self.numbers + other.numbers,
            answered=self.answered + other.answered,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The base data's training records, the captured ones, and the holdout's."""

    base: Part
    training: Part
    holdout: Part
    captured: Part
    """Training and, if it was captured, holdout."""

    @property
    def by_name(self) -> dict[str, Part]:
        return {"base data": self.base, "captured records to train on": self.training, "holdout": self.holdout}


def read_parts(
    counting: Counting, *, base: bytes, training: bytes, holdout: bytes, origins: bytes, holdout_is_captured: bool
) -> Parts:
    """Each argument is a file; `origins` is of the training's records and then of the holdout's, if captured."""
    answers = lines_of(origins)
    trained = _count(counting, training, answers)
    held_out = _count(counting, holdout, answers if holdout_is_captured else repeat(None))
    return Parts(
        base=_count(counting, base, repeat(None)),
        training=trained,
        holdout=held_out,
        captured=trained + held_out if holdout_is_captured else trained,
    )


def lines_of(content: bytes) -> Iterator[Document]:
    """Every record of a gzip file."""
    with gzip.open(io.BytesIO(content)) as lines:
        for line in lines:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                yield json.loads(line)  # NaN, which training reads too


def _count(counting: Counting, content: bytes, origins: Iterator[Document | None]) -> Part:
    part = Part(Tally.empty(counting.stated), Tally.empty(counting.learnt))
    records = lines_of(content)
    while chunk := list(islice(records, CHUNK_ROWS)):
        rows = [{"request": record["request"], "response": None} for record in chunk]
        part.stated += fold(counting.stated, rows)
        part.learnt += fold(counting.learnt, rows)
        for record in chunk:
            _count_label(part, record, next(origins), counting.fields)
    return part


def _count_label(part: Part, record: Document, origin: Document | None, fields: QualityFields | None) -> None:
    part.contents.append(request_digest([record["request"], record["label"]]))
    if fields is None:
        return
    label = record["label"].get(fields.label)
    if label is None:
        pass  # no truth is no class; what is faulty is counted elsewhere
    elif fields.form != "number":
        part.classes[class_name(label)] += 1
    elif isinstance(label, int | float) and math.isfinite(label):
        part.numbers.append(label)
    if origin is not None:
        part.answered.append(Answered(origin["response"].get(fields.prediction), label, origin["caller"]))
