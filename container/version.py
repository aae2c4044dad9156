"""What training wrote down of a version, and whether the version is of the package and schema that this image has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from container.settings import MANIFEST
from model_packages.errors import OperatorError
from model_packages.interface import Interface


class ForeignVersion(OperatorError):
    """The artifact was made by another package, or from another schema: its answers would mean something else."""


def read_manifest(model_dir: Path) -> dict[str, Any]:
    """flyball.json of the version in `model_dir`.

    Raises: OperatorError if the verb `train` did not write one.
    """
    path = model_dir / MANIFEST
    if not path.is_file():
        raise OperatorError(f"the version has no {MANIFEST}; allowed: one written by the verb `train`")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def check_origin(model_dir: Path, interface: Interface) -> None:
    """Raises ForeignVersion unless the version was made for `interface`."""
    manifest = read_manifest(model_dir)
    found = manifest.get("package"), manifest.get("schema_hash")
    allowed = interface.package, interface.schema_hash
    if found != allowed:
        raise ForeignVersion(f"the version is of {found}; allowed: {allowed} (package, schema hash); train it again")
