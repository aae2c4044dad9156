"""What is removed at a start, and what a reset forgets: never what is in use."""

from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.lambda_code import code_name, layers_name
from local.project import Project
from local.running import ACCOUNT, REGION, AlreadyRunning, only_one
from local.state.leftovers import code_in_use, discard_old_builds, discard_unused_code
from local.state.reset import FORGOTTEN, leftovers, reset, text


def folder(path: Path, *, read_only: bool = False) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"12345")
    if read_only:
        path.chmod(0o555)
    return path


def test_the_latest_builds_of_each_function_stay(tmp_path: Path) -> None:
    for digit in "0123456789":
        folder(tmp_path / f"gateway-{digit * 16}")
    folder(tmp_path / "champion-aaaaaaaaaaaaaaaa")
    folder(tmp_path / "notes-of-mine")
    folder(tmp_path / ".building-abcdef")
    (tmp_path / "dependencies-0000000000000000").symlink_to(tmp_path / "notes-of-mine")

    discard_old_builds(tmp_path, kept=3)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".building-abcdef",
        "champion-aaaaaaaaaaaaaaaa",
        "dependencies-0000000000000000",
        "gateway-7777777777777777",
        "gateway-8888888888888888",
        "gateway-9999999999999999",
        "notes-of-mine",
    ]


def test_unpacked_code_and_layers_stay_while_they_are_used(tmp_path: Path) -> None:
    names = {code_name(b"zip"), layers_name([b"one", b"two"])}
    used = {folder(tmp_path / name, read_only=True) for name in names}
    unused = {folder(tmp_path / name, read_only=True) for name in (code_name(b"old"), layers_name([b"two", b"one"]))}
    half = folder(tmp_path / "tmpabcdefg")
    others = {folder(tmp_path / "lambda-runtime"), folder(tmp_path / "layers-of-mine")}

    removed = discard_unused_code(tmp_path, names)

    assert set(removed) == {*unused, half}
    assert set(tmp_path.iterdir()) == {*used, *others}


def test_what_functions_run_is_in_use_in_all_their_versions(tmp_path: Path) -> None:
    with mock_aws():
        functions: Any = boto3.client("lambda", REGION)
        one, two = (published(functions, name) for name in ("one", "two"))
        create(functions, "layered", code=zipped("app.py"), Layers=[one, two], Publish=True)
        functions.update_function_code(FunctionName="layered", ZipFile=zipped("new.py"))
        functions.update_function_configuration(FunctionName="layered", Layers=[two])
        create(functions, "plain", code=zipped("plain.py"))

        names = code_in_use(account=ACCOUNT, region=REGION)

    layers = zipped("python/one.py"), zipped("python/two.py")
    assert names == {
        *map(code_name, (zipped("app.py"), zipped("new.py"), zipped("plain.py"))),
        *map(layers_name, (layers, layers[1:])),
    }


def test_a_layer_that_is_gone_is_not_in_use(tmp_path: Path) -> None:
    with mock_aws():
        functions: Any = boto3.client("lambda", REGION)
        create(functions, "layered", code=zipped("app.py"), Layers=[published(functions, "one")])
        functions.delete_layer_version(LayerName="one", VersionNumber=1)

        names = code_in_use(account=ACCOUNT, region=REGION)

    assert names == {code_name(zipped("app.py"))}


def zipped(name: str) -> bytes:
    """A zip with one empty file."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "")
    return buffer.getvalue()


def published(functions: Any, name: str) -> str:
    content = {"ZipFile": zipped(f"python/{name}.py")}
    return str(functions.publish_layer_version(LayerName=name, Content=content)["LayerVersionArn"])


def create(functions: Any, name: str, *, code: bytes, **settings: Any) -> None:
    made = boto3.client("iam", REGION).create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.14",
        Role=made["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": code},
        **settings,
    )


def test_nothing_to_remove_is_no_error(tmp_path: Path) -> None:
    assert discard_old_builds(tmp_path / "nowhere") == []
    assert discard_unused_code(tmp_path / "nowhere", []) == []


def test_a_reset_forgets_the_state_and_keeps_what_was_trained(tmp_path: Path) -> None:
    project = Project(root=tmp_path)
    for name in FORGOTTEN:
        folder(project.state / name / "inner", read_only=os.name == "posix")
    certificate, version = folder(project.state / "certificate"), folder(project.version("digits"))

    said = text(leftovers(project), project)
    reset(project)

    assert ".flyball/state  0.0 MB" in said
    assert [name for name in FORGOTTEN if (project.state / name).exists()] == []
    assert certificate.exists()
    assert version.exists()
    assert text(leftovers(project), project) == "  nothing"


def test_a_reset_is_refused_while_a_cloud_runs(tmp_path: Path) -> None:
    project = Project(root=tmp_path)
    folder(project.kept)

    with only_one(project), pytest.raises(AlreadyRunning):
        reset(project)

    assert project.kept.exists()
