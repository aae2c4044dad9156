"""Builds the folders that Lambda functions are deployed from: our code, the packages' schemas, and what they import.

Pure Python, no CDK: the same inputs give the same bytes, times and hash. What the functions import is fetched once for
Lambda's platform and kept in the build folder, so that every later build works without a network. The large libraries
make a folder of their own, for a layer: docs/decisions/function-libraries.md.
`python -m cdk.function_asset` only fetches.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "functions" / "requirements.txt"

PYTHON_VERSION = (3, 14)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Lambda's Python and platform (docs/decisions/lambda-runtime.md); wheels name the same platform in several ways."""

FILE_TIME = 315_619_200  # 1980-01-02: the first day that a zip file can hold in every time zone

FunctionName = Literal["gateway", "catalogue", "champion", "monitor", "retraining"]


LAYER = "libraries"
"""What the layer's folder is called in the build folder, beside those of the functions."""
LAYER_CODE = "python"
"""Where in a layer Lambda's Python looks."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A built folder. `asset_hash` is that of its inputs."""

    path: Path
    asset_hash: str


@dataclass(frozen=True, slots=True)
class FunctionAsset(Asset):
    """A function's folder; `handler` is what Lambda calls."""

    handler: str


@dataclass(frozen=True, slots=True)
class FunctionContent:
    """What one function needs beside its own folder and `functions/shared`."""

    contract: tuple[str, ...]
    """Modules of `model_packages/`, and packages of it that hold no model."""
    functions: tuple[str, ...] = ()
    """Modules of other functions, or all that one has."""
    libraries: tuple[str, ...] = ()
    """Which of ONLY_WHERE_NAMED it imports."""
    package_files: tuple[str, ...] = ()
    """Files of each model package."""
    aws_services: tuple[str, ...] = ()
    """Services it calls; without any, botocore stays out."""
    in_layer: bool = False
    """Whether all that it imports lies in the layer, and nothing beside its code."""


CONTENTS: Mapping[FunctionName, FunctionContent] = {
    "gateway": FunctionContent(
        contract=("__init__", "errors", "fields", "interface"),
        package_files=("schema.py",),
        aws_services=("sagemaker-runtime", "s3"),
    ),
    "catalogue": FunctionContent(
        contract=("__init__", "contract", "errors", "fields", "interface"),
        package_files=("schema.py", "examples.json", "package.toml"),
    ),
    "champion": FunctionContent(contract=("__init__", "errors"), aws_services=("ssm",)),
    "monitor": FunctionContent(
        contract=("__init__", "contract", "discovery", "errors", "fields", "interface", "profile"),
        functions=("gateway/__init__", "gateway/metrics"),
        libraries=("numpy", "orjson", "pillow"),
        package_files=("schema.py", "package.toml"),
        aws_services=("cloudwatch", "logs", "s3", "sagemaker", "ssm"),
        in_layer=True,
    ),
    "retraining": FunctionContent(
        contract=(
            "__init__",
            "contract",
            "dataset",
            "discovery",
            "errors",
            "evidence",
            "fields",
            "interface",
            "profile",
            "serving",
            "sizing",
        ),
        functions=("gateway/__init__", "gateway/metrics", "monitor"),
        libraries=("numpy", "orjson", "pillow"),
        package_files=("schema.py", "package.toml", "README.md"),
        aws_services=("cloudwatch", "logs", "s3", "sagemaker", "sns", "ssm", "stepfunctions"),
        in_layer=True,
    ),
}

ONLY_WITH_BOTOCORE = ("botocore", "dateutil", "python_dateutil", "six", "urllib3")
ONLY_WHERE_NAMED: Mapping[str, tuple[str, ...]] = {
    "numpy": ("numpy", "numpy.libs"),
    "orjson": ("orjson",),
    "pillow": ("PIL", "pillow", "pillow.libs"),
}
"""What most functions start without, by library: its folders."""
NEVER_RUN = ("tests", "*.pyi", "*.a", "include", "f2py")
"""Of a library's folders, at any depth: a third of NumPy."""
KEPT_METADATA = ("METADATA", "WHEEL", "licenses", "LICENSE", "LICENSE.txt", "NOTICE", "NOTICE.txt")
"""Of a *.dist-info folder; the local cloud reads which distribution it is, and for which interpreter."""
BOTOCORE_DATA = ("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")
"""Of botocore/data, beside the services: what every client reads."""


