"""A number in, its double out."""

from __future__ import annotations

from model_packages.fields import Payload


class Request(Payload):
    x: float


class Response(Payload):
    y: float


class Label(Payload):
    y: float
