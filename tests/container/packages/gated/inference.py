"""Opens a named pipe where a test wants it to wait: that blocks until the test opens the other end."""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor, nn

LOAD_GATE = "GATED_LOAD"
PREDICT_GATE = "GATED_PREDICT"


def model_fn(model_dir: Path) -> nn.Module:
    _wait_at(LOAD_GATE)
    factor = float((model_dir / "factor.txt").read_text())
    return nn.Linear(1, 1).requires_grad_(requires_grad=False).apply(lambda line: _set(line, factor))


def predict_fn(batch: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    if (batch["x"] < 0).any():
        _wait_at(PREDICT_GATE)
    return {"y": model(batch["x"].unsqueeze(1)).squeeze(1)}


def _set(line: nn.Module, factor: float) -> None:
    for parameter, value in zip(line.parameters(), (factor, 0.0), strict=True):
        parameter.fill_(value)


def _wait_at(variable: str) -> None:
    if variable in os.environ:
        Path(os.environ[variable]).read_text()
