"""Trains the digit network on shifted copies and on blanks, and measures a version the way its callers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from model_packages.checkpoints import Checkpoints
from model_packages.dataset import Record, read_records
from model_packages.interface import Predict

from .inference import WEIGHTS
from .network import INK, DigitNetwork

DIGITS = 10


class Hyperparameters(BaseModel):
    """What package.toml may set under [training.hyperparameters]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 0.01
    blank_share: float = 0.1


def train(data_dir: Path, model_dir: Path, hyperparameters: Mapping[str, Any]) -> None:
    """Fits the network to every record in `data_dir` and saves it in `model_dir`."""
    chosen = Hyperparameters.model_validate(hyperparameters)
    torch.manual_seed(chosen.seed)
    images, digits = tensors(read_records(data_dir))
    model = DigitNetwork()
    _fit(model, TensorDataset(images, digits), chosen, Checkpoints(data_dir, hyperparameters))
    torch.save(model.state_dict(), model_dir / WEIGHTS)


def evaluate(predict: Predict, records: Sequence[Record]) -> dict[str, Any]:
    """Accuracy, overall and by digit, and the mean probability that the answers gave to the truth."""
    answers = predict([record["request"] for record in records])
    truth = np.array([record["label"]["digit"] for record in records])
    correct = np.array([answer["digit"] for answer in answers]) == truth
    given = [answer["probabilities"][digit] for answer, digit in zip(answers, truth, strict=True)]
    return {
        "accuracy": float(np.mean(correct)),
        "probability_of_truth": float(np.mean(given)),
        "slices": {
            f"digit={digit}": {"accuracy": float(np.mean(correct[truth == digit]))} for digit in np.unique(truth)
        },
    }


def tensors(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """Images [n, 8, 8] and digits [n]. Training data holds images as numbers, never as PNG."""
    images = torch.tensor([record["request"]["image"] for record in records], dtype=torch.float32)
    return images, torch.tensor([record["label"]["digit"] for record in records])


def _fit(model: DigitNetwork, dataset: TensorDataset, chosen: Hyperparameters, checkpoints: Checkpoints) -> None:
    loader = DataLoader(dataset, batch_size=chosen.batch_size, shuffle=True)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=chosen.learning_rate, total_steps=chosen.epochs * len(loader)
    )
    for _ in checkpoints.rounds(chosen.epochs, model=model, optimizer=optimizer, schedule=schedule):
        for images, digits in loader:
            inputs, targets = _with_blanks(_shifted(images), digits, share=chosen.blank_share)
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()
            optimizer.step()
            schedule.step()


def _shifted(images: Tensor) -> Tensor:
    """The batch [n, 8, 8], moved by up to one pixel in both directions; paper moves in at the edge."""
    top, left = torch.randint(0, 3, (2,)).tolist()
    return nn.functional.pad(images, (1, 1, 1, 1))[:, top : top + 8, left : left + 8]


def _with_blanks(images: Tensor, digits: Tensor, *, share: float) -> tuple[Tensor, Tensor]:
    """Adds evenly grey images whose target is every digit alike: without a digit the network has to be unsure."""
    targets = nn.functional.one_hot(digits, DIGITS).float()
    count = max(1, round(len(images) * share))
    blanks = (INK * torch.rand(count, 1, 1) * (torch.rand(count, 1, 1) < 0.5)).expand(count, *images.shape[1:])
    return torch.cat([images, blanks]), torch.cat([targets, torch.full((count, DIGITS), 1.0 / DIGITS)])
