"""A holdout's answers, given once and looked up from then on: evaluate() can be called a thousand times while the model
is called once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from model_packages.dataset import Record
from model_packages.interface import Predict

Request = Mapping[str, Any]
Answer = Mapping[str, Any]

REMEMBERED = 100_000
"""So many requests that are not in the holdout are remembered with their answers."""


@dataclass(frozen=True, slots=True)
class Side:
    """One model: its answers to the holdout, in its order, and a `predict` for what is not in it."""

    answers: Sequence[Answer]
    predict: Predict


class Holdout:
    """Records whose requests are recognised when evaluate() asks about them: as the very objects, else, where it copied
    them, by what is in them. Equal requests have equal answers, so that it does not matter which of them is meant.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.requests = [record["request"] for record in records]
        # An object that lives keeps its id to itself, and these live as long as `self`.
        self._places = {id(request): place for place, request in enumerate(self.requests)}

    def look_up(self, side: Side) -> Predict:
        """A `predict` that knows the answer to each record, and asks the model about anything else."""

        def predict(requests: Sequence[Request]) -> list[dict[str, Any]]:
            places = self._find(requests)
            strangers = [request for request, place in zip(requests, places, strict=True) if place is None]
            others = iter(side.predict(strangers) if strangers else ())
            return [dict(next(others) if place is None else side.answers[place]) for place in places]

        return predict

    def _find(self, requests: Sequence[Request]) -> list[int | None]:
        """Which records these are the requests of; None for one that evaluate() made up."""
        places = [self._places.get(id(request)) for request in requests]
        if None not in places:
            return places
        found = zip(requests, places, strict=True)
        return [self._by_content.get(_content(request)) if place is None else place for request, place in found]

    @cached_property
    def _by_content(self) -> dict[bytes | None, int]:
        contents = {_content(request): place for place, request in reversed(list(enumerate(self.requests)))}
        contents.pop(None, None)
        return contents


def remembering(predict: Predict) -> Predict:
    """The same, without asking twice: evaluate() may ask about changed requests, and does so each time."""
    known: dict[bytes | None, dict[str, Any]] = {}

    def remembered(requests: Sequence[Request]) -> list[dict[str, Any]]:
        contents = [_content(request) for request in requests]
        new = {place: requests[place] for place, content in enumerate(contents) if content not in known}
        found = dict(zip(new, predict(list(new.values())) if new else (), strict=True))
        answers = [found[place] if place in found else known[contents[place]] for place in range(len(requests))]
        for place, answer in found.items():
            content = contents[place]
            if content is not None and len(known) < REMEMBERED:
                known[content] = answer
        return answers

    return remembered


def _content(request: Request) -> bytes | None:
    try:
        return orjson.dumps(request, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # no JSON: a package's own objects
        return None
