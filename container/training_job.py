"""What SageMaker lays out below /opt/ml for a training job, typed, and the SM_* variables that AWS's own toolkit would
have derived from it. Torch-free.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from model_packages.checkpoints import CHECKPOINT_VARIABLE
from model_packages.contract import Scalar
from model_packages.errors import OperatorError

TRAINING = "training"
HOLDOUT = "holdout"
ONLY_HOST = "algo-1"


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One training job's inputs and output folders. `channels` are the folders of input data, by name."""

    ml_root: Path
    hyperparameters: Mapping[str, Scalar]
    channels: Mapping[str, Path]
    current_host: str
    hosts: tuple[str, ...]
    network_interface: str = ""

    @classmethod
    def read(cls, ml_root: Path) -> Self:
        """Raises: OperatorError for a file that is no JSON, a channel that is not in File mode, no training data, or a
        host that is not among the job's hosts.
        """
        configuration = ml_root / "input" / "config"
        resources = _read_json(configuration / "resourceconfig.json")
        channels = _channels(ml_root, _read_json(configuration / "inputdataconfig.json"))
        if TRAINING not in channels:
            raise OperatorError(f"the job has the channels {sorted(channels)}; allowed: one called {TRAINING!r}")
        current_host, hosts = resources.get("current_host", ONLY_HOST), tuple(resources.get("hosts", (ONLY_HOST,)))
        if current_host not in hosts:
            raise OperatorError(f"this host is {current_host!r}; allowed: one of the job's hosts, {', '.join(hosts)}")
        return cls(
            ml_root=ml_root,
            hyperparameters={
                name: _scalar(value) for name, value in _read_json(configuration / "hyperparameters.json").items()
            },
            channels=channels,
            current_host=current_host,
            hosts=hosts,
            network_interface=resources.get("network_interface_name", ""),
        )

    @property
    def model_dir(self) -> Path:
        return self.ml_root / "model"

    @property
    def output_data_dir(self) -> Path:
        return self.ml_root / "output" / "data"

    @property
    def checkpoint_dir(self) -> Path:
        """What SageMaker copies to S3 while the job runs, and brings back when it starts again."""
        return self.ml_root / "checkpoints"

    @property
    def rank(self) -> int:
        """This host's place among the hosts, of which each has the same list."""
        return sorted(self.hosts).index(self.current_host)

    @property
    def first_host(self) -> str:
        return min(self.hosts)

    @property
    def is_on_first_host(self) -> bool:
        """Whether this host makes the version of what all have trained."""
        return self.current_host == self.first_host

    def environment(self, *, gpus: int) -> dict[str, str]:
        """The SM_* variables, as a training script expects them."""
        return {
            "SM_MODEL_DIR": str(self.model_dir),
            "SM_INPUT_DIR": str(self.ml_root / "input"),
            "SM_OUTPUT_DIR": str(self.ml_root / "output"),
            "SM_OUTPUT_DATA_DIR": str(self.output_data_dir),
            CHECKPOINT_VARIABLE: str(self.checkpoint_dir),
            "SM_CHANNELS": json.dumps(sorted(self.channels)),
            "SM_HOSTS": json.dumps(self.hosts),
            "SM_CURRENT_HOST": self.current_host,
            "SM_NUM_GPUS": str(gpus),
            "SM_NUM_CPUS": str(os.cpu_count() or 1),
            "SM_HPS": json.dumps(self.hyperparameters),
            **{f"SM_CHANNEL_{name.upper()}": str(path) for name, path in self.channels.items()},
            **{f"SM_HP_{name.upper()}": str(value) for name, value in self.hyperparameters.items()},
        }


def _read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty where SageMaker wrote no such file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OperatorError(f"{path}: found {error}; allowed: JSON") from error
    if not isinstance(content, dict):
        raise OperatorError(f"{path}: found a {type(content).__name__}; allowed: an object")
    return content


def _channels(ml_root: Path, configured: Mapping[str, Any]) -> dict[str, Path]:
    for name, channel in configured.items():
        mode = channel.get("TrainingInputMode", "File")
        if mode not in ("File", "FastFile"):
            raise OperatorError(f"channel {name!r} is in {mode} mode; allowed: File or FastFile, which give a folder")
    data = ml_root / "input" / "data"
    present = {path.name: path for path in sorted(data.glob("*")) if path.is_dir()}
    return present | {name: data / name for name in configured}


def _scalar(text: Any) -> Scalar:
    """A hyperparameter as it was meant: SageMaker makes a string of each, so what is a JSON scalar is decoded."""
    if not isinstance(text, str):
        return _require_scalar(text)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if isinstance(value, str | int | float) and is_finite else text


def _require_scalar(value: Any) -> Scalar:
    if isinstance(value, str | int | float):
        return value
    raise OperatorError(f"a hyperparameter is {value!r}; allowed: a string, a number or a boolean")
