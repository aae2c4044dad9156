"""One package's container image: a build context that holds this package and no other, and its asset.

The context is made anew at each synth from the same files in the same places, so that its hash, and with it the image,
changes only when something that the image holds does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from cdk.sources import ROOT, Sources
from container.cuda import DOCKERFILE, cuda_version, inference_ami_version
from model_packages.discovery import ModelPackage

LEFT_OUT = ("__pycache__", "*.pyc", ".*", "README.md", "*.tar.gz")
"""What no image needs; without the model card, correcting a word of it does not roll out a new image."""


class Image(Construct):
    """`uri` and `repository` of the built image, and the `inference_ami_version` that its CUDA needs of a GPU host."""

    def __init__(self, scope: Construct, construct_id: str, *, package: ModelPackage, sources: Sources) -> None:
        super().__init__(scope, construct_id)
        asset = ecr_assets.DockerImageAsset(
            self,
            "Asset",
            directory=str(write_build_context(package, sources.build_folder / "images" / package.name)),
            build_args={"PACKAGE": package.name},
            platform=ecr_assets.Platform.LINUX_AMD64,
        )
        self.uri = asset.image_uri
        self.repository = asset.repository
        self.inference_ami_version = inference_ami_version(cuda_version(DOCKERFILE.read_text(encoding="utf-8")))


def write_build_context(package: ModelPackage, folder: Path) -> Path:
    """Puts everything that the Dockerfile copies into `folder`, which it replaces. Training data stays out."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "container", folder / "container", ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / "container" / DOCKERFILE.name).rename(folder / DOCKERFILE.name)
    contract = folder / "model_packages"
    contract.mkdir()
    for module in (ROOT / "model_packages").glob("*.py"):
        shutil.copyfile(module, contract / module.name)
    shutil.copytree(ROOT / "model_packages" / "profile", contract / "profile", ignore=shutil.ignore_patterns(*LEFT_OUT))
    data = package.path / package.config.training.data
    shutil.copytree(package.path, contract / package.name, ignore=lambda where, names: _left_out(where, names, data))
    return folder


def _left_out(folder: str, names: list[str], data: Path) -> set[str]:
    by_name: set[str] = shutil.ignore_patterns(*LEFT_OUT)(folder, names)
    return by_name | {name for name in names if Path(folder) / name == data}
