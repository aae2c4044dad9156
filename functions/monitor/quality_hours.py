"""What the labels of one hour's predictions came to, as monitor/<endpoint>/quality/yyyy/mm/dd/hh.json holds it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.intervals import Estimate
from model_packages.profile.quality import Judge, QualityTally


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRecord:
    """Labels joined with predictions. Its tallies add up over hours."""

    hour: str
    """yyyy/mm/dd/hh, of the predictions."""
    labels: int
    """Predictions with a label, each once."""
    repeated: int
    """Labels that a newer one of the same prediction replaced."""
    unreadable: int
    unmatched: int
    """Labels whose prediction was not captured, or that do not say which of several rows they are for."""
    skipped: int
    """Matched, and without a value that can be judged."""
    tally: QualityTally
    digests: NDArray[np.uint64]
    """Of the predictions in the tally, so that the next join knows which are new."""
    losses: NDArray[np.float64]
    """Of the same predictions; not kept."""
    blocks: NDArray[np.int64]
    """Of the same predictions, which of them are one observation together; not kept."""
    metrics: Mapping[str, Estimate]

    def are_new(self, before: HourRecord | None) -> NDArray[np.bool_]:
        """Which predictions had no label before."""
        known = np.empty(0, np.uint64) if before is None else before.digests
        return ~np.isin(self.digests, known)

    def to_json(self, *, judge: Judge) -> str:
        """The same labels and predictions give the same text."""
        names = ("hour", "labels", "repeated", "unreadable", "unmatched", "skipped")
        document = {
            **{name: getattr(self, name) for name in names},
            "rows": self.tally.rows,
            "metrics": {name: asdict(each) for name, each in self.metrics.items()},
            "judged_by": repr(judge),
            "tally": self.tally.to_json(),
            "digests": base64.b64encode(np.sort(self.digests).astype("<u8").tobytes()).decode(),
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, content: str | bytes, *, judge: Judge) -> Self | None:
        """None where predictions were judged in another way: such counts cannot be added to."""
        document: dict[str, Any] = json.loads(content)
        if document.pop("judged_by") != repr(judge):
            return None
        del document["rows"]
        return cls(
            **{
                **document,
                "tally": judge.read(document["tally"]),
                "digests": np.frombuffer(base64.b64decode(document["digests"]), "<u8"),
                "losses": np.empty(0),
                "blocks": np.empty(0, np.int64),
                "metrics": {name: Estimate(**each) for name, each in document["metrics"].items()},
            }
        )
