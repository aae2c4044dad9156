"""What goes in and out of __name__. Torch-free: the gateway imports it too.

Change the fields to yours. The vocabulary is float, int, bool, str, Literal of strings, Annotated with Tensor or Image,
each of them `| None`; ranges and units are checked at the edge, documented, and watched by the monitor.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model_packages.fields import Payload, Unit


class Request(Payload):
    """One delivery, when it is planned."""

    distance: Annotated[float, Field(ge=0.0, le=100.0, description="by road, there only"), Unit("km")]
    stops: Annotated[int, Field(ge=1, le=50, description="on the way, with the last")]
    vehicle: Literal["bike", "van"]


class Response(Payload):
    """How long it takes."""

    duration: Annotated[float, Field(ge=0.0), Unit("min")]


class Label(Payload):
    """The truth, known later: what feedback carries and evaluate() compares with."""

    duration: Annotated[float, Field(ge=0.0), Unit("min")]
