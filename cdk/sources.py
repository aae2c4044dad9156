"""What a synth packs and from where: the model packages, and the folder of what was built from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdk.function_asset import Asset, FunctionAsset, FunctionName, build_function_asset, build_layer_asset
from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

ROOT = Path(__file__).parent.parent
BASELINE_FILE = "baseline.json"


class BuildFunctionAsset(Protocol):
    """cdk.function_asset.build_function_asset, or a double for it."""

    def __call__(
        self, function: FunctionName, *, packages: Sequence[ModelPackage], build_folder: Path
    ) -> FunctionAsset: ...


class BuildLayerAsset(Protocol):
    """cdk.function_asset.build_layer_asset, or a double for it."""

    def __call__(self, *, build_folder: Path) -> Asset: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """The packages of one synth, and `build_folder`, where training left versions and synth leaves what it packs."""

    packages: tuple[ModelPackage, ...]
    build_folder: Path = ROOT / "build"
    build_function: BuildFunctionAsset = build_function_asset
    build_layer: BuildLayerAsset = build_layer_asset

    def function_asset(self, function: FunctionName, *, packages: Sequence[ModelPackage] = ()) -> FunctionAsset:
        """A function's code with the schemas of `packages`, and its libraries unless they lie in the layer."""
        return self.build_function(function, packages=packages, build_folder=self.build_folder)

    def layer_asset(self) -> Asset:
        """The libraries of the functions that have them in a layer: the same for all packages."""
        return self.build_layer(build_folder=self.build_folder)

    def initial_artifact(self, package: ModelPackage) -> Path:
        """The first version of `package`, which serves until one is champion."""
        return self.build_folder / "models" / package.name / "model.tar.gz"

    def initial_baseline(self, package: ModelPackage) -> Path:
        """The folder of what the first version was trained on, as the monitor compares with it."""
        return self.build_folder / "models" / package.name / "baseline"

    def check_artifacts(self) -> None:
        """Raises: OperatorError that names every package which has not been trained."""
        missing = {
            package.name: lacking for package in self.packages if (lacking := tuple(self._lacking(package))) != ()
        }
        if missing:
            names = " ".join(missing)
            files = " and no ".join(dict.fromkeys(file for lacking in missing.values() for file in lacking))
            raise OperatorError(
                f"{self.build_folder / 'models'}: found no {files} of {names}; run `flyball train {names}` first"
            )

    def _lacking(self, package: ModelPackage) -> Iterator[str]:
        """What training leaves and is not there."""
        if not self.initial_artifact(package).is_file():
            yield self.initial_artifact(package).name
        if not (self.initial_baseline(package) / BASELINE_FILE).is_file():
            yield f"{self.initial_baseline(package).name}/{BASELINE_FILE}"
