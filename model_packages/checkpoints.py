"""Progress of a training that outlives an interruption: saved after each round, gone on with from the newest whole one.

A package's train() goes through its epochs with `Checkpoints.rounds`. SageMaker copies the folder to S3 while the job
runs and brings it back when the job starts again. Torch-free to import: torch is imported when it is needed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Protocol, cast

CHECKPOINT_VARIABLE = "SM_CHECKPOINT_DIR"
SLOTS = ("progress-0.pt", "progress-1.pt")
"""Written in turn, so that one is always whole. Nothing has to be deleted, which takes a right of its own."""

PARTIAL = ".progress.partial"
"""What is being written; beside the others, because /opt/ml's folders need not be on one disk."""

DIGEST_CHARACTERS = 64
CHUNK_BYTES = 1024 * 1024

Document = Mapping[str, Any]

logger = logging.getLogger(__name__)


class Stateful(Protocol):
    """A model, an optimizer, a schedule: whatever changes while a model is trained."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class Checkpoints:
    """Where one train() keeps its progress. Without a folder nothing is kept, and every training begins at the start.

    Progress counts only for the same data and hyperparameters, and for parts of the same shapes. Where several
    processes train together, the first one keeps it for all; all of them have to draw the same random numbers.
    """

    def __init__(self, data_dir: Path, hyperparameters: Mapping[str, Any]) -> None:
        folder = os.environ.get(CHECKPOINT_VARIABLE)
        self._folder = Path(folder) if folder else None
        self._data_dir, self._hyperparameters = data_dir, hyperparameters

    def rounds(self, count: int, *, every: int = 1, **parts: Stateful) -> Iterator[int]:
        """Yields 0 to count - 1, from where an interrupted training stopped; saves after each `every`-th and the last.

        `parts` are given the states that they had then, and Python's, NumPy's and torch's random numbers go on as they
        would have: the result is, on a CPU, the same to the last bit. Call it once in a train(), right before the loop.
        """
        identity = self._identity(parts)
        done, slot = self._restore(parts, identity)
        keeps = self._folder is not None and _is_first()  # what is not kept is not gathered either
        for index in range(done, count):
            yield index
            if keeps and ((index + 1) % every == 0 or index + 1 == count):
                slot = 1 - slot
                self._save(slot, {"identity": identity, "rounds": index + 1, **_captured(parts)})

    def _identity(self, parts: Mapping[str, Stateful]) -> str:
        if self._folder is None or not _is_first():
            return ""
        shapes = {
            f"{name}.{key}": f"{tuple(value.shape)} {value.dtype}"
            for name, part in parts.items()
            for key, value in part.state_dict().items()
            if hasattr(value, "shape")
        }
        digest = hashlib.sha256(json.dumps([dict(self._hyperparameters), shapes], sort_keys=True).encode())
        for path in sorted(path for path in self._data_dir.rglob("*") if path.is_file()):
            digest.update(path.relative_to(self._data_dir).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def _restore(self, parts: Mapping[str, Stateful], identity: str) -> tuple[int, int]:
        """How many rounds were done, and the slot that says so."""
        slot, found = self._newest(identity)
        found = _shared(found)
        if found is None:
            return 0, 1
        for name, part in parts.items():
            part.load_state_dict(found["parts"][name])
        _draw_from(found["random"])
        logger.info("the training goes on after round %d", found["rounds"])
        return int(found["rounds"]), slot

    def _newest(self, identity: str) -> tuple[int, Document | None]:
        if self._folder is None or not _is_first():
            return 1, None
        found = [(slot, _read(self._folder / name)) for slot, name in enumerate(SLOTS)]
        fitting = [(slot, each) for slot, each in found if each is not None and each["identity"] == identity]
        if not fitting and any(each is not None for _, each in found):
            logger.info("what lies in %s is of other data, hyperparameters or shapes", self._folder)
        return max(fitting, key=lambda each: each[1]["rounds"], default=(1, None))

    def _save(self, slot: int, document: Document) -> None:
        if self._folder is None or not _is_first():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / SLOTS[slot], document)


def _captured(parts: Mapping[str, Stateful]) -> Document:
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    kind, keys, *rest = cast(tuple[Any, ...], np.random.get_state(legacy=True))
    return {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "random": {
            "python": random.getstate(),
            "numpy": (kind, keys.tolist(), *rest),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        },
    }


def _draw_from(states: Mapping[str, Any]) -> None:
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def _write(path: Path, document: Document) -> None:
    """A file is there as a whole or not at all: it gets its name last. Behind what torch writes stands its digest."""
    import torch  # noqa: PLC0415

    partial = path.with_name(PARTIAL)
    with partial.open("w+b") as file:
        torch.save(dict(document), file)
        file.write(_digest(file, file.tell()))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _read(path: Path) -> Document | None:
    """What was saved; None where nothing was, or where it is not what was written."""
    import torch  # noqa: PLC0415

    if not path.is_file():
        return None
    with path.open("rb") as file:
        if _digest(file, path.stat().st_size - DIGEST_CHARACTERS) != file.read():
            logger.warning("%s is damaged and left out", path)
            return None
        file.seek(0)
        return cast(Document, torch.load(file, map_location="cpu", weights_only=True))


def _digest(file: IO[bytes], length: int) -> bytes:
    """In hexadecimal, of a file's first bytes; the file stands behind them afterwards."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(max(0, min(CHUNK_BYTES, length - file.tell()))):
        digest.update(chunk)
    return digest.hexdigest().encode()


def _is_first() -> bool:
    """Whether this process trains alone, or is the first of several."""
    return not _is_one_of_several() or _group().get_rank() == 0


def _shared(found: Document | None) -> Document | None:
    """What the first process found, in each of them."""
    if not _is_one_of_several():
        return found
    box = [found]
    _group().broadcast_object_list(box, src=0)
    return box[0]


def _is_one_of_several() -> bool:
    return bool(_group().is_available() and _group().is_initialized())


def _group() -> ModuleType:
    import torch.distributed  # noqa: PLC0415

    return torch.distributed
