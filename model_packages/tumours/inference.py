"""From thirty named tensors to a diagnosis. The schema says how a request becomes tensors: no input_fn is needed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .network import FEATURES, TumourNetwork

WEIGHTS = "tumours.pt"
MALIGNANT_FROM = 0.5


def model_fn(model_dir: Path) -> TumourNetwork:
    """The network that train() saved in `model_dir`."""
    model = TumourNetwork()
    model.load_state_dict(torch.load(model_dir / WEIGHTS, map_location="cpu", weights_only=True))
    return model.eval()


def predict_fn(batch: dict[str, Tensor], model: TumourNetwork) -> dict[str, Tensor]:
    """Probability [n] and diagnosis [n], the index of its category, of a tensor [n] a feature."""
    features = torch.stack([batch[name] for name in FEATURES], dim=1)
    probability = torch.sigmoid(model(features))
    return {"probability_malignant": probability, "diagnosis": (probability >= MALIGNANT_FROM).long()}
