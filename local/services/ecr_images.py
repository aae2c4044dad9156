"""Container images as the local cloud has them: the build context of each, in a folder of its own.

Nothing is built and nothing is pulled. An image exists where its context lies: among those that the cloud keeps, or as
an asset of the project's assembly, from which it is copied in when it is first asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deploy.assembly import ImageAsset, image_assets
from local.services.sagemaker.plan import ImageFolder
from model_packages.errors import OperatorError

CONTEXT, DESCRIPTION = "context", "image.json"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that the cloud keeps. `digest` is over everything that `docker build` would be given."""

    tag: str
    context: Path
    build_args: Mapping[str, str]
    digest: str
    size_bytes: int


class Images:
    """The images below `folder`, by their tag, which CDK makes of their content; more may lie in `assembly`."""

    def __init__(self, folder: Path, *, assembly: Path) -> None:
        self._folder, self._assembly = folder, assembly
        self._lock = threading.Lock()

    def find(self, tag: str) -> KeptImage | None:
        """The image with a tag, copied in now if it is new; None where its context is nowhere."""
        with self._lock:
            if (kept := self._kept(tag)) is not None:
                return kept
            asset = next((asset for asset in image_assets(self._assembly) if asset.tag == tag), None)
            return None if asset is None or not asset.directory.is_dir() else self._copy(asset)

    def forget(self, tag: str) -> None:
        """Drops the copy of an image."""
        with self._lock:
            shutil.rmtree(self._folder / tag, ignore_errors=True)

    def folder(self, uri: str) -> ImageFolder:
        """The build context behind an image's name, with what `docker build` would have put into its environment.

        Raises: OperatorError if it is nowhere.
        """
        image = self.find(uri.rpartition(":")[2])
        if image is None:
            raise OperatorError(
                f"the build context of {uri} is neither among the images of this cloud nor in {self._assembly}; "
                "deploy it with `cdk deploy` or `flyball up` from the project's folder"
            )
        package = image.build_args.get("PACKAGE")
        return ImageFolder(path=image.context, environment={"FLYBALL_PACKAGE": package} if package else {})

    def _kept(self, tag: str) -> KeptImage | None:
        try:
            described = json.loads((self._folder / tag / DESCRIPTION).read_bytes())
        except FileNotFoundError:
            return None
        return KeptImage(tag=tag, context=self._folder / tag / CONTEXT, **described)

    def _copy(self, asset: ImageAsset) -> KeptImage:
        """A copy is there as a whole or not at all: it gets its name last."""
        partial = self._folder / f".{asset.tag}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(asset.directory, partial / CONTEXT, symlinks=True)
        files = list(_files(partial / CONTEXT))
        described: dict[str, Any] = {
            "build_args": dict(asset.build_args),
            "digest": _digest(files, partial / CONTEXT, asset.build_args),
            "size_bytes": sum(file.stat().st_size for file in files),
        }
        (partial / DESCRIPTION).write_text(json.dumps(described), encoding="utf-8")
        partial.rename(self._folder / asset.tag)
        return KeptImage(tag=asset.tag, context=self._folder / asset.tag / CONTEXT, **described)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _digest(files: list[Path], root: Path, build_args: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(build_args), sort_keys=True).encode())
    for file in files:
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"
