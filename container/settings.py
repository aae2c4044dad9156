"""The container's environment: each variable's name, and its value typed. Torch-free, because the synth imports it
to set what the container reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from model_packages import serving
from model_packages.errors import OperatorError

PACKAGE_VARIABLE, MODEL_VERSION_VARIABLE = serving.PACKAGE_VARIABLE, serving.MODEL_VERSION_VARIABLE
ML_ROOT_VARIABLE = "FLYBALL_ML_ROOT"
PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"
ADDRESS_VARIABLE = "FLYBALL_BIND_ADDRESS"

UNVERSIONED = "unversioned"
MANIFEST = "flyball.json"
BASELINE_FOLDER = "baseline"
"""Of a version: what its data looked like, for the monitor."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a verb was told from outside. `ml_root` is SageMaker's /opt/ml; a laptop sets `address` to the loopback."""

    package: str
    model_version: str = UNVERSIONED
    ml_root: Path = Path("/opt/ml")
    port: int = 8080
    address: str = "0.0.0.0"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises: OperatorError if no package is named, or the port is none."""
        package = environment.get(PACKAGE_VARIABLE, "")
        if not package:
            raise OperatorError(f"{PACKAGE_VARIABLE} is not set; allowed: the name of a folder of model_packages/")
        return cls(
            package=package,
            model_version=environment.get(MODEL_VERSION_VARIABLE) or UNVERSIONED,
            ml_root=Path(environment.get(ML_ROOT_VARIABLE) or "/opt/ml"),
            port=_port(environment.get(PORT_VARIABLE) or "8080"),
            address=environment.get(ADDRESS_VARIABLE) or "0.0.0.0",
        )

    @property
    def model_dir(self) -> Path:
        """Where SageMaker unpacks model.tar.gz to serve it, and packs it from after training."""
        return self.ml_root / "model"


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise OperatorError(f"{PORT_VARIABLE} is {text!r}; allowed: a port, 1 to 65535")
