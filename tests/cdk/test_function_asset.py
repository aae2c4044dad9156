"""A function's asset holds what the function imports and nothing else, and is the same whenever its inputs are."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from cdk.function_asset import (
    FILE_TIME,
    PLATFORMS,
    PYTHON_VERSION,
    REQUIREMENTS,
    ROOT,
    FunctionAsset,
    FunctionName,
    build_function_asset,
    dependencies_folder,
    fetch_dependencies,
)
from functions.catalogue.settings import CatalogueSettings
from functions.gateway.settings import GatewaySettings
from local.lambda_code import unpack
from model_packages.contract import Gate, PackageConfig
from model_packages.discovery import ModelPackage, discover
from model_packages.errors import OperatorError

FLOWERS = ModelPackage(
    name="flowers",
    path=ROOT / "tests" / "functions" / "packages" / "flowers",
    config=PackageConfig(description="Flowers.", task="regression", gate=Gate(metric="r2", minimum=0.5)),
)
FUNCTIONS: tuple[FunctionName, ...] = ("gateway", "catalogue", "champion")
ENDPOINTS = {
    "version": 3,
    "partitions": [{"partition": "aws", "services": {"ssm": {}, "s3": {}, "sagemaker-runtime": {}}}],
}


def few_dependencies(build_folder: Path) -> Path:
    """Stands in for what pip fetches: a botocore with three services, and one pure distribution."""
    folder = build_folder / "dependencies"
    files = {
        "botocore/__init__.py": "",
        "botocore/data/endpoints.json": json.dumps(ENDPOINTS),
        "botocore/data/partitions.json": "{}",
        "botocore/data/_retry.json": "{}",
        "botocore/data/sdk-default-configuration.json": "{}",
        "botocore/data/anything-else.json": "{}",
        "botocore/data/ssm/2014-11-06/service-2.json.gz": "",
        "botocore/data/s3/2006-03-01/service-2.json.gz": "",
        "botocore/data/sagemaker-runtime/2017-05-13/service-2.json.gz": "",
        "botocore-1.44.5.dist-info/METADATA": "Name: botocore",
        "six.py": "",
        "pydantic/__init__.py": "",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def build(function: FunctionName, folder: Path, package: ModelPackage = FLOWERS) -> FunctionAsset:
    packages = [] if function == "champion" else [package]
    return build_function_asset(function, packages=packages, build_folder=folder, fetch=few_dependencies)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_gateway_s_asset_holds_its_code_and_its_package_s_schema(tmp_path: Path) -> None:
    asset = build("gateway", tmp_path)

    names = set(files_in(asset.path))
    assert asset.handler == "functions.gateway.handler.handler"
    assert {"functions/__init__.py", "functions/gateway/handler.py", "functions/shared/problems.py"} <= names
    assert {name for name in names if name.startswith("model_packages/")} == {
        "model_packages/__init__.py",
        "model_packages/errors.py",
        "model_packages/fields.py",
        "model_packages/interface.py",
        "model_packages/flowers/schema.py",
    }
    assert not any(name.startswith(("functions/catalogue", "functions/champion")) for name in names)


def test_the_catalogue_s_asset_holds_what_it_documents_and_no_botocore(tmp_path: Path) -> None:
    asset = build("catalogue", tmp_path)

    names = set(files_in(asset.path))
    assert {f"model_packages/flowers/{name}" for name in ("schema.py", "examples.json", "package.toml")} <= names
    assert "model_packages/contract.py" in names
    assert "pydantic/__init__.py" in names
    assert not any(name.startswith(("botocore", "six")) for name in names)


@pytest.mark.parametrize(("function", "service"), [("gateway", "sagemaker-runtime"), ("champion", "ssm")])
def test_botocore_is_left_with_the_one_service_that_is_called(
    tmp_path: Path, function: FunctionName, service: str
) -> None:
    data = build(function, tmp_path).path / "botocore" / "data"

    assert {path.name for path in data.iterdir()} == {
        *("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"),
        service,
    }
    endpoints = json.loads((data / "endpoints.json").read_text())
    assert endpoints == {"version": 3, "partitions": [{"partition": "aws", "services": {service: {}}}]}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_same_inputs_give_the_same_bytes_times_and_rights(tmp_path: Path, function: FunctionName) -> None:
    one, other = build(function, tmp_path / "one"), build(function, tmp_path / "other")

    assert one.asset_hash == other.asset_hash
    assert one.path.name == other.path.name
    assert files_in(one.path) == files_in(other.path)
    assert {path.stat().st_mtime for path in one.path.rglob("*")} == {float(FILE_TIME)}
    assert {path.stat().st_mode & 0o777 for path in one.path.rglob("*") if path.is_file()} == {0o644}


def test_an_asset_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    first = build("gateway", tmp_path)

    def fail(_folder: Path) -> Path:
        raise AssertionError("fetched")

    assert build_function_asset("gateway", packages=[FLOWERS], build_folder=tmp_path, fetch=fail) == first


def test_another_schema_is_another_asset_and_an_example_is_only_the_catalogue_s(tmp_path: Path) -> None:
    shutil.copytree(FLOWERS.path, tmp_path / "flowers")
    changed = replace(FLOWERS, path=tmp_path / "flowers")
    (changed.path / "examples.json").write_text("[]")

    assert build("gateway", tmp_path, changed) == build("gateway", tmp_path)
    assert build("catalogue", tmp_path, changed) != build("catalogue", tmp_path)

    (changed.path / "schema.py").write_text("")

    assert build("gateway", tmp_path, changed) != build("gateway", tmp_path)


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_folder: Path) -> Path:
        raise OperatorError("no index")

    with pytest.raises(OperatorError):
        build_function_asset("gateway", packages=[FLOWERS], build_folder=tmp_path, fetch=fail)

    assert not any(tmp_path.rglob("*"))


def write_wheel(folder: Path, *, name: str, version: str, tag: str, files: Mapping[str, str]) -> None:
    """The least that pip takes for a wheel."""
    metadata = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{metadata}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{metadata}/entry_points.txt": "[console_scripts]\nrun = thing:run\n",
        f"{metadata}/licenses/LICENSE": "Do as you like.",
    }
    hashes = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in content.items()}
    record = "".join(f"{path},sha256={digest.decode().rstrip('=')},\n" for path, digest in hashes.items())
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        for path, text in {**content, f"{metadata}/RECORD": f"{record}{metadata}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def offline(folder: Path) -> list[str]:
    return ["--isolated", "--no-index", "-f", str(folder)]


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_wheels_for_lambda_are_fetched_whatever_they_call_its_platform(tmp_path: Path, platform: str) -> None:
    python = "cp{}{}".format(*PYTHON_VERSION)
    wheels, requirements = tmp_path / "wheels", tmp_path / "requirements.txt"
    write_wheel(
        wheels, name="thing", version="1.0", tag=f"{python}-{python}-{platform}", files={"thing.py": "run = 1\n"}
    )
    requirements.write_text("thing==1.0\n")

    folder = fetch_dependencies(tmp_path / "build", requirements=requirements, options=offline(wheels))
    shutil.rmtree(wheels)
    again = fetch_dependencies(tmp_path / "build", requirements=requirements, options=offline(wheels))

    assert again == folder
    assert set(files_in(folder)) == {
        "thing.py",
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/WHEEL",
        "thing-1.0.dist-info/licenses/LICENSE",
    }


@pytest.mark.slow
def test_a_fetch_that_fails_says_what_pip_said_and_what_to_do(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("thing==1.0\n")
    tmp_path.joinpath("wheels").mkdir()

    with pytest.raises(OperatorError) as raised:
        fetch_dependencies(tmp_path / "build", requirements=requirements, options=offline(tmp_path / "wheels"))

    assert "No matching distribution found for thing==1.0" in str(raised.value)
    assert "python -m cdk.function_asset" in str(raised.value)
    assert list((tmp_path / "build" / "functions").iterdir()) == []


def test_every_requirement_is_pinned_and_is_what_runs_here() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    locked = (ROOT / "requirements" / "lock.txt").read_text()

    assert all(line.count("==") == 1 for line in lines)
    assert [line for line in lines if f"{line} " not in locked.replace(" \\", " ")] == []


def run_isolated(asset: FunctionAsset, program: str, tmp_path: Path) -> str:
    """Runs `program` with the asset and the standard library alone, as far as this machine can be Lambda."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for path in asset.path.rglob("*"):
            writer.write(path, path.relative_to(asset.path))
    code = unpack(archive.getvalue(), tmp_path / "code")
    gateway = GatewaySettings(
        package=FLOWERS.name, endpoint_name="e", timeout_seconds=1, maximum_body_bytes=1000, maximum_rows=2
    )
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **gateway.to_environment(),
        **CatalogueSettings(authorization="iam").to_environment(),
    }
    start = f"import sys; sys.path.insert(0, {str(code)!r}); sys.dont_write_bytecode = True\n"
    command = [sys.executable, "-I", "-S", "-c", start + program]
    finished = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def fetched(_build_folder: Path) -> Path:
    """What `make setup` fetched for real."""
    return dependencies_folder(ROOT / "build")


