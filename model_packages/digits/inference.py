"""From an image to a digit. The schema says how a request becomes a tensor (PNGs too): no input_fn is needed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .network import DigitNetwork

WEIGHTS = "digits.pt"


def model_fn(model_dir: Path) -> DigitNetwork:
    """The network that train() saved in `model_dir`."""
    model = DigitNetwork()
    model.load_state_dict(torch.load(model_dir / WEIGHTS, map_location="cpu", weights_only=True))
    return model.eval()


def predict_fn(batch: dict[str, Tensor], model: DigitNetwork) -> dict[str, Tensor]:
    """Digit [n] and probabilities [n, 10] of images [n, 8, 8]."""
    probabilities = torch.softmax(model(batch["image"]), dim=1)
    return {"digit": probabilities.argmax(dim=1), "probabilities": probabilities}
