"""Arrays in JSON: lists of whole numbers as they are, anything else as base64 of little-endian bytes, of which a
table's rows of zeros are left out. Not compressed: another version of a library would give other bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(array: NDArray[Any]) -> Any:
    """The array as JSON's values."""
    if array.ndim == 1 and array.dtype.kind == "i":
        return array.tolist()
    rows = np.flatnonzero(array.any(axis=1)) if array.ndim == 2 else None
    kept = array if rows is None else array[rows]
    content = base64.b64encode(kept.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    sparse = {} if rows is None or len(rows) == len(array) else {"rows": rows.tolist()}
    return {"dtype": array.dtype.name, "shape": list(array.shape), **sparse, "base64": content}


def unpacked(document: Any) -> NDArray[Any]:
    """What `packed` packed; lists become int64."""
    if not isinstance(document, Mapping):
        return np.array(document, dtype=np.int64)
    dtype = np.dtype(document["dtype"])
    content = np.frombuffer(base64.b64decode(document["base64"]), dtype=dtype.newbyteorder("<")).astype(dtype)
    shape = document["shape"]
    if "rows" not in document:
        return content.reshape(shape)
    array = np.zeros(shape, dtype=dtype)
    array[document["rows"]] = content.reshape(-1, shape[1])
    return array
