"""How a version of __name__ is made and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model_packages.checkpoints import Checkpoints
from model_packages.dataset import Record, read_records
from model_packages.interface import Predict

from .inference import WEIGHTS, features_of
from .network import Network
from .schema import Request

STEPS_BETWEEN_CHECKPOINTS = 100
VEHICLES = get_args(Request.model_fields["vehicle"].annotation)


class Hyperparameters(BaseModel):
    """What package.toml may set under [training.hyperparameters]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    steps: int = 400
    learning_rate: float = 0.1


def train(data_dir: Path, model_dir: Path, hyperparameters: Mapping[str, Any]) -> None:
    """Fits the network to every record in `data_dir` and saves it in `model_dir`."""
    chosen = Hyperparameters.model_validate(hyperparameters)
    torch.manual_seed(chosen.seed)
    features, minutes = tensors(read_records(data_dir))
    model = Network()
    model.mean.copy_(features.mean(dim=0))
    model.deviation.copy_(features.std(dim=0).clamp_min(1e-6))
    nn.init.constant_(model.linear.bias, float(minutes.mean()))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=chosen.learning_rate)
    checkpoints = Checkpoints(data_dir, hyperparameters)  # an interrupted training goes on from the last one saved
    for _ in checkpoints.rounds(chosen.steps, every=STEPS_BETWEEN_CHECKPOINTS, model=model, optimizer=optimizer):
        optimizer.zero_grad()
        loss_fn(model(features), minutes).backward()
        optimizer.step()
    torch.save(model.state_dict(), model_dir / WEIGHTS)


def evaluate(predict: Predict, records: Sequence[Record]) -> dict[str, Any]:
    """Metrics of exactly what callers see. "slices" holds the same of parts that must not get worse unnoticed."""
    truth = np.array([record["label"]["duration"] for record in records])
    predicted = np.array([answer["duration"] for answer in predict([record["request"] for record in records])])
    error = predicted - truth
    return {
        "r2": float(1.0 - np.mean(error**2) / np.var(truth)),
        "negative_mean_absolute_error": -float(np.mean(np.abs(error))),
        "slices": {
            f"vehicle={vehicle}": {"negative_mean_absolute_error": -float(np.mean(np.abs(error[rows])))}
            for vehicle in VEHICLES
            if any(rows := [record["request"]["vehicle"] == vehicle for record in records])
        },
    }


def tensors(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """Features [n, 3] and minutes [n]."""
    requests = [record["request"] for record in records]
    batch = {
        "distance": torch.tensor([float(request["distance"]) for request in requests]),
        "stops": torch.tensor([request["stops"] for request in requests]),
        "vehicle": torch.tensor([VEHICLES.index(request["vehicle"]) for request in requests]),
    }
    return features_of(batch), torch.tensor([float(record["label"]["duration"]) for record in records])
