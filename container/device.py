"""Which device computes, in which precision, with how many threads."""

from __future__ import annotations

import os
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]


def pick_device() -> torch.device:
    """The first CUDA device, or the CPU where there is none."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def autocast_dtype(precision: Precision, *, device_type: str, has_bfloat16: bool) -> torch.dtype | None:
    """What a forward pass is cast to, or None for plain float32.

    A CPU always computes in float32: half precision is slower there, and a laptop has to answer what the tests expect.
    """
    if device_type != "cuda" or precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16 if has_bfloat16 else None
    return torch.float16


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 itself; a T4 only emulates it."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def set_serving_threads() -> None:
    """Leaves one core to the event loop. Call it once, before the first forward pass."""
    torch.set_num_threads(max(1, _cores() - 1))
    torch.set_num_interop_threads(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
