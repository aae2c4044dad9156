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
    Asset,
    FunctionAsset,
    FunctionName,
    build_function_asset,
    build_layer_asset,
    dependencies_folder,
    fetch_dependencies,
)
from functions.catalogue.settings import CatalogueSettings
from functions.gateway.settings import GatewaySettings
from functions.monitor.settings import MonitorSettings
from functions.retraining.settings import RetrainingSettings
from local.lambda_code import unpack, unpack_layers
from local.state.leftovers import discard_old_builds
from model_packages.contract import Gate, PackageConfig
from model_packages.discovery import ModelPackage, discover
from model_packages.errors import OperatorError

FLOWERS = ModelPackage(
    name="flowers",
    path=ROOT / "tests" / "functions" / "packages" / "flowers",
    config=PackageConfig(description="Flowers.", task="regression", gate=Gate(metric="r2", minimum=0.5)),
)
FUNCTIONS: tuple[FunctionName, ...] = ("gateway", "catalogue", "champion", "monitor", "retraining")
WITH_LAYER: tuple[FunctionName, ...] = ("monitor", "retraining")
LARGEST_CODE_BYTES = 1_000_000
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024
IN_LAYER = {"cloudwatch", "logs", "s3", "sagemaker", "sns", "ssm", "stepfunctions"}
SERVICES = {*IN_LAYER, "sagemaker-runtime"}
ENDPOINTS = {
    "version": 3,
    "partitions": [{"partition": "aws", "services": {name: {} for name in SERVICES}}],
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
        "botocore/data/lambda/2020-01-01/service-2.json.gz": "",
        **{f"botocore/data/{name}/2020-01-01/service-2.json.gz": "" for name in SERVICES},
        "botocore-1.44.5.dist-info/METADATA": "Name: botocore",
        "six.py": "",
        "pydantic/__init__.py": "",
        "pydantic/tests/__init__.py": "",
        "numpy/__init__.py": "",
        "numpy/__init__.pyi": "",
        "numpy/linalg/lapack_lite.py": "",
        "numpy/linalg/tests/test_linalg.py": "",
        "numpy/_core/include/numpy/arrayobject.h": "",
        "numpy/f2py/__init__.py": "",
        "numpy.libs/libopenblas.so": "",
        "numpy-2.4.6.dist-info/METADATA": "Name: numpy",
        "orjson/__init__.py": "",
        "orjson-3.13.0.dist-info/METADATA": "Name: orjson",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def build(function: FunctionName, folder: Path, package: ModelPackage = FLOWERS) -> FunctionAsset:
    packages = [] if function == "champion" else [package]
    return build_function_asset(function, packages=packages, build_folder=folder, fetch=few_dependencies)


def build_layer(folder: Path) -> Asset:
    return build_layer_asset(build_folder=folder, fetch=few_dependencies)


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


def test_the_monitor_s_asset_holds_the_profile_and_what_it_shares_with_the_gateway(tmp_path: Path) -> None:
    asset = build("monitor", tmp_path)

    names = set(files_in(asset.path))
    assert asset.handler == "functions.monitor.handler.handler"
    assert {"functions/monitor/decision.py", "functions/shared/layout.py", "model_packages/profile/fold.py"} <= names
    assert {f"model_packages/flowers/{name}" for name in ("schema.py", "package.toml")} <= names
    assert {name for name in names if name.startswith("functions/gateway/")} == {
        "functions/gateway/__init__.py",
        "functions/gateway/metrics.py",
    }


def test_the_retraining_s_asset_holds_the_monitor_and_what_a_model_card_is_made_of(tmp_path: Path) -> None:
    asset = build("retraining", tmp_path)

    names = set(files_in(asset.path))
    assert {"functions/retraining/handler.py", "functions/monitor/joining.py"} <= names
    assert {f"model_packages/{module}.py" for module in ("contract", "evidence", "serving")} <= names
    assert {f"model_packages/flowers/{name}" for name in ("schema.py", "package.toml", "README.md")} <= names


def test_the_layer_holds_libraries_alone_and_of_numpy_only_what_runs(tmp_path: Path) -> None:
    names = set(files_in(build_layer(tmp_path).path))

    assert {name for name in names if not name.startswith("python/botocore")} == {
        "python/numpy/__init__.py",
        "python/numpy/linalg/lapack_lite.py",
        "python/numpy.libs/libopenblas.so",
        "python/numpy-2.4.6.dist-info/METADATA",
        "python/orjson/__init__.py",
        "python/orjson-3.13.0.dist-info/METADATA",
        "python/pydantic/__init__.py",
        "python/pydantic/tests/__init__.py",
        "python/six.py",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_s_libraries_lie_beside_its_code_or_in_the_layer(tmp_path: Path, function: FunctionName) -> None:
    names = set(files_in(build(function, tmp_path).path))

    libraries = {name.partition("/")[0] for name in names} - {"functions", "model_packages"}
    assert not any(name.startswith(("numpy", "orjson")) for name in libraries)
    assert ("pydantic" in libraries) == (function not in WITH_LAYER)
    assert libraries == set() or function not in WITH_LAYER


@pytest.mark.parametrize(
    ("function", "services"),
    [("gateway", {"sagemaker-runtime", "s3"}), ("champion", {"ssm"}), (None, IN_LAYER)],
)
def test_botocore_is_left_with_the_services_that_are_called(
    tmp_path: Path, function: FunctionName | None, services: set[str]
) -> None:
    libraries = build(function, tmp_path).path if function else build_layer(tmp_path).path / "python"
    data = libraries / "botocore" / "data"

    assert {path.name for path in data.iterdir()} == {
        *("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"),
        *services,
    }
    endpoints = json.loads((data / "endpoints.json").read_text())
    kept: dict[str, dict[str, str]] = {service: {} for service in services}
    assert endpoints == {"version": 3, "partitions": [{"partition": "aws", "services": kept}]}


@pytest.mark.parametrize("function", [*FUNCTIONS, None])
def test_the_same_inputs_give_the_same_bytes_times_and_rights(tmp_path: Path, function: FunctionName | None) -> None:
    folders = (tmp_path / "one", tmp_path / "other")
    one, other = (build(function, folder) if function else build_layer(folder) for folder in folders)

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


@pytest.mark.parametrize("function", WITH_LAYER)
def test_code_without_libraries_is_built_without_fetching_any(tmp_path: Path, function: FunctionName) -> None:
    def fail(_folder: Path) -> Path:
        raise AssertionError("fetched")

    assert build_function_asset(function, packages=[FLOWERS], build_folder=tmp_path, fetch=fail).path.exists()


def test_the_layer_is_called_as_builds_that_are_pruned(tmp_path: Path) -> None:
    layers = [tmp_path / "functions" / f"libraries-{digit * 16}" for digit in "0123"]
    for layer in layers:
        layer.mkdir(parents=True)
    made = build_layer(tmp_path)

    discard_old_builds(tmp_path / "functions", kept=1)

    assert made.path.exists()
    assert not any(layer.exists() for layer in layers)


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


def zipped(folder: Path) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for path in folder.rglob("*"):
            writer.write(path, path.relative_to(folder))
    return archive.getvalue()


def run_isolated(asset: FunctionAsset, program: str, tmp_path: Path, *, layer: Asset | None = None) -> str:
    """Runs `program` with the asset, the layer and the standard library alone, as far as this machine can be Lambda."""
    path = [str(unpack(zipped(asset.path), tmp_path / "code"))]
    if layer is not None:
        path.append(str(unpack_layers([zipped(layer.path)], tmp_path / "code") / "python"))
    gateway = GatewaySettings(
        package=FLOWERS.name,
        endpoint_name="e",
        timeout_seconds=1,
        maximum_body_bytes=1000,
        maximum_rows=2,
        captures_bucket="c",
        label_days=30,
        capture_percent=0,
        block="time",
    )
    monitor = MonitorSettings(
        package=FLOWERS.name,
        endpoint_name="e",
        captures_bucket="c",
        initial_baseline_uri="s3://b/baseline.zip",
        champion_parameter="/p",
        gateway_log_group="g",
        processing_role_arn="r",
        processing_image_uri="i",
        processing_app_uri="s3://b/app.py",
        processing_code_uri="s3://b/code.zip",
        key_arn="k",
    )
    retraining = RetrainingSettings(
        package=FLOWERS.name,
        endpoint_name="e",
        champion_parameter="/p",
        model_package_group="g",
        artifacts_bucket="a",
        captures_bucket="c",
        initial_model_uri="s3://b/model.tar.gz",
        base_data_uri="s3://b/data.zip",
        image_uri="i",
        execution_role_arn="r",
        topic_arn="t",
        drift_alarm="d",
        quality_alarm="q",
        rollback_alarms=("e",),
        state_machine_arn="s",
        key_arn="k",
    )
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **gateway.to_environment(),
        **CatalogueSettings(authorization="iam").to_environment(),
        **monitor.to_environment(),
        **retraining.to_environment(),
    }
    start = f"import sys; sys.path[:0] = {path!r}; sys.dont_write_bytecode = True\n"
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
def test_a_function_starts_from_its_asset_and_its_layer_alone(tmp_path: Path, function: FunctionName) -> None:
    packages = [] if function == "champion" else [FLOWERS]
    asset = build_function_asset(function, packages=packages, build_folder=tmp_path, fetch=fetched)
    layer = build_layer_asset(build_folder=tmp_path, fetch=fetched) if function in WITH_LAYER else None
    program = f"import {asset.handler.rpartition('.')[0]} as module; print(module.handler)"

    printed = run_isolated(asset, program, tmp_path, layer=layer)

    assert "function handler" in printed


@pytest.mark.slow
@needs_dependencies
def test_code_and_layer_are_as_small_as_they_are_meant_to_be(tmp_path: Path) -> None:
    layer = build_layer_asset(build_folder=tmp_path, fetch=fetched)
    for function in WITH_LAYER:
        asset = build_function_asset(function, packages=[FLOWERS], build_folder=tmp_path, fetch=fetched)

        code, libraries = (sum(map(len, files_in(path).values())) for path in (asset.path, layer.path))

        assert code < LARGEST_CODE_BYTES
        assert code + libraries < UNZIPPED_LIMIT_BYTES / 2


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
def test_the_gateway_makes_its_s3_client_from_its_asset_alone(tmp_path: Path) -> None:
    asset = build_function_asset("gateway", packages=[FLOWERS], build_folder=tmp_path, fetch=fetched)
    program = "from functions.gateway.bucket import make_s3_client; print(make_s3_client().meta.service_model)"

    printed = run_isolated(asset, program, tmp_path)

    assert printed.splitlines()[-1] == "ServiceModel(s3)"


@pytest.mark.slow
@needs_dependencies
def test_every_package_s_schema_imports_where_it_is_deployed(tmp_path: Path) -> None:
    packages = discover()
    asset = build_function_asset("catalogue", packages=packages, build_folder=tmp_path, fetch=fetched)
    names = [package.name for package in packages]
    program = f"from model_packages.interface import load_interface; print(*map(load_interface, {names!r}), sep='\\n')"

    assert len(run_isolated(asset, program, tmp_path).splitlines()) == len(packages)
