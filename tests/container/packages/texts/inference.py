"""All three optional hooks: rows of different shapes, a predict_fn, and an output_fn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn


def model_fn(_model_dir: Path) -> nn.Module:
    return nn.Identity()


def input_fn(request: Mapping[str, Any]) -> dict[str, Any]:
    """The text's characters [length], and its weight, 1 where it is missing."""
    if request["text"] == "unreadable":
        raise ValueError("the text is unreadable")
    weight = request["weight"]
    return {"characters": [ord(letter) for letter in request["text"]], "weight": 1.0 if weight is None else weight}


def predict_fn(batch: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    characters = model(batch["characters"]).float()
    if (characters == ord("!")).any():
        raise RuntimeError("no exclamation marks")
    return {"mean": characters.mean(dim=1) * batch["weight"]}


def output_fn(row: dict[str, Any]) -> dict[str, Any]:
    return {"score": row["mean"]}
