"""Remembers which files and which records were read, so that none counts twice: as digests, for as long as late ones
may come. Pure; the monitor's state holds it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Digests = NDArray[np.uint64]

FILE_DIGEST_BYTES = 16
"""Two files that are taken for one would lose records: 128 bits."""
RECORD_DIGEST_BYTES = 8
"""Among a million records the chance that any two are taken for one is 3 in 100 million."""
MAXIMUM_FILES = 500_000
"""Beyond this, hours in which nothing but late files may come are forgotten, the oldest first."""
MAXIMUM_RECORDS = 2_000_000
"""Digests, one or two a record. Beyond this the oldest hours are forgotten: a duplicate of theirs would count."""


def file_digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=FILE_DIGEST_BYTES).digest()


def record_digests(identifiers: Iterable[str]) -> Digests:
    """uint64[n]: one for each identifier. An empty one is 0, which is nobody's."""
    joined = b"".join(
        hashlib.blake2b(text.encode(), digest_size=RECORD_DIGEST_BYTES).digest() if text else b"\0" * 8
        for text in identifiers
    )
    return np.frombuffer(joined, dtype="<u8")


@dataclass(frozen=True, slots=True)
class Seen:
    """By the hour of the file (yyyy/mm/dd/hh): digests of files and of records."""

    files: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    records: Mapping[str, Digests] = field(default_factory=dict)
    files_since: str = ""
    """Files of earlier hours are forgotten, and must not be taken for new."""

    def has_file(self, key: str, *, hour: str) -> bool:
        return file_digest(key) in self.files.get(hour, ())

    def all_records(self) -> Digests:
        """uint64[n], sorted."""
        return np.sort(np.concatenate([np.empty(0, dtype="<u8"), *self.records.values()]))

    def with_files(self, keys_by_hour: Mapping[str, Iterable[str]]) -> Seen:
        added = {hour: frozenset(map(file_digest, keys)) for hour, keys in keys_by_hour.items()}
        merged = {hour: self.files.get(hour, frozenset()) | digests for hour, digests in added.items()}
        return Seen(files={**self.files, **merged}, records=self.records, files_since=self.files_since)

    def with_records(self, digests_by_hour: Mapping[str, Digests]) -> Seen:
        merged = {
            hour: np.concatenate([self.records.get(hour, np.empty(0, dtype="<u8")), digests])
            for hour, digests in digests_by_hour.items()
        }
        return Seen(files=self.files, records={**self.records, **merged}, files_since=self.files_since)

    def since(
        self,
        *,
        files_hour: str,
        records_hour: str,
        maximum_files: int = MAXIMUM_FILES,
        maximum_records: int = MAXIMUM_RECORDS,
    ) -> Seen:
        """Without files before `files_hour` and records before `records_hour`, and within both maxima."""
        files = {hour: digests for hour, digests in self.files.items() if hour >= files_hour}
        records = {hour: digests for hour, digests in self.records.items() if hour >= records_hour}
        since = max(self.files_since, files_hour)
        while sum(map(len, files.values())) > maximum_files and min(files) < records_hour:
            del files[min(files)]
            since = min(files)
        while sum(map(len, records.values())) > maximum_records and len(records) > 1:
            del records[min(records)]
        return Seen(files=files, records=records, files_since=since)

    def to_json(self) -> dict[str, Any]:
        files = {hour: _text_of(b"".join(sorted(digests))) for hour, digests in sorted(self.files.items())}
        records = {hour: _text_of(digests.tobytes()) for hour, digests in sorted(self.records.items())}
        return {"files_since": self.files_since, "files": files, "records": records}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Seen:
        files = {hour: frozenset(_split(_bytes_of(text))) for hour, text in content["files"].items()}
        records = {hour: np.frombuffer(_bytes_of(text), dtype="<u8") for hour, text in content["records"].items()}
        return cls(files=files, records=records, files_since=content["files_since"])


@dataclass(slots=True)
class KnownDigests:
    """A growing set of digests, as sorted runs of which each is much longer than the next: adding some to many is
    cheap, and so is a look.
    """

    runs: list[Digests]

    def add(self, digests: Digests) -> None:
        self.runs.append(np.sort(digests))
        while len(self.runs) > 1 and len(self.runs[-2]) <= 2 * len(self.runs[-1]):
            last = self.runs.pop()
            merged = np.concatenate([self.runs[-1], last])
            merged.sort(kind="stable")  # which merges what is sorted
            self.runs[-1] = merged

    def has(self, digests: Digests) -> NDArray[np.bool_]:
        """bool[n]: which of them are here."""
        found = np.zeros(len(digests), dtype=bool)
        for run in self.runs:
            found |= are_in(run, digests)
        return found


def first_sightings(identifiers: Sequence[Digests], *, known: KnownDigests) -> NDArray[np.bool_]:
    """bool[kinds, n]: whether an identifier comes for the first time, which a missing one never does.

    Whoever remembers these, and no others, finds the same first comers however the records are split.
    """
    count = len(identifiers[0])
    every, owners = np.concatenate([*identifiers]), np.tile(np.arange(count), len(identifiers))
    order = np.lexsort((owners, every))
    every, owners = every[order], owners[order]
    starts = np.r_[True, every[1:] != every[:-1]] if count else np.empty(0, dtype=bool)
    first = owners[np.maximum.accumulate(np.where(starts, np.arange(len(every)), 0))]
    is_new = np.empty(len(every), dtype=bool)
    is_new[order] = (first == owners) & (every != 0) & ~known.has(every)
    return is_new.reshape(len(identifiers), count)


def first_comers(identifiers: Digests, *, is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[n]: whether a record is the first with each of its identifiers, of which `first_sightings` told those that
    are new. Both are [kinds, n]; 0 stands for none.
    """
    is_first: NDArray[np.bool_] = (is_new | (identifiers == 0)).all(axis=0)
    return is_first


def are_in(known: Digests, digests: Digests) -> NDArray[np.bool_]:
    """bool[n]: whether each is among `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(digests), dtype=bool)
    places = np.minimum(np.searchsorted(known, digests), len(known) - 1)
    found: NDArray[np.bool_] = known[places] == digests
    return found


def _text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes_of(text: str) -> bytes:
    return base64.b64decode(text)


def _split(content: bytes) -> Iterable[bytes]:
    return (content[start : start + FILE_DIGEST_BYTES] for start in range(0, len(content), FILE_DIGEST_BYTES))
