"""Reading cdk.out, and publishing its assets."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from local.deploy.assembly import read_assembly
from local.deploy.errors import AssemblyError
from local.deploy.publishing import publish, zipped
from tests.local.deploy.moto_cloud import moto_cloud

ASSEMBLY = Path(__file__).parent / "assembly"


def manifest_with(folder: Path, **artifact: object) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": {"it": artifact}}))
    return folder


def test_stacks_come_in_the_order_of_their_dependencies() -> None:
    assembly = read_assembly(ASSEMBLY)

    assert [stack.name for stack in assembly.stacks] == ["flyball-platform", "flyball-digits"]


def test_an_image_is_found_by_the_name_that_templates_use() -> None:
    assembly = read_assembly(ASSEMBLY)
    (image,) = assembly.stacks[1].images

    assert image.uri == (
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/cdk-hnb659fds-container-assets-123456789012-us-east-1:"
        "41b67c1ae86f644425bd63ed1aeebe48af34c0706e84e3ec04da1ea12792c3ad"
    )
    assert assembly.image(image.uri) is image
    assert (image.directory / image.dockerfile).is_file()
    assert image.build_args == {"A": "b"}
    assert assembly.image("another") is None


def test_an_assembly_for_another_account_is_refused(tmp_path: Path) -> None:
    stack = manifest_with(
        tmp_path, type="aws:cloudformation:stack", environment="aws://111111111111/eu-west-1", properties={}
    )

    with pytest.raises(AssemblyError, match="aws://111111111111/eu-west-1"):
        read_assembly(stack)


def test_an_artifact_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match="cdk:cloud-assembly"):
        read_assembly(manifest_with(tmp_path, type="cdk:cloud-assembly"))


def test_a_folder_that_is_no_assembly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match="cdk synth"):
        read_assembly(tmp_path)


def test_assets_are_uploaded_once() -> None:
    stack = read_assembly(ASSEMBLY).stacks[0]
    with moto_cloud() as cloud:
        cloud.bootstrap()
        first = publish(stack, cloud.clients)
        writes = list(cloud.writes)

        second = publish(stack, cloud.clients)

        assert (len(first), second) == (2, [])
        assert cloud.writes == writes
        code = next(asset for asset in first if asset.packaging == "zip")
        body = cloud.clients("s3").get_object(Bucket=code.bucket, Key=code.key)["Body"].read()
        assert zipfile.ZipFile(io.BytesIO(body)).namelist() == ["handler.txt"]


def test_a_zip_does_not_depend_on_when_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run").write_text("a")
    (tmp_path / "a" / "run").chmod(0o755)
    before = zipped(tmp_path)

    os.utime(tmp_path / "b.py", (1, 1))

    assert zipped(tmp_path) == before
    entries = zipfile.ZipFile(io.BytesIO(before)).infolist()
    assert [entry.filename for entry in entries] == ["a/run", "b.py"]
    assert entries[0].external_attr >> 16 & 0o777 == 0o755
