"""The network of __name__. Whatever scales its input is a buffer, so that it is saved and loaded with the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """A linear model of standardised features."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("deviation", torch.ones(3))
        self.linear = nn.Linear(3, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Minutes [n] of `features` [n, 3]."""
        minutes: Tensor = self.linear((features - self.mean) / self.deviation).squeeze(1)
        return minutes.clamp_min(0.0)
