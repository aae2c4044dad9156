"""Tensors and images of one field as one array, with what is missing, of another shape, or not readable counted.

A PNG is decoded with Pillow where it is installed, as in the image and in the monitor's function; where it is not, PNGs
are counted as unread instead of as something that they are not.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.values import Values, count, is_missing, listed, part

VALUES_AT_ONCE = 1 << 21
"""Rows are taken in groups of about this many values, so that memory is bounded whatever the shape."""


@dataclass(frozen=True, slots=True)
class TensorForm:
    """What one field's tensors are. A PNG's 0..255 maps onto [`low`, `high`]."""

    shape: tuple[int, ...]
    is_image: bool
    low: float
    high: float

    @property
    def size(self) -> int:
        """How many values a tensor has."""
        return int(np.prod(self.shape, dtype=np.int64))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{**document, "shape": tuple(document["shape"])})


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of some rows, float32 [m, size]; `present` [n] says which of n rows have one."""

    array: NDArray[np.float32]
    present: NDArray[np.bool_]
    missing: int
    wrong_type: int
    unread: int


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a row has no tensor: "missing", "wrong_type" or "unread"."""

    kind: str


def groups(values: Values, form: TensorForm) -> Iterator[tuple[slice, Values]]:
    """The rows in groups that fit in memory."""
    step = max(1, VALUES_AT_ONCE // max(form.size, 1))
    for start in range(0, count(values), step):
        end = min(start + step, count(values))
        yield slice(start, end), part(values, start, end)


def tensors(values: Values, form: TensorForm) -> Tensors:
    """Every row's tensor. Raises nothing for what is wrong with a row."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.shape[1:] == form.shape:
        array = values.reshape(len(values), form.size).astype(np.float32)
        present: NDArray[np.bool_] = np.asarray(np.isfinite(array).all(axis=1))
        missing = int(np.count_nonzero(np.isnan(array).all(axis=1)))
        return Tensors(array[present], present, missing, int(np.count_nonzero(~present)) - missing, 0)
    found = [_tensor(value, form) for value in listed(values)]
    good = [value for value in found if not isinstance(value, _Fault)]
    faults = [value.kind for value in found if isinstance(value, _Fault)]
    return Tensors(
        array=np.array(good, dtype=np.float32).reshape(len(good), form.size),
        present=np.array([not isinstance(value, _Fault) for value in found], dtype=np.bool_),
        missing=faults.count("missing"),
        wrong_type=faults.count("wrong_type"),
        unread=faults.count("unread"),
    )


def _tensor(value: Any, form: TensorForm) -> NDArray[np.float32] | _Fault:
    if is_missing(value):
        return _Fault("missing")
    if isinstance(value, str):
        return _png(value, form) if form.is_image else _Fault("wrong_type")
    if not isinstance(value, Sequence | np.ndarray):
        return _Fault("wrong_type")
    return _numbers(value, form)


def _numbers(value: Any, form: TensorForm) -> NDArray[np.float32] | _Fault:
    try:
        array = np.array(value.tolist() if isinstance(value, np.ndarray) and value.dtype == object else value)
    except ValueError:  # lists of unequal length
        return _Fault("wrong_type")
    if array.shape != form.shape or array.dtype.kind not in "biuf":
        return _Fault("wrong_type")
    with np.errstate(over="ignore"):
        flat = array.astype(np.float32).reshape(-1)
    return flat if np.isfinite(flat).all() else _Fault("wrong_type")


def _png(text: str, form: TensorForm) -> NDArray[np.float32] | _Fault:
    """A base64 PNG as the model sees it; see container/tensors.py, which refuses what is counted here."""
    pillow = _pillow()
    if pillow is None:
        return _Fault("unread")
    try:
        content = base64.b64decode(text, validate=True)
        with pillow.open(io.BytesIO(content), formats=("PNG",)) as image:
            samples = np.asarray(image)
    except Exception:  # noqa: BLE001 - on broken files Pillow raises whatever it comes upon: IndexError, SyntaxError, ...
        return _Fault("wrong_type")
    height, width, channels = (*form.shape, 1)[:3]
    expected = {(height, width), (height, width, channels)} if channels == 1 else {(height, width, channels)}
    if samples.shape not in expected or samples.dtype != np.uint8:
        return _Fault("wrong_type")
    return samples.reshape(-1).astype(np.float32) * np.float32((form.high - form.low) / 255.0) + np.float32(form.low)


@cache
def _pillow() -> Any:
    """Pillow's Image module, or None where it is not installed."""
    try:
        from PIL import Image  # noqa: PLC0415 - seven megabytes that only images need
    except ImportError:
        return None
    return Image
