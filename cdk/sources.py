"""What a synth packs and from where: the model packages, and the folder of what was built from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdk.function_asset import FunctionAsset, FunctionName, build_function_asset
from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

ROOT = Path(__file__).parent.parent


class BuildFunctionAsset(Protocol):
    """cdk.function_asset.build_function_asset, or a double for it."""

    def __call__(
        self, function: FunctionName, *, packages: Sequence[ModelPackage], build_folder: Path
    ) -> FunctionAsset: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """The packages of one synth, and `build_folder`, where training left versions and synth leaves what it packs."""

    packages: tuple[ModelPackage, ...]
    build_folder: Path = ROOT / "build"
    build_function: BuildFunctionAsset = build_function_asset

    def function_asset(self, function: FunctionName, *, packages: Sequence[ModelPackage] = ()) -> FunctionAsset:
        """A function's code with the schemas of `packages`."""
        return self.build_function(function, packages=packages, build_folder=self.build_folder)

    def initial_artifact(self, package: ModelPackage) -> Path:
        """The first version of `package`, which serves until one is champion."""
        return self.build_folder / "models" / package.name / "model.tar.gz"

    def check_artifacts(self) -> None:
        """Raises: OperatorError that names every package which has not been trained."""
        untrained = [package.name for package in self.packages if not self.initial_artifact(package).is_file()]
        if untrained:
            names = " ".join(untrained)
            raise OperatorError(
                f"{self.build_folder / 'models'}: found no model.tar.gz of {names}; run `flyball train {names}` first"
            )
