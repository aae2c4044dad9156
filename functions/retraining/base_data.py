"""The data that a package came with, read from S3 and split as for its first version: the same records on either side,
in the same order. Lines stay as they are, so that a record takes little more memory than its text.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import orjson

from functions.monitor.joining import Source
from functions.monitor.objects import list_objects, parse_uri
from functions.retraining.labelled import request_digest
from model_packages.contract import Training
from model_packages.dataset import split_positions
from model_packages.errors import OperatorError

SUFFIXES = (".jsonl", ".jsonl.gz")
MAXIMUM_BYTES = 512 << 20
"""Of records as text. With 3 GB of memory the function holds them, what it compresses, and the labelled captures."""
_GZIP_WINDOW = 31  # zlib's word for: a gzip header, and its largest window


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """One record as it was found."""

    line: bytes
    """With its end."""
    digest: int
    """Of its request, as labelled.request_digest has it."""
    time: Any


@dataclass(frozen=True, slots=True)
class BaseData:
    """Both sides of the first version's split, and what they were read from."""

    training: Sequence[BaseRecord]
    holdout: Sequence[BaseRecord]
    sources: tuple[Source, ...]

    @property
    def repeats_by_nature(self) -> bool:
        """Whether most requests of the holdout are in training too, as where a request is a few categories."""
        known = {record.digest for record in self.training}
        return 2 * sum(record.digest in known for record in self.holdout) > len(self.holdout)


def read_base_data(uri: str, *, s3: Any, training: Training, maximum_bytes: int = MAXIMUM_BYTES) -> BaseData:
    """Of a zip with the package's data folder, or of all objects below a prefix.

    Raises: OperatorError for data that cannot be split or read, or that is larger than the function can hold.
    """
    files = _Files(uri, s3=s3, maximum_bytes=maximum_bytes)
    found = [record for name, content in files.contents() for record in _records(name, content)]
    if not found:
        raise OperatorError(f"{uri} holds no record; allowed: *.jsonl or *.jsonl.gz files with a record a line")
    learned, held_out = split_positions(
        len(found),
        fraction=training.holdout_fraction,
        seed=training.seed,
        times=[record.time for record in found] if training.holdout == "latest" else None,
    )
    return BaseData(
        training=[found[place] for place in learned],
        holdout=[found[place] for place in held_out],
        sources=tuple(files.sources),
    )


class _Files:
    """The files of records below an address, one after the other, in the order in which training would read them."""

    def __init__(self, uri: str, *, s3: Any, maximum_bytes: int) -> None:
        self._uri, self._s3, self._left = uri, s3, maximum_bytes
        self._maximum = maximum_bytes
        self.sources: list[Source] = []

    def contents(self) -> Iterator[tuple[str, bytes]]:
        bucket, key = parse_uri(self._uri)
        found = self._zipped(bucket, key) if key.endswith(".zip") else self._listed(bucket, key)
        for name, content in found:
            text = self._decompressed(name, content) if name.endswith(".gz") else content
            self._left -= len(text)
            if self._left < 0:
                raise self._too_large()
            yield name, text

    def _zipped(self, bucket: str, key: str) -> Iterator[tuple[str, bytes]]:
        answer = self._s3.get_object(Bucket=bucket, Key=key)
        content = answer["Body"].read(self._maximum + 1)
        if len(content) > self._maximum:
            raise self._too_large()
        self.sources.append(Source(key, answer["ETag"], len(content)))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in _in_order(archive.namelist()):
                if archive.getinfo(name).file_size > self._left:
                    raise self._too_large()
                yield name, archive.read(name)

    def _listed(self, bucket: str, key: str) -> Iterator[tuple[str, bytes]]:
        prefix = f"{key.rstrip('/')}/"
        sizes = {found["Key"]: found["Size"] for found in list_objects(self._s3, bucket=bucket, prefix=prefix)}
        keys = _in_order(sizes)
        if sum(sizes[each] for each in keys) > self._maximum:
            raise self._too_large()
        for each in keys:
            answer = self._s3.get_object(Bucket=bucket, Key=each)
            content = answer["Body"].read()
            self.sources.append(Source(each, answer["ETag"], len(content)))
            yield each, content

    def _decompressed(self, name: str, content: bytes) -> bytes:
        """All members of a gzip file, as far as they may be held."""
        parts: list[bytes] = []
        left = self._left + 1
        while content and left > 0:
            member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                parts.append(member.decompress(content, left))
            except zlib.error as error:
                raise OperatorError(f"{self._uri}: {name}: found {error}; allowed: a whole gzip file") from error
            left -= len(parts[-1])
            if left > 0 and not member.eof:
                raise OperatorError(f"{self._uri}: {name} is cut off; allowed: a whole gzip file")
            content = member.unused_data.lstrip(b"\0")
        return b"".join(parts)

    def _too_large(self) -> OperatorError:
        return OperatorError(
            f"{self._uri} holds more than {self._maximum / 2**20:.0f} MB of records; allowed: that much, which is what "
            "the retraining function's memory can hold; name a sample in training.data of package.toml"
        )


def _in_order(names: Any) -> list[str]:
    """Files of records, by their folders first, as dataset.read_records reads them."""
    return sorted((name for name in names if name.endswith(SUFFIXES)), key=lambda name: PurePosixPath(name).parts)


def _records(name: str, content: bytes) -> Iterator[BaseRecord]:
    for number, line in enumerate(io.BytesIO(content), start=1):  # one at a time: together they are as much again
        if line.strip():
            document = _document(line)
            if document is None:  # the line itself is not quoted: what is said here is logged and mailed
                allowed = 'allowed: {"request": {...}, "label": {...}} a line'
                raise OperatorError(f"{name}:{number}: found no record; {allowed}")
            digest = request_digest(document["request"])
            yield BaseRecord(line=line.rstrip() + b"\n", digest=digest, time=document.get("time"))


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            document = json.loads(line)  # NaN, which training reads too
        except ValueError:
            return None
    if not isinstance(document, dict):
        return None
    return document if all(isinstance(document.get(part), dict) for part in ("request", "label")) else None


def sources_digest(sources: Sequence[Source]) -> str:
    """SHA-256 of which objects they were, whatever their number."""
    text = "".join(f"{source.key}\t{source.etag}\t{source.size_bytes}\n" for source in sorted(sources))
    return hashlib.sha256(text.encode()).hexdigest()
