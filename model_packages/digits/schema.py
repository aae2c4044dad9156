"""An image of one handwritten digit in, the digit with its probabilities out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from model_packages.fields import Image, Payload, Tensor

Digit = Annotated[int, Field(ge=0, le=9)]


class Request(Payload):
    """One digit, upright and centred."""

    image: Annotated[
        list[list[float]] | str,
        Image(shape=(8, 8), minimum=0.0, maximum=16.0),
        Field(description="ink a pixel, 0 is paper: nested numbers, or a greyscale PNG in base64"),
    ]


class Response(Payload):
    """The most likely digit, and the probability of each."""

    digit: Digit
    probabilities: Annotated[
        list[float], Tensor(shape=(10,), minimum=0.0, maximum=1.0), Field(description="of 0 to 9, in this order")
    ]


class Label(Payload):
    """What the writer meant."""

    digit: Digit