def fetch_dependencies(build_folder: Path, *, requirements: Path = REQUIREMENTS, options: Sequence[str] = ()) -> Path:
    """The folder with everything of `requirements`, for Lambda's platform; pip fetches it if it is not there.

    `options` are more of pip's, for example an index.

    Raises: OperatorError with pip's last lines.
    """
    path = dependencies_folder(build_folder, requirements=requirements)
    if not path.exists():
        _make_folder(path, lambda folder: _fetch(requirements, folder, options))
    return path


def dependencies_folder(build_folder: Path, *, requirements: Path = REQUIREMENTS) -> Path:
    """Where `fetch_dependencies` keeps what it fetched: another version or another target is another folder."""
    text = requirements.read_text(encoding="utf-8")
    digest = hashlib.sha256(repr((text, PYTHON_VERSION, PLATFORMS, KEPT_METADATA)).encode()).hexdigest()
    return build_folder / "functions" / f"dependencies-{digest[:16]}"


def build_function_asset(
    function: FunctionName,
    *,
    packages: Sequence[ModelPackage],
    build_folder: Path,
    fetch: Callable[[Path], Path] = fetch_dependencies,
) -> FunctionAsset:
    """The asset of `function` with the schemas of `packages`, below `build_folder`/functions; built if it is not there.

    Raises: OperatorError if what the functions import has to be fetched and cannot be.
    """
    content = CONTENTS[function]
    built = _build(
        function,
        sources=dict(_sources(function, packages)),
        libraries_of=() if content.in_layer else (content,),
        libraries_in="",
        build_folder=build_folder,
        fetch=fetch,
    )
    return FunctionAsset(built.path, built.asset_hash, handler=f"functions.{function}.handler.handler")


def build_layer_asset(*, build_folder: Path, fetch: Callable[[Path], Path] = fetch_dependencies) -> Asset:
    """What all functions import together that have their libraries in the layer; no code and no package of ours.

    Raises: OperatorError as build_function_asset.
    """
    return _build(
        LAYER,
        sources={},
        libraries_of=[content for content in CONTENTS.values() if content.in_layer],
        libraries_in=LAYER_CODE,
        build_folder=build_folder,
        fetch=fetch,
    )


def _build(
    name: str,
    *,
    sources: Mapping[str, bytes],
    libraries_of: Sequence[FunctionContent],
    libraries_in: str,
    build_folder: Path,
    fetch: Callable[[Path], Path],
) -> Asset:
    """The folder with `sources`, and below `libraries_in` what `libraries_of` import together, if there are any."""
    compiler = _find_compiler()
    asset_hash = _hash(name, sources, has_libraries=bool(libraries_of), compiled=compiler is not None)
    path = build_folder / "functions" / f"{name}-{asset_hash[:16]}"
    if not path.exists():
        dependencies = fetch(build_folder) if libraries_of else None

        def fill(folder: Path) -> None:
            if dependencies is not None:
                _copy_libraries(dependencies, folder / libraries_in, libraries_of)
            _write(sources, folder)
            if compiler is not None:
                _compile(folder, compiler)

        _make_folder(path, fill)
    return Asset(path=path, asset_hash=asset_hash)


def _make_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Fills a folder beside `path` and moves it there whole, so that no half of one is ever found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as temporary:
        folder = Path(temporary) / "content"
        folder.mkdir()
        fill(folder)
        _make_uniform(folder)
        try:
            folder.rename(path)
        except OSError:
            if not path.exists():  # else another process was quicker, and made the same
                raise


def _fetch(requirements: Path, folder: Path, options: Sequence[str]) -> None:
    version = ".".join(map(str, PYTHON_VERSION))
    platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    target = ["--target", str(folder), "--python-version", version, "--implementation", "cp", *platforms]
    exact = ["--only-binary=:all:", "--no-deps", "--no-compile", "--requirement", str(requirements)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *target, *exact, *options]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode != 0:
        tail = "\n".join(f"  {line}" for line in finished.stderr.splitlines()[-5:])
        raise OperatorError(
            f"{requirements} could not be fetched for Python {version} on {PLATFORMS[0]}; pip said:\n{tail}\n"
            "It is needed once: connect to a package index (or set PIP_INDEX_URL or PIP_FIND_LINKS to one) and run "
            "`python -m cdk.function_asset`"
        )
    _remove_what_never_runs(folder)


