"""What a processing job is asked, written down: order.json, and beside it the baseline that it counts on.

The job runs without most of what the function has installed: nothing here needs more than NumPy.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import numpy as np

from functions.monitor.folding import Block, Order
from functions.monitor.listing import CapturedFile

ORDER_FILE, BASELINE_FILE, FOLDED_FILE = "order.json", "baseline.json", "folded.bin"


def write_order(order: Order, *, endpoint: str) -> bytes:
    """The content of order.json."""
    content = {
        "endpoint": endpoint,
        "block": order.block,
        "block_minutes": order.block_minutes,
        "files": [asdict(file) for file in order.files],
        "late": [asdict(file) for file in order.late],
        "known": base64.b64encode(order.known.tobytes()).decode(),
    }
    return json.dumps(content).encode()


def read_order(text: str | bytes) -> tuple[str, Order]:
    """The endpoint's name and the order."""
    content = json.loads(text)
    block: Block = content["block"]
    order = Order(
        files=tuple(CapturedFile(**file) for file in content["files"]),
        late=tuple(CapturedFile(**file) for file in content["late"]),
        known=np.frombuffer(base64.b64decode(content["known"]), dtype="<u8"),
        block=block,
        block_minutes=content["block_minutes"],
    )
    return content["endpoint"], order
