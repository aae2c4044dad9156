"""Text of any length."""

from __future__ import annotations

from model_packages.fields import Payload


class Request(Payload):
    text: str
    weight: float | None = None


class Response(Payload):
    score: float


class Label(Payload):
    score: float