def _remove_what_never_runs(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for metadata in folder.glob("*.dist-info"):
        for path in metadata.iterdir():
            if path.name not in KEPT_METADATA:
                path.unlink() if path.is_file() else shutil.rmtree(path)


def _sources(function: FunctionName, packages: Sequence[ModelPackage]) -> Iterator[tuple[str, bytes]]:
    """The asset's own files: path in the asset, and content."""
    content = CONTENTS[function]
    code = [path for folder in (function, "shared") for path in (ROOT / "functions" / folder).rglob("*.py")]
    borrowed = [path for module in content.functions for path in _modules(ROOT / "functions" / module)]
    contract = [path for module in content.contract for path in _modules(ROOT / "model_packages" / module)]
    for path in sorted([ROOT / "functions" / "__init__.py", *code, *borrowed, *contract]):
        yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for package in packages:
        for name in content.package_files:
            yield f"model_packages/{package.name}/{name}", (package.path / name).read_bytes()


def _modules(path: Path) -> list[Path]:
    return list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _hash(name: str, sources: Mapping[str, bytes], *, has_libraries: bool, compiled: bool) -> str:
    digest = hashlib.sha256()
    libraries = REQUIREMENTS.read_bytes() if has_libraries else b""
    fixed = [Path(__file__).read_bytes(), libraries, name.encode(), str(compiled).encode()]
    for part in [*fixed, *(part for name, content in sorted(sources.items()) for part in (name.encode(), content))]:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _write(sources: Mapping[str, bytes], folder: Path) -> None:
    for name, content in sources.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _copy_libraries(dependencies: Path, folder: Path, contents: Sequence[FunctionContent]) -> None:
    """What of the fetched libraries any of `contents` imports."""
    named = {library for content in contents for library in content.libraries}
    services = {service for content in contents for service in content.aws_services}
    ignore = _leave_out(dependencies, named=named, has_botocore=bool(services))
    shutil.copytree(dependencies, folder, dirs_exist_ok=True, ignore=ignore)
    if services:
        _trim_botocore(folder / "botocore" / "data", services)


def _leave_out(
    dependencies: Path, *, named: Collection[str], has_botocore: bool
) -> Callable[[str, list[str]], set[str]]:
    """What of the fetched libraries is not needed: whole ones, and in each what never runs."""
    others = {name for library, names in ONLY_WHERE_NAMED.items() if library not in named for name in names}
    unwanted = others if has_botocore else {*others, *ONLY_WITH_BOTOCORE}

    def ignore(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == dependencies:
            return {name for name in names if name.split("-")[0].removesuffix(".py") in unwanted}
        is_named = Path(folder).relative_to(dependencies).parts[0] in ONLY_WHERE_NAMED
        return {name for pattern in NEVER_RUN for name in fnmatch.filter(names, pattern)} if is_named else set()

    return ignore


def _trim_botocore(data: Path, services: Collection[str]) -> None:
    """Takes out the services nobody calls: nearly all of botocore's data, and a good part of each cold start."""
    for path in data.iterdir():
        if path.is_dir() and path.name not in services:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in BOTOCORE_DATA:
            path.unlink()
    endpoints = json.loads((data / "endpoints.json").read_text(encoding="utf-8"))
    (data / "endpoints.json").write_text(json.dumps(_only_services(endpoints, services)), encoding="utf-8")


def _only_services(endpoints: Mapping[str, Any], services: Collection[str]) -> dict[str, Any]:
    partitions = [
        {**partition, "services": {name: value for name, value in partition["services"].items() if name in services}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _find_compiler() -> str | None:
    """An interpreter of Lambda's Python version. Without one the asset holds no .pyc files: another's are ignored."""
    if sys.version_info[:2] == PYTHON_VERSION:
        return sys.executable
    return shutil.which("python{}.{}".format(*PYTHON_VERSION))


def _compile(folder: Path, compiler: str) -> None:
    """Lambda's code folder is read-only, so what is not compiled here is compiled at every cold start."""
    arguments = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), str(folder)]
    subprocess.run([compiler, *arguments], check=True)


def _make_uniform(folder: Path) -> None:
    """Gives every file the same time and rights; deepest first, because writing into a folder changes its time."""
    for parent, _, files in os.walk(folder, topdown=False):
        for path in [*(Path(parent, name) for name in files), Path(parent)]:
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (FILE_TIME, FILE_TIME))


if __name__ == "__main__":
    print(fetch_dependencies(ROOT / "build"))
