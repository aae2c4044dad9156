"""What SageMaker lays out below /opt/ml for the evaluation, a processing job: two archives, a holdout, and an output
folder. Torch-free.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from container.settings import BASELINE_FOLDER
from container.version import read_manifest
from model_packages.dataset import Record, read_records
from model_packages.errors import OperatorError
from model_packages.evidence import EVIDENCE, Evidence

MESSAGE_BYTES = 1024
"""What SageMaker keeps of a message."""


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """One evaluation's inputs and outputs."""

    ml_root: Path

    @property
    def champion(self) -> Path | None:
        """Its archive; None where there is no champion to compare with."""
        return self._archive("champion")

    @property
    def challenger(self) -> Path:
        """Raises: OperatorError if there is none."""
        archive = self._archive("challenger")
        if archive is None:
            raise OperatorError(f"{self._input('challenger')} is empty; allowed: the archive that training made")
        return archive

    def holdout(self) -> list[Record]:
        """Raises: OperatorError if there is no record."""
        return read_records(self._input("holdout"))

    def write(self, evidence: Evidence, *, model_dir: Path) -> None:
        """The evidence, and the baseline of the challenger that is unpacked in `model_dir`."""
        output = self.ml_root / "processing" / "output"
        output.mkdir(parents=True, exist_ok=True)
        shutil.copytree(model_dir / BASELINE_FOLDER, output / BASELINE_FOLDER, dirs_exist_ok=True)
        (output / EVIDENCE).write_text(evidence.to_json(), encoding="utf-8")

    def tell(self, message: str) -> None:
        """SageMaker shows it as the job's ExitMessage."""
        path = self.ml_root / "output" / "message"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(message.encode()[:MESSAGE_BYTES].decode(errors="ignore").encode())

    def _archive(self, name: str) -> Path | None:
        """The one file of an input: training calls it model.tar.gz, a deployment by the hash of what is in it."""
        files = [path for path in self._input(name).glob("*") if path.is_file()]
        if len(files) > 1:
            found = ", ".join(sorted(path.name for path in files))
            raise OperatorError(f"{self._input(name)} holds {found}; allowed: one archive")
        return files[0] if files else None

    def _input(self, name: str) -> Path:
        return self.ml_root / "processing" / "input" / name


def unpack(archive: Path, folder: Path, *, package: str) -> str:
    """Lays a version out in `folder`, and returns its schema's hash.

    Raises: OperatorError if the archive is damaged, or holds no version of `package`.
    """
    try:
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise OperatorError(f"{archive}: found {type(error).__name__}: {error}; allowed: a whole tar.gz") from error
    manifest = read_manifest(folder)
    if manifest.get("package") != package:
        raise AnotherPackage(f"{archive} is a version of {manifest.get('package')!r}; allowed: {package!r}")
    return str(manifest.get("schema_hash"))


class AnotherPackage(OperatorError):
    """An archive of a package that this image does not hold: the job was put together wrongly."""
