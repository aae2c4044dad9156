"""Trains the fraud network with weighted classes, and measures a version the way its callers see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from model_packages.checkpoints import Checkpoints
from model_packages.dataset import Record, read_records
from model_packages.interface import Predict

from .inference import WEIGHTS, input_fn
from .metrics import average_precision, negative_log_loss, roc_auc
from .network import FraudNetwork
from .schema import Channel

NEW_ACCOUNT_DAYS = 90
MINIMUM_FRAUDS_IN_A_SLICE = 10
"""A slice with fewer is left out: its score would be noise."""


class Hyperparameters(BaseModel):
    """What package.toml may set under [training.hyperparameters]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    epochs: int = 8
    batch_size: int = 256
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    fraud_weight: float = 10.0
    review_share: float = 0.04


def train(data_dir: Path, model_dir: Path, hyperparameters: Mapping[str, Any]) -> None:
    """Fits the network to every record in `data_dir` and saves it in `model_dir`."""
    chosen = Hyperparameters.model_validate(hyperparameters)
    torch.manual_seed(chosen.seed)
    records = read_records(data_dir)
    inputs, fraud = tensors(records)
    model = FraudNetwork()
    _standardise(model, inputs[0])
    _fit(model, TensorDataset(*inputs, fraud), chosen, Checkpoints(data_dir, hyperparameters))
    _calibrate(model, inputs, chosen)
    torch.save(model.state_dict(), model_dir / WEIGHTS)


def evaluate(predict: Predict, records: Sequence[Record]) -> dict[str, Any]:
    """How well the scores rank and how likely they make the truth, overall and by slice, and what reviewing by the
    decision would catch.
    """
    answers = predict([record["request"] for record in records])
    fraud = np.array([record["label"]["fraud"] for record in records])
    score = np.array([answer["fraud_probability"] for answer in answers])
    reviewed = np.array([answer["decision"] == "review" for answer in answers])
    return {
        "average_precision": average_precision(fraud, score),
        "roc_auc": roc_auc(fraud, score),
        "negative_log_loss": negative_log_loss(fraud, score),
        "fraud_reviewed": float(reviewed[fraud].mean()),
        "share_reviewed": float(reviewed.mean()),
        "slices": {
            name: {
                "average_precision": average_precision(fraud[rows], score[rows]),
                "negative_log_loss": negative_log_loss(fraud[rows], score[rows]),
            }
            for name, rows in _slices(records).items()
            if fraud[rows].sum() >= MINIMUM_FRAUDS_IN_A_SLICE
        },
    }


def _slices(records: Sequence[Record]) -> dict[str, NDArray[np.bool_]]:
    channel = np.array([record["request"]["channel"] for record in records])
    new = np.array([record["request"]["account_age_days"] < NEW_ACCOUNT_DAYS for record in records])
    return {f"channel={name}": channel == name for name in get_args(Channel)} | {
        "account=new": new,
        "account=established": ~new,
    }


def tensors(records: Sequence[Record]) -> tuple[list[Tensor], Tensor]:
    """The network's inputs, each with a leading axis of records, and 1.0 for each fraud [n]."""
    rows = [input_fn(record["request"]) for record in records]
    inputs = [torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]]
    return inputs, torch.tensor([float(record["label"]["fraud"]) for record in records])


def _standardise(model: FraudNetwork, numbers: Tensor) -> None:
    model.mean.copy_(numbers.mean(dim=0))
    model.deviation.copy_(numbers.std(dim=0).clamp_min(1e-6))


def _fit(model: FraudNetwork, dataset: TensorDataset, chosen: Hyperparameters, checkpoints: Checkpoints) -> None:
    loss_fn = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(chosen.fraud_weight))
    loader = _loader(dataset, chosen)
    network = DistributedDataParallel(model) if _is_one_of_several() else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=chosen.learning_rate, total_steps=chosen.epochs * len(loader)
    )
    for epoch in checkpoints.rounds(chosen.epochs, model=model, optimizer=optimizer, schedule=schedule):
        if isinstance(loader.sampler, DistributedSampler):
            loader.sampler.set_epoch(epoch)
        for *inputs, fraud in loader:
            optimizer.zero_grad()
            loss_fn(network(*inputs), fraud).backward()
            optimizer.step()
            schedule.step()


def _loader(dataset: TensorDataset, chosen: Hyperparameters) -> DataLoader[tuple[Tensor, ...]]:
    """Batches of every record, in another order each epoch; of this process's share where several train together."""
    if not _is_one_of_several():
        return DataLoader(dataset, batch_size=chosen.batch_size, shuffle=True)
    batch_size = max(1, chosen.batch_size // distributed.get_world_size())
    return DataLoader(dataset, batch_size=batch_size, sampler=DistributedSampler(dataset, seed=chosen.seed))


def _is_one_of_several() -> bool:
    return distributed.is_available() and distributed.is_initialized()


@torch.no_grad()
def _calibrate(model: FraudNetwork, inputs: list[Tensor], chosen: Hyperparameters) -> None:
    """Takes the class weight back out of the score, and sets the threshold that sends `review_share` to review."""
    model.score.bias.sub_(math.log(chosen.fraud_weight))
    probability = torch.sigmoid(model(*inputs))
    model.review_threshold.copy_(torch.quantile(probability, 1.0 - chosen.review_share))
