"""Fits the line; hyperparameters make it fail or wait where a test wants that."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from model_packages.linear.inference import WEIGHTS, Line  # type: ignore[import-not-found]

from model_packages.contract import Scalar
from model_packages.dataset import Record, read_records
from model_packages.interface import Predict


def train(data_dir: Path, model_dir: Path, hyperparameters: Mapping[str, Scalar]) -> None:
    if "fail" in hyperparameters:
        raise ValueError(hyperparameters["fail"])
    if "wait" in hyperparameters:
        print("waiting", flush=True)
        threading.Event().wait()
    records = read_records(data_dir)
    x = torch.tensor([record["request"]["x"] for record in records])
    y = torch.tensor([record["label"]["y"] for record in records])
    line = Line()
    optimizer = torch.optim.SGD(line.parameters(), lr=float(hyperparameters.get("rate", 0.5)))
    for _ in range(100):
        optimizer.zero_grad()
        loss = ((line({"x": x, "shift": torch.zeros_like(x)})["y"] - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    torch.save(line.state_dict(), model_dir / WEIGHTS)


def evaluate(predict: Predict, records: Sequence[Record]) -> dict[str, Any]:
    sides = {f"side={side}": [r for r in records if r["request"]["side"] == side] for side in ("left", "right")}
    slices = {name: {"r_squared": _r_squared(predict, members)} for name, members in sides.items() if members}
    return {"r_squared": _r_squared(predict, records), "slices": slices}


def _r_squared(predict: Predict, records: Sequence[Record]) -> float:
    found = torch.tensor([answer["y"] for answer in predict([record["request"] for record in records])])
    truth = torch.tensor([record["label"]["y"] for record in records])
    return float(1 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