needs_dependencies = pytest.mark.skipif(
    not dependencies_folder(ROOT / "build").exists(),
    reason="`python -m cdk.function_asset` fetches what functions import",
)


@pytest.mark.slow
@needs_dependencies
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_from_its_asset_alone(tmp_path: Path, function: FunctionName) -> None:
    packages = [] if function == "champion" else [FLOWERS]
    asset = build_function_asset(function, packages=packages, build_folder=tmp_path, fetch=fetched)

    printed = run_isolated(
        asset, f"import {asset.handler.rpartition('.')[0]} as module; print(module.handler)", tmp_path
    )

    assert "function handler" in printed


@pytest.mark.slow
@needs_dependencies
def test_the_gateway_answers_from_its_asset_alone(tmp_path: Path) -> None:
    asset = build_function_asset("gateway", packages=[FLOWERS], build_folder=tmp_path, fetch=fetched)
    event = {
        "pathParameters": {"proxy": "predict"},
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": '{"petals": -1}',
    }
    program = f"from functions.gateway.handler import handler; print(handler({event!r}, None)['statusCode'])"

    printed = run_isolated(asset, program, tmp_path)

    assert printed.splitlines()[-1] == "422"


@pytest.mark.slow
@needs_dependencies
def test_every_package_s_schema_imports_where_it_is_deployed(tmp_path: Path) -> None:
    packages = discover()
    asset = build_function_asset("catalogue", packages=packages, build_folder=tmp_path, fetch=fetched)
    names = [package.name for package in packages]
    program = f"from model_packages.interface import load_interface; print(*map(load_interface, {names!r}), sep='\\n')"

    assert len(run_isolated(asset, program, tmp_path).splitlines()) == len(packages)
