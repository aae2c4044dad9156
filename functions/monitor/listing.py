"""Finds the captured files that were not read yet. S3 lists keys in order, and the keys begin with the hour, so that
one listing from an hour on is all it takes. Nothing is read and nothing is remembered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.monitor.objects import S3Lister, list_objects
from functions.monitor.seen import Seen
from functions.shared import layout

LATE_WATCH = timedelta(hours=24)
"""For this long beyond `late_minutes`, a file that comes is still found, counted as late and kept."""

_HOUR = re.compile(r"\d{4}/\d{2}/\d{2}/\d{2}(?=/)")


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


def list_new(s3: S3Lister, *, bucket: str, endpoint: str, seen: Seen, watermark: datetime, late: timedelta) -> Listing:
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


def hour_of(key: str, *, prefix: str) -> str | None:
    """The yyyy/mm/dd/hh that follows the prefix in a key; None where a person put something else there."""
    found = _HOUR.match(key, len(prefix))
    return found[0] if found else None


def start_of(hour: str) -> datetime:
    """The moment at which an hour like 2026/02/14/17 begins, in UTC."""
    return datetime.strptime(hour, "%Y/%m/%d/%H").replace(tzinfo=UTC)


def _files_since(s3: S3Lister, *, bucket: str, prefix: str, hour: str) -> Iterator[CapturedFile]:
    for found in list_objects(s3, bucket=bucket, prefix=prefix, start_after=f"{prefix}{hour}"):
        own_hour = hour_of(found["Key"], prefix=prefix)
        if own_hour and found["Size"]:  # SageMaker marks a prefix with an empty object
            yield CapturedFile(key=found["Key"], hour=own_hour, size_bytes=found["Size"])
