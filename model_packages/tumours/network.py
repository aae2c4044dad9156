"""The network that tells malignant from benign. It standardises its input itself, so that raw measurements go in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .schema import Request

FEATURES = tuple(Request.model_fields)


class TumourNetwork(nn.Module):
    """Two small layers behind the training data's mean and standard deviation, which are saved with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("deviation", torch.ones(len(FEATURES)))
        self.layers = nn.Sequential(nn.Linear(len(FEATURES), 16), nn.Softplus(), nn.Linear(16, 1))

    def forward(self, features: Tensor) -> Tensor:
        """The log-odds of malignancy [n] of `features` [n, 30] in the order of FEATURES."""
        log_odds: Tensor = self.layers((features - self.mean) / self.deviation).squeeze(1)
        return log_odds
