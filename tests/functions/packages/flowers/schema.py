"""A flower from measurements and a photo: one field of every kind that a schema can have."""

from typing import Annotated, Literal

from pydantic import Field

from model_packages.fields import Image, Payload, Tensor, Unit


class Request(Payload):
    """What is known of the flower."""

    petal_length: Annotated[float, Field(ge=0.0, le=30.0, description="along the longest petal"), Unit("cm")]
    petals: Annotated[int, Field(ge=0, le=200)]
    colour: Literal["white", "yellow", "blue"]
    wild: bool
    note: Annotated[str, Field(max_length=20)] | None = None
    spectrum: Annotated[list[float], Tensor((4,), minimum=0.0, maximum=1.0)] | None = None
    photo: Annotated[list[list[float]] | str, Image((2, 2), dtype="uint8")] | None = None
    height: Annotated[float, Field(gt=0.0, lt=500.0, multiple_of=0.5), Unit("cm")] = 20.0
    collection: Annotated[str, Field(min_length=2, pattern="^[A-Z]+$")] = "NONE"
    weight: Annotated[float, Field(description="after drying"), Unit("g")] | None = None
    visitors: Annotated[int, Field(ge=0)] = 0


class Response(Payload):
    """What the flower most likely is."""

    species: Literal["daisy", "crocus"]
    confidence: Annotated[float, Field(ge=0.0, le=1.0)]


class Label(Payload):
    """What the flower was."""

    species: Literal["daisy", "crocus"]
