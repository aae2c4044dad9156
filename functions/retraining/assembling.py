"""Makes the data of one run: what the package came with, and what was captured and labelled since, split so that the
holdout is later than everything that is trained on, and holds nothing of it (docs/decisions/retraining-data.md).

The manifest is written last: a run that has one has its data, and is not assembled again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.monitor.joining import Source
from functions.monitor.objects import SCHEME, Bucket
from functions.retraining.base_data import MAXIMUM_BYTES, BaseData, read_base_data, sources_digest
from functions.retraining.labelled import LabelledCaptures, LabelledRow, LabelReader
from functions.retraining.reference import run_of
from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from model_packages.contract import PackageConfig
from model_packages.interface import Interface

FORMAT = 1
"""Of manifest.json."""
MANIFEST = "manifest.json"
BASE, CAPTURED, HOLDOUT = "training/base.jsonl.gz", "training/captured.jsonl.gz", "holdout/records.jsonl.gz"
AGAIN = "training/captured-again.jsonl.gz"
"""The captured rows so many times more as `captured_weight` says."""
ORIGINS = "origins.jsonl.gz"
"""Of each captured row, those of the training and then those of the holdout: which prediction it is of, who asked and
what the champion answered. No job reads it.
"""
LEAST_HOLDOUT_ROWS = 20
"""With fewer labelled captures no gain could be told from chance: the base holdout is used."""
IN_TRAINING, IN_BASE_HOLDOUT = "repeats-a-request-in-training", "repeats-a-request-in-the-base-holdout"
_GZIP_LEVEL, _GZIP_WINDOW = 6, 31  # 31 is zlib's word for: a gzip header (without a time), and its largest window


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The captured rows of either side, oldest first."""

    training: Sequence[LabelledRow]
    holdout: Sequence[LabelledRow]
    """Empty where the base holdout is used."""
    split: datetime | None
    """The holdout begins here; None where the base holdout is used."""
    why: str
    """Why the base holdout is used; empty where it is not."""
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """What the manifest says of a file."""

    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """The step `assemble`. `maximum_base_bytes` is what the function's memory can hold of base data."""

    s3: Any
    settings: RetrainingSettings
    config: PackageConfig
    interface: Interface
    maximum_base_bytes: int = MAXIMUM_BYTES

    def assemble(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Where the data lies and how many rows it has. Called again, the same answer.

        Raises: OperatorError where the base data cannot be read, or is too large.
        """
        written = self._artifacts.find(self._run_prefix(event) + MANIFEST)
        if written is not None:
            answer: dict[str, Any] = json.loads(written)["data"]
            return answer
        manifest = self._assemble(event)
        content = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        self._artifacts.put(self._run_prefix(event) + MANIFEST, content.encode())
        return {**manifest["data"]}

    def _assemble(self, event: Mapping[str, Any]) -> dict[str, Any]:
        base = self._read_base()
        captured = self._reader.read(now=datetime.fromisoformat(event["now"]))
        parts = divide(
            base,
            captured.rows,
            fraction=self.config.retraining.holdout_fraction,
            after=self._trained_until(event),
            since=_asked_since(event),
        )
        files = self._write(layout.dataset_prefix(self.settings.endpoint_name, event["run"]), base, parts)
        return {
            "format": FORMAT,
            "package": self.settings.package,
            "schema_hash": self.interface.schema_hash,
            **{name: event.get(name) for name in ("run", "execution", "now", "trigger", "champion")},
            "data": self._answer(event, files),
            "files": {name: asdict(each) for name, each in files.items()},
            "holdout": {
                "of": "captured" if parts.split else "base",
                "why": parts.why,
                "since": parts.split and parts.split.isoformat(),
            },
            "captured": _described(captured, parts),
            "sources": self._sources(base, captured),
        }

    def _read_base(self) -> BaseData:
        return read_base_data(
            self.settings.base_data_uri,
            s3=self.s3,
            training=self.config.training,
            maximum_bytes=self.maximum_base_bytes,
        )

    @property
    def _reader(self) -> LabelReader:
        return LabelReader(
            s3=self.s3,
            bucket_name=self.settings.captures_bucket,
            endpoint=self.settings.endpoint_name,
            interface=self.interface,
            maximum_rows=self.config.retraining.maximum_captured_rows,
        )

    def _trained_until(self, event: Mapping[str, Any]) -> datetime | None:
        """When the champion's own holdout began: it has seen what was captured before."""
        run = run_of(event.get("champion"), self.settings)
        content = self._artifacts.find(self._run_prefix({"run": run}) + MANIFEST) if run else None
        until = json.loads(content)["captured"]["trained_until"] if content else None
        return datetime.fromisoformat(until) if until else None

    def _write(self, prefix: str, base: BaseData, parts: Parts) -> dict[str, WrittenFile]:
        held_out = parts.holdout if parts.split else base.holdout
        contents: dict[str, Sequence[bytes]] = {
            BASE: [record.line for record in base.training],
            CAPTURED: [row.line for row in parts.training],
            AGAIN: [row.line for row in parts.training] * (self.config.retraining.captured_weight - 1),
            HOLDOUT: [record.line for record in held_out],
            ORIGINS: [row.origin for row in (*parts.training, *parts.holdout)],
        }
        return {name: self._write_file(prefix + name, lines) for name, lines in contents.items()}

    def _write_file(self, key: str, lines: Sequence[bytes]) -> WrittenFile:
        """Also a file without a line: what an attempt before has left there must not stay."""
        content = compressed(lines)
        Bucket(self.s3, self.settings.captures_bucket).put(key, content)
        return WrittenFile(rows=len(lines), size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    def _answer(self, event: Mapping[str, Any], files: Mapping[str, WrittenFile]) -> dict[str, Any]:
        data = layout.dataset_prefix(self.settings.endpoint_name, event["run"])
        captures = f"{SCHEME}{self.settings.captures_bucket}/{data}"
        artifacts = f"{SCHEME}{self.settings.artifacts_bucket}/"
        run = artifacts + self._run_prefix(event)
        return {
            "training_uri": f"{captures}training/",
            "holdout_uri": f"{captures}holdout/",
            "checkpoints_uri": f"{captures}checkpoints/",
            "manifest_uri": run + MANIFEST,
            "output_uri": run,
            "evaluation_uri": artifacts + layout.evaluation_prefix(self.settings.aws_name, event["run"]),
            "rows": {
                "base": files[BASE].rows,
                "captured": files[CAPTURED].rows,
                "training": files[BASE].rows + files[CAPTURED].rows,
                "holdout": files[HOLDOUT].rows,
            },
        }

    def _sources(self, base: BaseData, captured: LabelledCaptures) -> dict[str, Any]:
        training = self.config.training
        split = {"holdout": training.holdout, "fraction": training.holdout_fraction, "seed": training.seed}
        return {
            "base": {
                "uri": self.settings.base_data_uri,
                "objects": [source._asdict() for source in base.sources],
                "split": split,
            },
            "labels": _summed(captured.labels),
            "captures": _summed(captured.captures),
        }

    def _run_prefix(self, event: Mapping[str, Any]) -> str:
        return layout.run_prefix(self.settings.aws_name, event["run"])

    @property
    def _artifacts(self) -> Bucket:
        return Bucket(self.s3, self.settings.artifacts_bucket)


def divide(
    base: BaseData,
    rows: Sequence[LabelledRow],
    *,
    fraction: float,
    after: datetime | None = None,
    since: datetime | None = None,
) -> Parts:
    """Splits captured rows, which are in the order of their time: the latest `fraction` are held out; of those from
    `since` on, where that is given: a change is learnt and judged by what came after it.

    All rows of a moment, and so of a prediction, are on one side. Nothing is held out that was predicted before
    `after`. A request that is in training is not held out too, and one of the base holdout is never trained on, unless
    requests repeat by nature.
    """
    split = _moment_of_split(rows, fraction=fraction, after=after, since=since)
    earlier = [row for row in rows if split is None or row.time < split]
    later = [row for row in rows if split is not None and row.time >= split]
    unique = not base.repeats_by_nature
    training = _without(earlier, {record.digest for record in base.holdout} if unique else set())
    known = {record.digest for record in base.training} | {row.digest for row in training}
    holdout = _without(later, known if unique else set())
    if split is not None and len(holdout) >= LEAST_HOLDOUT_ROWS:
        counts = {IN_BASE_HOLDOUT: len(earlier) - len(training), IN_TRAINING: len(later) - len(holdout)}
        return Parts(training=training, holdout=holdout, split=split, why="", left_out=_positive(counts))
    everything = _without(rows, {record.digest for record in base.holdout} if unique else set())
    why = (
        f"found {len(holdout)} labelled captures that could be held out of {len(rows)}; allowed: {LEAST_HOLDOUT_ROWS} "
        "or more"
    )
    left_out = _positive({IN_BASE_HOLDOUT: len(rows) - len(everything)})
    return Parts(training=everything, holdout=(), split=None, why=why, left_out=left_out)


def _asked_since(event: Mapping[str, Any]) -> datetime | None:
    """When an alarm first asked for this run; None where none did."""
    since = (event.get("trigger") or {}).get("since")
    return datetime.fromisoformat(since) if since else None


def compressed(lines: Iterable[bytes]) -> bytes:
    """A gzip file; the same lines give the same bytes."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return b"".join([*map(packer.compress, lines), packer.flush()])


def _moment_of_split(
    rows: Sequence[LabelledRow], *, fraction: float, after: datetime | None, since: datetime | None
) -> datetime | None:
    """None where there is nothing to hold out."""
    recent = rows if since is None else [row for row in rows if row.time >= since]
    count = round(len(recent) * fraction)
    if not count:
        return None
    moment = recent[-count].time
    return moment if after is None else max(moment, after)


def _without(rows: Sequence[LabelledRow], digests: set[int]) -> list[LabelledRow]:
    return [row for row in rows if row.digest not in digests]


def _described(captured: LabelledCaptures, parts: Parts) -> dict[str, Any]:
    rows, trained = captured.rows, parts.training
    until = parts.split or (trained[-1].time + timedelta(milliseconds=1) if trained else None)
    return {
        "rows": len(rows),
        "predictions": len({row.prediction for row in rows}),
        "training": len(parts.training),
        "holdout": len(parts.holdout),
        "first": rows[0].time.isoformat() if rows else None,
        "last": rows[-1].time.isoformat() if rows else None,
        "trained_until": until.isoformat() if until else None,
        "limited_by": captured.limited_by,
        "left_out": {**captured.left_out, **parts.left_out},
    }


def _summed(sources: Sequence[Source]) -> dict[str, Any]:
    """Of many small files, their number and one hash."""
    size_bytes = sum(source.size_bytes for source in sources)
    return {"files": len(sources), "size_bytes": size_bytes, "sha256": sources_digest(sources)}


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}
