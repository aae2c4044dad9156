"""A schema with a field of each kind, and rows of it."""

from __future__ import annotations

import random
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from model_packages.fields import Image, Payload, Tensor
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.learning import build_baseline

COLOURS = ("red", "green", "blue")
WORDS = ("rose", "tulip", "lily", "market", "garden", "shop")


class Request(Payload):
    """One flower."""

    height: Annotated[float, Field(ge=0.0, le=1000.0)]
    age: float | None = None
    petals: Annotated[int, Field(ge=0)] = 5
    colour: Literal["red", "green", "blue"] | None = None
    wild: bool
    note: str
    spectrum: Annotated[list[float], Tensor(shape=(3,))]
    picture: Annotated[list[list[float]] | str, Image(shape=(4, 6), minimum=0.0, maximum=1.0)]


class Response(Payload):
    """What it is."""

    score: Annotated[float, Field(ge=0.0, le=1.0)]
    kind: Literal["rose", "tulip"]


class Label(Payload):
    """What it was."""

    kind: Literal["rose", "tulip"]


INTERFACE = Interface(package="flowers", request=Request, response=Response, label=Label)


def requests(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows as a caller sends them: some leave out what has a default."""
    draw = random.Random(seed)  # noqa: S311
    return [_request(draw) for _ in range(count)]


def _request(draw: random.Random) -> dict[str, Any]:
    row: dict[str, Any] = {
        "height": draw.choice([0.0, draw.lognormvariate(3, 1)]),
        "age": draw.choice([None, draw.uniform(0, 9)]),
        "wild": draw.random() < 0.3,
        "note": " ".join(draw.choices(WORDS, k=draw.randrange(4))) + f" {draw.randrange(100)}",
        "spectrum": [draw.gauss(0, 1) for _ in range(3)],
        "picture": [[draw.random() for _ in range(6)] for _ in range(4)],
    }
    if draw.random() < 0.8:
        row["petals"] = draw.randrange(3, 8)
    if draw.random() < 0.9:
        row["colour"] = draw.choice(COLOURS)
    return row


def responses(count: int, *, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)  # noqa: S311
    scores = [draw.betavariate(2, 5) for _ in range(count)]
    return [{"score": score, "kind": "rose" if score > 0.3 else "tulip"} for score in scores]


def captured(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows of a window; every seventh has no response."""
    pairs = zip(requests(count, seed=seed), responses(count, seed=seed), strict=True)
    return [
        {"request": request, "response": None if place % 7 == 3 else response}
        for place, (request, response) in enumerate(pairs)
    ]


@cache
def flowers() -> Baseline:
    """The baseline of 600 requests and 200 responses."""
    return build_baseline(INTERFACE, requests=requests(600, seed=1), responses=responses(200, seed=1))
