"""Thirty measurements of cell nuclei in, a diagnosis with its probability out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model_packages.fields import Payload, Unit

Radius = Annotated[float, Field(ge=0.0, le=100.0, description="distance from the centre to the outline"), Unit("px")]
Texture = Annotated[
    float, Field(ge=0.0, le=128.0, description="standard deviation of the grey values"), Unit("grey level")
]
Perimeter = Annotated[float, Field(ge=0.0, le=800.0, description="length of the outline"), Unit("px")]
Area = Annotated[float, Field(ge=0.0, le=32_000.0, description="inside the outline"), Unit("px2")]
Smoothness = Annotated[float, Field(ge=0.0, le=1.0, description="local variation of the radius")]
Compactness = Annotated[float, Field(ge=0.0, le=5.0, description="of perimeter squared over area")]
Concavity = Annotated[float, Field(ge=0.0, le=5.0, description="severity of the outline's concave parts")]
ConcavePoints = Annotated[float, Field(ge=0.0, le=1.0, description="share of the outline in concave parts")]
Symmetry = Annotated[float, Field(ge=0.0, le=2.0, description="difference of lengths across the longest axis")]
FractalDimension = Annotated[float, Field(ge=0.0, le=1.0, description="coastline approximation minus 1")]

Diagnosis = Literal["benign", "malignant"]


class Request(Payload):
    """The nuclei in one image of a fine needle aspirate of a breast mass: ten measurements, each with its mean, its
    standard error, and its worst value (the mean of the three largest).
    """

    mean_radius: Radius
    mean_texture: Texture
    mean_perimeter: Perimeter
    mean_area: Area
    mean_smoothness: Smoothness
    mean_compactness: Compactness
    mean_concavity: Concavity
    mean_concave_points: ConcavePoints
    mean_symmetry: Symmetry
    mean_fractal_dimension: FractalDimension
    radius_error: Radius
    texture_error: Texture
    perimeter_error: Perimeter
    area_error: Area
    smoothness_error: Smoothness
    compactness_error: Compactness
    concavity_error: Concavity
    concave_points_error: ConcavePoints
    symmetry_error: Symmetry
    fractal_dimension_error: FractalDimension
    worst_radius: Radius
    worst_texture: Texture
    worst_perimeter: Perimeter
    worst_area: Area
    worst_smoothness: Smoothness
    worst_compactness: Compactness
    worst_concavity: Concavity
    worst_concave_points: ConcavePoints
    worst_symmetry: Symmetry
    worst_fractal_dimension: FractalDimension


class Response(Payload):
    """What the mass most likely is."""

    diagnosis: Diagnosis
    probability_malignant: Annotated[float, Field(ge=0.0, le=1.0)]


class Label(Payload):
    """What the biopsy or the follow-up found."""

    diagnosis: Diagnosis
