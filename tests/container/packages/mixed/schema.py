"""A field of every kind that has a default conversion, nullable where that is allowed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model_packages.fields import Image, Payload, Tensor, Unit


class Request(Payload):
    length: Annotated[float, Unit("mm"), Field(ge=0, le=100)]
    count: int
    is_ripe: bool
    colour: Literal["green", "red"]
    spectrum: Annotated[list[float], Tensor(shape=(3,))]
    photo: Annotated[list[list[float]], Image(shape=(2, 2), minimum=0.0, maximum=1.0)]
    weight: float | None = None
    seeds: int | None = None
    region: Literal["north", "south"] | None = None
    scale: float = 10.0


class Response(Payload):
    total: float
    colour: Literal["green", "red"]
    ripe: bool


class Label(Payload):
    colour: Literal["green", "red"]
