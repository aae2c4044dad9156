"""Finds an hour's labels and the captured predictions that they are for. The monitor judges with it, and the retraining
loop makes records of it. It reads only: which labels count, and what becomes of a pair, is the caller's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from functions.monitor.captures import Capture, Unreadable, read_captures
from functions.monitor.folding import fetched
from functions.monitor.label_lines import Label, order_of, read_labels
from functions.monitor.listing import hour_of, start_of
from functions.monitor.objects import Bucket, list_objects
from functions.shared import layout

HOUR = timedelta(hours=1)

_OWN_ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$")
"""The gateway names a captured file by its one inference id; SageMaker's own names hold an id of another version."""


class Source(NamedTuple):
    """One object that was listed, or read."""

    key: str
    etag: str
    size_bytes: int


class HourLabels(NamedTuple):
    """What the files of one hour hold: labels in the files' order, and by its key what of a file is none."""

    labels: list[Label]
    unreadable: dict[str, list[Unreadable]]


class Pair(NamedTuple):
    """One row of a prediction, and the newest label that it got."""

    capture: Capture
    row: int
    label: Label

    @property
    def key(self) -> str:
        """Of the row, as nothing else has it."""
        return f"{self.capture.inference_id}/{self.row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Labels and captures of one endpoint's main variant."""

    s3: Any
    bucket_name: str
    endpoint: str

    def list_labels(self, *, since: str = "") -> dict[str, list[Source]]:
        """Files of labels by the hour of their predictions, from the hour `since` on."""
        files: dict[str, list[Source]] = defaultdict(list)
        prefix = layout.labels_prefix(self.endpoint)
        for file in self._list(prefix, start_after=f"{prefix}{since}" if since else ""):
            if hour := hour_of(file.key, prefix=prefix):
                files[hour].append(file)
        return dict(files)

    def labels(self, files: Sequence[Source], *, pool: ThreadPoolExecutor) -> HourLabels:
        """Every label of these files, also those that a newer one replaces."""
        labels: list[Label] = []
        unreadable: dict[str, list[Unreadable]] = {}
        for file, content in fetched(files, pool=pool, get=self._bucket.get):
            contents = read_labels(content)
            labels += contents.labels
            if contents.unreadable:
                unreadable[file.key] = contents.unreadable
        return HourLabels(labels, unreadable)

    def captures(
        self, hour: str, wanted: set[str], *, pool: ThreadPoolExecutor, sources: list[Source] | None = None
    ) -> Iterator[Capture]:
        """The predictions of these ids, each once; their labels are in `hour`. Files that are read join `sources`."""
        missing = set(wanted)
        for moment in _likely_hours(hour):
            files = self._list_captures(moment, missing) if missing else []
            if sources is not None:
                sources += files
            for _, content in fetched(files, pool=pool, get=self._bucket.get):
                for capture in read_captures(content).captures:
                    if capture.inference_id in missing:
                        missing.remove(capture.inference_id)
                        yield capture

    def _list_captures(self, hour: str, wanted: set[str]) -> list[Source]:
        prefix = f"{layout.captures_prefix(self.endpoint, layout.VARIANT)}{hour}/"
        return [file for file in self._list(prefix) if _may_hold(file.key, wanted)]

    def _list(self, prefix: str, *, start_after: str = "") -> Iterator[Source]:
        for found in list_objects(self.s3, bucket=self.bucket_name, prefix=prefix, start_after=start_after):
            yield Source(found["Key"], found.get("ETag", ""), found["Size"])

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.s3, self.bucket_name)


def pair(labels: Mapping[tuple[str, int | None], Label], captures: Mapping[str, Capture]) -> tuple[list[Pair], int]:
    """Each labelled row that was captured, in the order of their ids, and how many labels have none.

    A label without a row is the one row's; of a request with several rows nobody knows which was meant.
    """
    found: dict[tuple[str, int], Label] = {}
    unmatched = 0
    for (inference_id, row), label in labels.items():
        rows = captures[inference_id].rows if inference_id in captures else ()
        if (row is None and len(rows) > 1) or (row or 0) >= len(rows):
            unmatched += 1
            continue
        place = (inference_id, row or 0)
        if place not in found or order_of(label) > order_of(found[place]):
            found[place] = label
    pairs = [Pair(captures[inference_id], row, label) for (inference_id, row), label in sorted(found.items())]
    return pairs, unmatched


def _likely_hours(hour: str) -> list[str]:
    """Where a prediction of this hour was captured: a file may be begun later, and clocks differ."""
    moment = start_of(hour)
    return [hour, layout.hour_path(moment + HOUR), layout.hour_path(moment - HOUR)]


def _may_hold(key: str, wanted: set[str]) -> bool:
    """Whether a captured file may hold one of these predictions."""
    found = _OWN_ID.search(key)
    return found is None or found[1] in wanted
