"""A cloud assembly (cdk.out) read as plain JSON: its stacks in the order to deploy, and the assets they need.

Environment-agnostic placeholders become the local account and region; an assembly made for another account or region
is refused, because everything here lives in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal

from local.deploy.documents import Json
from local.deploy.errors import AssemblyError

ACCOUNT = "123456789012"
REGION = "us-east-1"

_UNKNOWN = ("unknown-account", "unknown-region")
_IGNORED_KINDS = ("cdk:tree", "cdk:feature-flag-report", "cdk:asset-manifest")


@dataclass(frozen=True)
class FileAsset:
    """A file, or a folder to be zipped, and the object it is published as."""

    asset_id: str
    path: Path
    packaging: Literal["file", "zip"]
    bucket: str
    key: str


@dataclass(frozen=True)
class ImageAsset:
    """A folder with a Dockerfile; `uri` is the image's name as templates refer to it."""

    asset_id: str
    directory: Path
    dockerfile: str
    build_args: Mapping[str, str]
    target: str | None
    repository: str
    tag: str

    @property
    def uri(self) -> str:
        return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{self.repository}:{self.tag}"


@dataclass(frozen=True)
class AssemblyStack:
    """One stack of an assembly."""

    name: str
    template: Mapping[str, Json]
    parameters: Mapping[str, str]
    needs: frozenset[str] = frozenset()
    """The stacks that have to be deployed before it."""
    files: tuple[FileAsset, ...] = ()
    images: tuple[ImageAsset, ...] = ()
    account: str = ACCOUNT
    region: str = REGION
    tags: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    """The template as it is written; the document's JSON where it is not known."""

    @property
    def template_text(self) -> str:
        """What GetTemplate gives back."""
        return self.text or json.dumps(self.template)


@dataclass(frozen=True)
class Assembly:
    """Stacks in dependency order."""

    stacks: tuple[AssemblyStack, ...]

    def image(self, uri: str) -> ImageAsset | None:
        """The image asset that a template means by `uri`, if it is one of this assembly's."""
        return next((image for stack in self.stacks for image in stack.images if image.uri == uri), None)


def read_assembly(directory: Path) -> Assembly:
    """Reads a cdk.out folder; raises AssemblyError where it is none, or asks for what cannot be deployed here."""
    manifest = _read(directory / "manifest.json")
    artifacts: Mapping[str, Json] = manifest.get("artifacts", {})
    needs = {name: artifact.get("dependencies", ()) for name, artifact in artifacts.items()}
    for name, artifact in artifacts.items():
        if artifact["type"] not in ("aws:cloudformation:stack", *_IGNORED_KINDS):
            raise AssemblyError(f"artifact {name} is a {artifact['type']}, which cannot be deployed locally")
    return Assembly(
        tuple(
            _stack(name, artifacts, directory)
            for name in TopologicalSorter(needs).static_order()
            if artifacts[name]["type"] == "aws:cloudformation:stack"
        )
    )


def _read(path: Path) -> Mapping[str, Json]:
    try:
        document: Mapping[str, Json] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise AssemblyError(f"{path} does not exist; synthesize with `cdk synth` first") from error
    except ValueError as error:
        raise AssemblyError(f"{path} is not JSON: {error}") from error
    return document


def _stack(artifact_id: str, artifacts: Mapping[str, Json], directory: Path) -> AssemblyStack:
    artifact = artifacts[artifact_id]
    properties = artifact["properties"]
    account, region = _environment(artifact_id, artifact["environment"])
    files, images = _assets(artifact, artifacts, directory)
    return AssemblyStack(
        name=properties.get("stackName", artifact_id),
        template=_read(directory / properties["templateFile"]),
        text=(directory / properties["templateFile"]).read_text(encoding="utf-8"),
        tags=properties.get("tags", {}),
        parameters=properties.get("parameters", {}),
        needs=frozenset(
            artifacts[name]["properties"].get("stackName", name)
            for name in artifact.get("dependencies", ())
            if artifacts[name]["type"] == "aws:cloudformation:stack"
        ),
        files=files,
        images=images,
        account=account,
        region=region,
    )


def _environment(artifact_id: str, environment: str) -> tuple[str, str]:
    account, _, region = environment.removeprefix("aws://").partition("/")
    if account not in (ACCOUNT, _UNKNOWN[0]) or region not in (REGION, _UNKNOWN[1]):
        raise AssemblyError(
            f"stack {artifact_id} is synthesized for {environment}; the local cloud is {ACCOUNT}/{REGION}: "
            "synthesize without an environment"
        )
    return ACCOUNT, REGION


def _assets(
    artifact: Mapping[str, Json], artifacts: Mapping[str, Json], directory: Path
) -> tuple[tuple[FileAsset, ...], tuple[ImageAsset, ...]]:
    manifests = [
        _read(directory / artifacts[name]["properties"]["file"])
        for name in artifact.get("dependencies", ())
        if artifacts[name]["type"] == "cdk:asset-manifest"
    ]
    files = [
        _file(asset_id, asset, destination, directory)
        for manifest in manifests
        for asset_id, asset in manifest.get("files", {}).items()
        for destination in asset["destinations"].values()
    ]
    images = [
        _image(asset_id, asset, destination, directory)
        for manifest in manifests
        for asset_id, asset in manifest.get("dockerImages", {}).items()
        for destination in asset["destinations"].values()
    ]
    return tuple(files), tuple(images)


def image_assets(directory: Path) -> Iterator[ImageAsset]:
    """Every image asset of a cdk.out folder, also one that is no whole assembly yet."""
    for file in sorted(directory.glob("*.assets.json")):
        for asset_id, asset in _read(file).get("dockerImages", {}).items():
            for destination in asset["destinations"].values():
                yield _image(asset_id, asset, destination, directory)


def _file(asset_id: str, asset: Mapping[str, Json], destination: Mapping[str, str], directory: Path) -> FileAsset:
    source = asset["source"]
    if "path" not in source:
        raise AssemblyError(f"file asset {asset_id} is made by a program, which the local cloud does not run")
    return FileAsset(
        asset_id=asset_id,
        path=directory / source["path"],
        packaging=source.get("packaging", "file"),
        bucket=_placed(destination["bucketName"]),
        key=_placed(destination["objectKey"]),
    )


def _image(asset_id: str, asset: Mapping[str, Json], destination: Mapping[str, str], directory: Path) -> ImageAsset:
    source = asset["source"]
    if "directory" not in source:
        raise AssemblyError(f"image asset {asset_id} is made by a program, which the local cloud does not run")
    return ImageAsset(
        asset_id=asset_id,
        directory=directory / source["directory"],
        dockerfile=source.get("dockerFile", "Dockerfile"),
        build_args=source.get("dockerBuildArgs", {}),
        target=source.get("dockerBuildTarget"),
        repository=_placed(destination["repositoryName"]),
        tag=_placed(destination["imageTag"]),
    )


def _placed(name: str) -> str:
    placeholders = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
    for placeholder, value in placeholders.items():
        name = name.replace(f"${{{placeholder}}}", value)
    return name
