"""Trains the tumour network on all records at once, and measures a version the way its callers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model_packages.checkpoints import Checkpoints
from model_packages.dataset import Record, read_records
from model_packages.interface import Predict

from .inference import WEIGHTS
from .network import FEATURES, TumourNetwork

LARGE_NUCLEI_FROM_PX = 16.0
STEPS_BETWEEN_CHECKPOINTS = 100


class Hyperparameters(BaseModel):
    """What package.toml may set under [training.hyperparameters]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    steps: int = 300
    learning_rate: float = 0.01
    weight_decay: float = 0.1


def train(data_dir: Path, model_dir: Path, hyperparameters: Mapping[str, Any]) -> None:
    """Fits the network to every record in `data_dir` and saves it in `model_dir`."""
    chosen = Hyperparameters.model_validate(hyperparameters)
    torch.manual_seed(chosen.seed)
    features, malignant = tensors(read_records(data_dir))
    model = TumourNetwork()
    model.mean.copy_(features.mean(dim=0))
    model.deviation.copy_(features.std(dim=0).clamp_min(1e-6))
    _fit(model, features, malignant, chosen, Checkpoints(data_dir, hyperparameters))
    torch.save(model.state_dict(), model_dir / WEIGHTS)


def evaluate(predict: Predict, records: Sequence[Record]) -> dict[str, Any]:
    """Accuracy and both recalls, overall and for images with small and with large nuclei."""
    answers = predict([record["request"] for record in records])
    malignant = np.array([record["label"]["diagnosis"] == "malignant" for record in records])
    called = np.array([answer["diagnosis"] == "malignant" for answer in answers])
    large = np.array([record["request"]["worst_radius"] >= LARGE_NUCLEI_FROM_PX for record in records])
    return {
        **_metrics(malignant, called),
        "slices": {
            name: {"accuracy": float(np.mean(called[rows] == malignant[rows]))}
            for name, rows in (("nuclei=large", large), ("nuclei=small", ~large))
            if rows.any()
        },
    }


def tensors(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """Features [n, 30] in the order of FEATURES, and 1.0 for each malignant record [n]."""
    features = torch.tensor([[record["request"][name] for name in FEATURES] for record in records])
    return features, torch.tensor([float(record["label"]["diagnosis"] == "malignant") for record in records])


def _fit(
    model: TumourNetwork, features: Tensor, malignant: Tensor, chosen: Hyperparameters, checkpoints: Checkpoints
) -> None:
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)
    for _ in checkpoints.rounds(chosen.steps, every=STEPS_BETWEEN_CHECKPOINTS, model=model, optimizer=optimizer):
        optimizer.zero_grad()
        loss_fn(model(features), malignant).backward()
        optimizer.step()


def _metrics(malignant: NDArray[np.bool_], called: NDArray[np.bool_]) -> dict[str, float]:
    """Recall of the malignant is sensitivity, recall of the benign specificity; their mean is balanced accuracy."""
    sensitivity = float(np.mean(called[malignant]))
    specificity = float(np.mean(~called[~malignant]))
    return {
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "accuracy": float(np.mean(called == malignant)),
        "recall_malignant": sensitivity,
        "recall_benign": specificity,
    }
