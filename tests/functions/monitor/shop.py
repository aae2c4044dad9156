"""A package that needs no folder: a shop's traffic as columns, quickly made, with what the tests change in it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_packages.fields import Payload
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold_columns
from model_packages.profile.learning import build_baseline
from model_packages.profile.tally import Tally

CHANNELS = np.array(["shop", "web", "phone"], dtype=object)
SHARES = (0.6, 0.3, 0.1)


class Request(Payload):
    """One purchase."""

    amount: Annotated[float, Field(ge=0.0)]
    items: Annotated[int, Field(ge=0)]
    channel: Literal["shop", "web", "phone"]
    discount: float | None = None


class Response(Payload):
    """How likely it is returned."""

    chance: Annotated[float, Field(ge=0.0, le=1.0)]


class Label(Payload):
    """Whether it was."""

    returned: bool


INTERFACE = Interface(package="shop", request=Request, response=Response, label=Label)
Columns = dict[str, NDArray[Any]]
Keys = NDArray[np.int64]


def requests(draw: np.random.Generator, rows: int, *, louder: float = 0.0, web: float = 0.0) -> Columns:
    """Purchases, whose amounts may be `louder` (in standard deviations of their logarithm), or more of them `web`."""
    channel = draw.choice(CHANNELS, rows, p=SHARES)
    return {
        "amount": np.exp(3.0 + draw.standard_normal(rows) + louder),
        "items": draw.poisson(2.0, rows),
        "channel": np.where(draw.random(rows) < web, "web", channel).astype(object),
        "discount": np.where(draw.random(rows) < 0.2, np.nan, draw.random(rows)),
    }


def responses(draw: np.random.Generator, rows: int, *, higher: float = 0.0) -> Columns:
    return {"chance": np.clip(draw.beta(2.0, 8.0, rows) + higher, 0.0, 1.0)}


def learnt(rows: int = 4000, *, seed: int = 0) -> Baseline:
    draw = np.random.default_rng(seed)
    return build_baseline(
        INTERFACE, requests=as_rows(requests(draw, rows)), responses=as_rows(responses(draw, rows // 4))
    )


def window(
    baseline: Baseline,
    rows: int,
    *,
    seed: int,
    louder: float = 0.0,
    web: float = 0.0,
    higher: float = 0.0,
    block_keys: Keys | None = None,
) -> Tally:
    """The tally of some rows' traffic."""
    draw = np.random.default_rng([7, seed])
    return fold_columns(
        baseline,
        request=requests(draw, rows, louder=louder, web=web),
        response=responses(draw, rows, higher=higher),
        block_keys=block_keys,
    )


def folded(baseline: Baseline, request: Columns, *, block_keys: Keys | None = None) -> Tally:
    """The tally of requests without an answer."""
    return fold_columns(baseline, request=request, block_keys=block_keys)


def as_rows(columns: Columns) -> list[dict[str, object]]:
    plain = {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in each.tolist()]
        for name, each in columns.items()
    }
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
