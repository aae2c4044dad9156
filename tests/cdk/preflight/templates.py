"""Installations for the tests of `cdk/preflight` and `cdk/cost`: the agreed template snapshots, edited case by case."""

from __future__ import annotations

import copy
import io
import json
import struct
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cdk.preflight.findings import Finding
from cdk.preflight.installation import Installation, Resource, Stack
from cdk.preflight.registry import CHECKS
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
CUDA = "13.0.1"
CONFIG: Mapping[str, Any] = {
    "description": "Sorts flowers by their leaves",
    "task": "multiclass_classification",
    "gate": {"metric": "accuracy", "minimum": 0.9},
}

Json = dict[str, Any]
Edit = Callable[[Json], None]


def package(path: Path, name: str = "flowers", **sections: Any) -> ModelPackage:
    """A package whose package.toml has `sections` beside what it must have."""
    return ModelPackage(name=name, path=path, config=PackageConfig.model_validate({**CONFIG, **sections}))


def snapshot(stack: str) -> Json:
    """The template that was last agreed on."""
    content: Json = json.loads((SNAPSHOTS / f"{stack}.json").read_text(encoding="utf-8"))
    return content


def stack(template: Json, name: str = "flyball-flowers", package: ModelPackage | None = None) -> Stack:
    return Stack(name=name, template=template, template_bytes=len(json.dumps(template)), package=package)


@dataclass(frozen=True)
class Flowers:
    """The platform and `flowers` as they were agreed on: canary, GPUs, scaling, alarms, a gateway function.

    `edits` change the properties of the resources whose type they are keyed by.
    """

    folder: Path
    sections: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)
    artifact: Path | None = None
    cuda: str = CUDA

    def package(self) -> ModelPackage:
        return package(self.folder, **self.sections)

    def installation(self) -> Installation:
        return Installation(
            stacks=(
                stack(self._edited("platform"), name="flyball-platform"),
                stack(self._edited("flowers"), package=self.package()),
            ),
            artifacts={"flowers": self.artifact} if self.artifact else {},
            cuda=self.cuda,
        )

    def findings(self) -> list[Finding]:
        """What every check says."""
        installation = self.installation()
        return [finding for check in CHECKS for finding in check(installation)]

    def ids(self) -> set[str]:
        return {finding.rule.id for finding in self.findings()}

    def having(self, **changes: Any) -> Flowers:
        return replace(self, **changes)

    def _edited(self, name: str) -> Json:
        template = copy.deepcopy(snapshot(name))
        for resource in template["Resources"].values():
            edit = self.edits.get(resource["Type"])
            if edit is not None:
                edit(resource["Properties"])
        return template


def examples(folder: Path, *, request: object, response: object) -> None:
    """Leaves an examples.json of one pair."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [{"request": request, "response": response}]
    (folder / "examples.json").write_text(json.dumps(pairs), encoding="utf-8")


def artifact_of_tensors(path: Path, size_bytes: int) -> Path:
    """A model.tar.gz whose safetensors header declares that many bytes of weights, and that holds none of them."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [size_bytes // 4], "data_offsets": [0, size_bytes]}})
    content = struct.pack("<Q", len(header)) + header.encode()
    return artifact_with(path, {"model.safetensors": content})


def artifact_with(path: Path, files: Mapping[str, bytes]) -> Path:
    """A model.tar.gz of those files."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def only(installation: Installation, resource_type: str) -> Resource:
    """The one resource of that type."""
    (found,) = (resource for each in installation.stacks for resource in each.resources(resource_type))
    return found
