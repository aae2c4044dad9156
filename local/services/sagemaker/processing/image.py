"""What a package's image does in a processing job: its ENTRYPOINT with the job's arguments, in its build context."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from local.services.sagemaker.plan import ImageFolder

ENTRYPOINT: Final = ("python", "-m", "container")
"""What the images' Dockerfile names."""

PYTHONS: Final = ("python", "python3")
ML_ROOT: Final = PurePosixPath("/opt/ml")


@dataclass(frozen=True, slots=True)
class Container:
    """What is started for a job. `environment` is the image's own: what the platform and the job set is added."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


def image_container(
    image: ImageFolder, *, entrypoint: Sequence[str], arguments: Sequence[str], root: Path
) -> Container:
    """A package's image with its own ENTRYPOINT, or with another one; `root` stands for /opt/ml."""
    program, *rest = [here(part, root) for part in (*(entrypoint or ENTRYPOINT), *arguments)]
    return Container(
        command=[sys.executable if program in PYTHONS else program, *rest],
        environment={
            # Small models compute many times slower when their threads wait for each other on busy cores.
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            **image.environment,
            "FLYBALL_ML_ROOT": str(root),
            "PYTHONPATH": str(image.path),
        },
        folder=image.path,
    )


def here(argument: str, root: Path) -> str:
    """A path below /opt/ml as it is on this machine; anything else as it is."""
    path = PurePosixPath(argument)
    return str(root / path.relative_to(ML_ROOT)) if path.is_relative_to(ML_ROOT) else argument
