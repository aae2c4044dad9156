"""What the monitor knows between runs: one object, replaced by compare-and-swap, so that a run counts whole or not at
all (docs/decisions/monitor-state.md). How it is kept, and not what it means.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

import orjson
from botocore.exceptions import ClientError

from functions.monitor.folding import KeptRow, Reading
from functions.monitor.listing import CapturedFile
from functions.monitor.objects import S3Objects, is_absent, is_lost
from functions.monitor.publishing import Measurement
from functions.monitor.seen import Seen
from functions.shared import layout
from model_packages.errors import OperatorError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A window that a processing job folds. Nothing else is read until it is done."""

    job: str
    files: tuple[CapturedFile, ...]
    late: tuple[CapturedFile, ...]
    listed: datetime
    """The watermark when it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What a run decided and may not have told yet. Telling it twice does no harm."""

    documents: Mapping[str, str] = field(default_factory=dict)
    """Texts by their keys in the bucket."""
    latest: Mapping[str, Any] | None = None
    """What latest.json is to say, where a window was closed."""
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Replaced as a whole. `tally` and `reading` are of the window that is open."""

    watermark: datetime
    """When the last run looked."""
    opened: datetime
    """When the window before this one was closed."""
    covered: datetime
    """Up to here, captured records were compared with answered requests."""
    sequence: int = 0
    """Windows closed so far."""
    version: str = ""
    """The champion whose baseline the tally's cells are; empty before the first run has read it."""
    set_aside: int = 0
    """Rows that were too few for a window when another version became champion."""
    reading: Reading = field(default_factory=Reading)
    tally: bytes | None = None
    examples: tuple[KeptRow, ...] = ()
    by_hour: Mapping[str, int] = field(default_factory=dict)
    """Captured records by hour, as far as they are not covered yet."""
    detectors: Mapping[str, Any] = field(default_factory=dict)
    """The sequential tests on what goes in and out, as decision.py writes them."""
    labels: Mapping[str, Any] | None = None
    """What labels.py remembers; None before the first look."""
    history: tuple[Mapping[str, Any], ...] = ()
    bytes_per_row: float = 0.0
    """Of the files that were read last; 0 before there were any."""
    seen: Seen = field(default_factory=Seen)
    pending: Pending | None = None
    outbox: Outbox | None = None

    def to_bytes(self) -> bytes:
        """JSON; what people do not read is at its end."""
        document = {
            "format": FORMAT,
            "version": self.version,
            "sequence": self.sequence,
            "watermark": self.watermark.isoformat(),
            "opened": self.opened.isoformat(),
            "covered": self.covered.isoformat(),
            "set_aside": self.set_aside,
            "bytes_per_row": self.bytes_per_row,
            "reading": self.reading.to_json(),
            "by_hour": dict(self.by_hour),
            "pending": self.pending,
            "detectors": dict(self.detectors),
            "labels": self.labels,
            "history": list(self.history),
            "outbox": self.outbox,
            "examples": list(self.examples),
            "tally": None if self.tally is None else base64.b64encode(zlib.compress(self.tally)).decode(),
            "seen": self.seen.to_json(),
        }
        return orjson.dumps(document)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises: OperatorError for a state of another format."""
        parts = orjson.loads(content)
        if (found := parts.pop("format", None)) != FORMAT:
            raise OperatorError(
                f"the monitor's state has the format {found!r}; allowed: {FORMAT}; deploy the release that wrote it, "
                "or remove the state so that the monitor starts anew"
            )
        moments = {name: datetime.fromisoformat(parts[name]) for name in ("watermark", "opened", "covered")}
        return cls(
            **{
                **parts,
                **moments,
                "reading": Reading.from_json(parts["reading"]),
                "pending": _pending(parts["pending"]),
                "history": tuple(parts["history"]),
                "outbox": _outbox(parts["outbox"]),
                "examples": tuple(KeptRow(**row) for row in parts["examples"]),
                "tally": None if parts["tally"] is None else zlib.decompress(base64.b64decode(parts["tally"])),
                "seen": Seen.from_json(parts["seen"]),
            }
        )


class LostRace(Exception):
    """Another run has replaced the state meanwhile: whatever this one did counts for nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A state, and the ETag that it can be replaced by."""

    state: State
    etag: str

    def but(self, **changes: Any) -> Stored:
        """With another state, to be committed in place of this one."""
        return Stored(replace(self.state, **changes), self.etag)


@dataclass(frozen=True, slots=True)
class StateStore:
    """state.json of one endpoint."""

    s3: S3Objects
    bucket: str
    endpoint: str

    def read(self) -> Stored | None:
        """The state as it is now; None before the first."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=layout.state_key(self.endpoint))
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return Stored(State.from_bytes(found["Body"].read()), found["ETag"])

    def create(self, state: State) -> Stored:
        """Raises: LostRace if there is a state."""
        return self._put(state, IfNoneMatch="*")

    def commit(self, stored: Stored) -> Stored:
        """Puts a state in the place of the one that it was made from. Raises: LostRace."""
        return self._put(stored.state, IfMatch=stored.etag)

    def _put(self, state: State, **condition: str) -> Stored:
        try:
            answer = self.s3.put_object(
                Bucket=self.bucket,
                Key=layout.state_key(self.endpoint),
                Body=state.to_bytes(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if is_lost(error) or is_absent(error):
                raise LostRace from error
            raise
        return Stored(state, answer["ETag"])


def _pending(content: Mapping[str, Any] | None) -> Pending | None:
    if content is None:
        return None
    files, late = (tuple(CapturedFile(**file) for file in content[name]) for name in ("files", "late"))
    return Pending(job=content["job"], files=files, late=late, listed=datetime.fromisoformat(content["listed"]))


def _outbox(content: Mapping[str, Any] | None) -> Outbox | None:
    if content is None:
        return None
    measurements = tuple(Measurement.from_json(item) for item in content["measurements"])
    return Outbox(**{**content, "measurements": measurements})
