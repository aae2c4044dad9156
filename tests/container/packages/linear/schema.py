"""A point's abscissa, and its ordinate as the label."""

from __future__ import annotations

from typing import Literal

from model_packages.fields import Payload


class Request(Payload):
    x: float
    side: Literal["left", "right"]
    shift: float | None = None


class Response(Payload):
    y: float


class Label(Payload):
    y: float
