"""The network that scores payments: embeddings of categories, hashed text and standardised numbers into one score."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_packages.fields import Kind, describe

from .schema import Request

CATEGORIES = {field.name: field.categories for field in describe(Request) if field.kind is Kind.CATEGORY}
NUMBERS = 6
TEXT_BUCKETS = 256


class FraudNetwork(nn.Module):
    """What a saved version holds: the weights, the scale of the numbers and the threshold of a review."""

    mean: Tensor
    deviation: Tensor
    review_threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("deviation", torch.ones(NUMBERS))
        self.register_buffer("review_threshold", torch.tensor(0.5))
        self.categories = nn.ModuleList(nn.Embedding(len(values) + 1, 4) for values in CATEGORIES.values())
        self.text = nn.Linear(TEXT_BUCKETS, 8)
        self.hidden = nn.Sequential(
            nn.Linear(NUMBERS + 4 * len(CATEGORIES) + 8, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
        )
        self.score = nn.Linear(32, 1)

    def forward(self, numbers: Tensor, categories: Tensor, text: Tensor) -> Tensor:
        """The log-odds of fraud [n] of `numbers` [n, 6], `categories` [n, 3] (0 is missing) and `text` [n, 256]."""
        standardised = (numbers - self.mean) / self.deviation
        embedded = [embed(categories[:, column]) for column, embed in enumerate(self.categories)]
        hidden = self.hidden(torch.cat([standardised, *embedded, self.text(text)], dim=1))
        log_odds: Tensor = self.score(hidden).squeeze(1)
        return log_odds
