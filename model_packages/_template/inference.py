"""How __name__ answers. Only model_fn is required; see the comments for the other three."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .network import Network

WEIGHTS = "model.pt"


def model_fn(model_dir: Path) -> Network:
    """The network that train() saved in `model_dir`."""
    model = Network()
    model.load_state_dict(torch.load(model_dir / WEIGHTS, map_location="cpu", weights_only=True))
    return model.eval()


# input_fn(request) -> dict of numbers and arrays: define it where the schema has text, or a field needs more than its
# default. Without it a number becomes float32, an integer int64, a category the index of its label, a missing number
# NaN and a missing category -1.


def predict_fn(batch: dict[str, Tensor], model: Network) -> dict[str, Tensor]:
    """A tensor [n, ...] for each field of Response, of a tensor [n, ...] for each field of Request."""
    return {"duration": model(features_of(batch))}


# output_fn(row) -> dict: define it where the fields of Response are not simply what predict_fn returned.


def features_of(batch: dict[str, Tensor]) -> Tensor:
    """The network's features [n, 3]; train() uses the same function."""
    return torch.stack([batch["distance"], batch["stops"].float(), batch["vehicle"].float()], dim=1)
