"""Finds the captured files that were not read yet. S3 lists keys in order, and the keys begin with the hour, so that
one listing from an hour on is all it takes. Nothing is read and nothing is remembered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from functions.monitor.seen import Seen
from functions.shared import layout

LATE_WATCH = timedelta(hours=24)
"""For this long beyond `late_minutes`, a file that comes is still found, counted as late and kept."""

_HOUR = re.compile(r"\d{4}/\d{2}/\d{2}/\d{2}(?=/)")


class ObjectLister(Protocol):
    """As much of botocore's S3 client as listing needs."""

    def list_objects_v2(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """One object below captures/. `hour` is the yyyy/mm/dd/hh of its key."""

    key: str
    hour: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What is new: files to read, and files that came too late to be compared."""

    new: tuple[CapturedFile, ...] = ()
    late: tuple[CapturedFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.new)


def horizon_of(moment: datetime, *, late: timedelta) -> str:
    """The first hour whose files are still compared when the last look was at `moment`."""
    return layout.hour_path(moment - late)


def list_new(
    s3: ObjectLister, *, bucket: str, endpoint: str, seen: Seen, watermark: datetime, late: timedelta
) -> Listing:
    """Every file of an hour since `watermark` - `late` that `seen` does not have, in the order of their keys.

    Files that are older, and not older than LATE_WATCH before that, are listed apart.
    """
    horizon = horizon_of(watermark, late=late)
    first = max(horizon_of(watermark - LATE_WATCH, late=late), seen.files_since)
    new: list[CapturedFile] = []
    too_late: list[CapturedFile] = []
    for file in _files_since(s3, bucket=bucket, prefix=layout.captures_prefix(endpoint, layout.VARIANT), hour=first):
        if not seen.has_file(file.key, hour=file.hour):
            (new if file.hour >= horizon else too_late).append(file)
    return Listing(new=tuple(new), late=tuple(too_late))


def start_of(hour: str) -> datetime:
    """The moment at which an hour like 2026/02/14/17 begins, in UTC."""
    return datetime.strptime(hour, "%Y/%m/%d/%H").replace(tzinfo=UTC)


def _files_since(s3: ObjectLister, *, bucket: str, prefix: str, hour: str) -> Iterator[CapturedFile]:
    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "StartAfter": f"{prefix}{hour}"}
    while True:
        page = s3.list_objects_v2(**arguments)
        for found in page.get("Contents", ()):
            key: str = found["Key"]
            # What has no hour in its key was put there by a person; SageMaker marks a prefix with an empty object.
            if (match := _HOUR.match(key, len(prefix))) and found["Size"]:
                yield CapturedFile(key=key, hour=match[0], size_bytes=found["Size"])
        if not page.get("IsTruncated"):
            return
        arguments = {"Bucket": bucket, "Prefix": prefix, "ContinuationToken": page["NextContinuationToken"]}
