"""The convolutional network that reads an 8x8 digit."""

from __future__ import annotations

from torch import Tensor, nn

INK = 16.0


class DigitNetwork(nn.Module):
    """Two convolutions, a pooling between them, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(64 * 4 * 4, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """The score of each digit [n, 10] for `images` [n, 8, 8] of 0 (paper) to 16 (ink)."""
        scores: Tensor = self.layers(images.unsqueeze(1) / INK)
        return scores
