"""A Lambda asset made runnable on this machine: unpacked, and with compiled modules that this interpreter can load.

Assets are built for Lambda's Python and for Linux; the interpreter here may be another one. Pure Python runs as it
is. Where a distribution brings compiled files for another interpreter, those of the same version installed here are
put beside them; a version that is not installed here is an error, because another version is other code.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from typing import Final

from model_packages.errors import OperatorError

RUNTIME_DISTRIBUTIONS = ("awslambdaric", "snapshot-restore-py", "simplejson")
"""Lambda's Python runtime and what it needs; a function sees these, its own code and the standard library."""

COMPILED_SUFFIXES = (".so", ".dylib")

LAYERS_PREFIX: Final = "layers-"
DIGEST_CHARACTERS: Final = 24
"""How much of a SHA-256 an unpacked folder is named by."""

_UNPACKING: Final[dict[Path, threading.Lock]] = {}
"""By folder: functions with one layer start at the same time, and the first unpacks it for all."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A distribution whose compiled files are for another interpreter, and which is not installed here as such."""

    name: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        installed = f"version {self.found} is installed" if self.found else "it is not installed"
        return f"{self.name} {self.wanted}: {installed} here; run `pip install {self.name}=={self.wanted}`"


class CodeNotRunnable(OperatorError):
    """The asset holds compiled modules that neither run here nor have a counterpart here."""

    def __init__(self, mismatches: Iterable[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        lines = "\n".join(f"  {mismatch}" for mismatch in self.mismatches)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        super().__init__(
            f"the function's code was built for another interpreter than this Python {version}; to run it here, "
            f"the same versions of its compiled distributions must be installed:\n{lines}"
        )


def unpack(zip_bytes: bytes, into: Path) -> Path:
    """The read-only folder `into`/<hash of the zip>, made at the first call. Raises CodeNotRunnable."""
    return _unpack_all([zip_bytes], into / code_name(zip_bytes), code_folders=(".",))


def unpack_layers(zips: Sequence[bytes], into: Path) -> Path:
    """The read-only folder that stands for /opt: the layers one over another, the last on top. Raises CodeNotRunnable.

    Layers bring distributions below python/ or python/lib/*/site-packages.
    """
    return _unpack_all(zips, into / layers_name(zips), code_folders=("python", "python/lib/*/site-packages"))


def code_name(zip_bytes: bytes) -> str:
    """What `unpack` calls its folder."""
    return hashlib.sha256(zip_bytes).hexdigest()[:DIGEST_CHARACTERS]


def layers_name(zips: Sequence[bytes]) -> str:
    """What `unpack_layers` calls its folder."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(zipped).digest() for zipped in zips)).hexdigest()
    return f"{LAYERS_PREFIX}{digest[:DIGEST_CHARACTERS]}"


def is_unpacked(name: str) -> bool:
    """Whether a folder is called as `unpack` or `unpack_layers` would call it."""
    digest = name.removeprefix(LAYERS_PREFIX)
    return len(digest) == DIGEST_CHARACTERS and set(digest) <= set("0123456789abcdef")


def runtime_folder(into: Path) -> Path:
    """A folder with links to Lambda's Python runtime and to nothing else of this interpreter's site-packages."""
    folder = into / "lambda-runtime"
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_DISTRIBUTIONS:
        for target in _top_level(distribution(name)):
            link = folder / target.name
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(target)
    return folder


def runs_here(wheel_tag: str) -> bool:
    """Whether a wheel with this tag (PEP 425, as in its WHEEL file) can be imported by this interpreter."""
    interpreters, abis, platforms = (part.split(".") for part in wheel_tag.split("-"))
    return any(map(_has_this_platform, platforms)) and any(
        _has_this_abi(interpreter, abi) for interpreter in interpreters for abi in abis
    )


def _has_this_abi(interpreter: str, abi: str) -> bool:
    this = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if abi == "abi3":
        return interpreter.removeprefix("cp3").isdigit() and int(interpreter[3:]) <= sys.version_info.minor
    return abi == this or (abi == "none" and interpreter in {this, "py2", "py3"})


def _has_this_platform(tag: str) -> bool:
    system = "macosx" if sys.platform == "darwin" else "linux"
    machine = platform.machine().lower()
    return tag == "any" or (system in tag and tag.endswith((machine, "universal2")))


def _unpack_all(zips: Sequence[bytes], folder: Path, *, code_folders: Sequence[str]) -> Path:
    with _UNPACKING.setdefault(folder, threading.Lock()):
        if not folder.exists():
            _make(folder, zips, code_folders)
    return folder


def _make(folder: Path, zips: Sequence[bytes], code_folders: Sequence[str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        unpacked = Path(temporary) / "code"
        for zip_bytes in zips:
            _extract(zip_bytes, unpacked)
        for pattern in code_folders:
            for code in [unpacked] if pattern == "." else sorted(unpacked.glob(pattern)):
                _add_compiled_files(code)
        _make_read_only(unpacked)
        unpacked.rename(folder)
    folder.chmod(0o555)


def _extract(zip_bytes: bytes, into: Path) -> None:
    with zipfile.ZipFile(BytesIO(zip_bytes)) as archive:
        archive.extractall(into)  # zipfile itself keeps members inside the folder


def _add_compiled_files(code: Path) -> None:
    mismatches = [
        mismatch
        for metadata in sorted(code.glob("*.dist-info"))
        if not any(map(runs_here, _wheel_tags(metadata)))
        for mismatch in _add_counterparts(code, metadata)
    ]
    if mismatches:
        raise CodeNotRunnable(mismatches)


def _add_counterparts(code: Path, metadata: Path) -> Iterator[Mismatch]:
    headers = HeaderParser().parsestr((metadata / "METADATA").read_text(encoding="utf-8"))
    name, wanted = headers["Name"], headers["Version"]
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        yield Mismatch(name, wanted, None)
        return
    if installed.version != wanted:
        yield Mismatch(name, wanted, installed.version)
        return
    for file in installed.files or ():
        if file.name.endswith(COMPILED_SUFFIXES) or ".so." in file.name:
            target = code / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def _wheel_tags(metadata: Path) -> list[str]:
    wheel = metadata / "WHEEL"
    if not wheel.exists():
        return ["py3-none-any"]
    return HeaderParser().parsestr(wheel.read_text(encoding="utf-8")).get_all("Tag", [])


def _top_level(installed: Distribution) -> set[Path]:
    names = {file.parts[0] for file in installed.files or ()}
    return {
        Path(str(installed.locate_file(name)))
        for name in names
        if name not in {"..", "__pycache__"} and not name.endswith(".dist-info")
    }


def _make_read_only(folder: Path) -> None:
    for parent, folders, files in os.walk(folder):
        for name in files:
            Path(parent, name).chmod(0o444)
        for name in folders:
            Path(parent, name).chmod(0o555)
