"""From one payment to the network's tensors, and from its score to a decision. Training uses the same `input_fn`."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .network import CATEGORIES, TEXT_BUCKETS, FraudNetwork

WEIGHTS = "payments.pt"


def model_fn(model_dir: Path) -> FraudNetwork:
    """The network that train() saved in `model_dir`."""
    model = FraudNetwork()
    model.load_state_dict(torch.load(model_dir / WEIGHTS, map_location="cpu", weights_only=True))
    return model.eval()


def input_fn(request: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """One payment as numbers [6], categories [3] (0 where missing) and text [256]."""
    return {
        "numbers": _numbers(request),
        "categories": np.array([_code(name, request.get(name)) for name in CATEGORIES], dtype=np.int64),
        "text": _trigrams(request["descriptor"]),
    }


def predict_fn(batch: dict[str, Tensor], model: FraudNetwork) -> dict[str, Tensor]:
    """Probability [n] and decision [n], the index of its category."""
    probability = torch.sigmoid(model(batch["numbers"], batch["categories"], batch["text"]))
    return {"fraud_probability": probability, "decision": (probability >= model.review_threshold).long()}


def _numbers(request: Mapping[str, Any]) -> NDArray[np.float32]:
    since_last = request.get("seconds_since_last_payment")
    return np.array(
        [
            math.log1p(request["amount"]),
            math.log1p(request["account_age_days"]),
            math.log1p(request["payments_last_day"]),
            math.log1p(since_last or 0.0),
            since_last is None,
            request["new_device"],
        ],
        dtype=np.float32,
    )


def _code(name: str, value: str | None) -> int:
    return 0 if value is None else 1 + CATEGORIES[name].index(value)


def _trigrams(text: str) -> NDArray[np.float32]:
    """Which groups of three characters occur, hashed into buckets. Case and the digits themselves do not matter.

    CRC-32 and not `hash()`: Python salts that one anew in every process.
    """
    present = np.zeros(TEXT_BUCKETS, dtype=np.float32)
    normal = f" {re.sub('[0-9]', '0', text.upper())} "
    for start in range(len(normal) - 2):
        present[zlib.crc32(normal[start : start + 3].encode()) % TEXT_BUCKETS] = 1.0
    return present
