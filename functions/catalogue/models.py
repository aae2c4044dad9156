"""The packages that are deployed with the catalogue, each read when it is asked for and none because of another."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model_packages.contract import PackageConfig
from model_packages.interface import Interface, load_interface


@dataclass(frozen=True)
class PublishedModel:
    """One package as callers know it; `folder` holds its schema.py, examples.json and package.toml."""

    name: str
    folder: Path

    @cached_property
    def config(self) -> PackageConfig:
        return PackageConfig.model_validate(tomllib.loads((self.folder / "package.toml").read_text(encoding="utf-8")))

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        examples: list[dict[str, Any]] = json.loads((self.folder / "examples.json").read_text(encoding="utf-8"))
        return examples

    @cached_property
    def interface(self) -> Interface:
        """Raises: PackageError if the package's schema.py cannot be used."""
        return load_interface(self.name)


def find_models(root: Path) -> dict[str, PublishedModel]:
    """Every package below `root`, by name, in the order of their names."""
    folders = (path.parent for path in sorted(root.glob("*/package.toml")) if not path.parent.name.startswith("_"))
    return {folder.name: PublishedModel(name=folder.name, folder=folder) for folder in folders}
