"""How many bytes of tensors a model.tar.gz holds, from the headers of its files; never with torch, and never by running
what the files say: a pickle is not opened.

An artifact above 16 MiB is not unpacked, which would take longer than the synth: its size stands for its weights, which
hardly compress.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

UNPACKED_UP_TO_BYTES = 16 * 2**20
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True, slots=True)
class Weights:
    """`size_bytes` of tensors, and how that was found out."""

    size_bytes: int
    by: str


def weights_of(artifact: Path) -> Weights:
    """The tensors of every safetensors and torch file of the artifact.

    Raises: OSError, tarfile.TarError if it cannot be read.
    """
    packed_bytes = artifact.stat().st_size
    if packed_bytes > UNPACKED_UP_TO_BYTES:
        return Weights(packed_bytes, by="the artifact's size")
    with tarfile.open(artifact) as archive:
        sizes = list(_tensor_bytes(archive))
    return Weights(sum(sizes), by="the headers of its files")


def _tensor_bytes(archive: tarfile.TarFile) -> Iterator[int]:
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        if file is None:
            continue
        suffix = PurePosixPath(member.name).suffix
        if suffix == ".safetensors":
            yield _safetensors_bytes(file)
        elif suffix in TORCH_SUFFIXES:
            yield _torch_bytes(file.read())


def _safetensors_bytes(file: IO[bytes]) -> int:
    """The header is a length of eight bytes and JSON of that length: name -> dtype, shape, [begin, end]."""
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    ends = (entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
    return sum(end - begin for begin, end in ends)


def _torch_bytes(content: bytes) -> int:
    """torch.save writes a zip with one stored entry a storage, below `data/`; its old format is one pickle."""
    if not zipfile.is_zipfile(BytesIO(content)):
        return len(content)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return sum(entry.file_size for entry in archive.infolist() if "/data/" in entry.filename)
