"""The layout keeps its promises: imports point one way, each library stays where its code runs, names are nouns."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "model_packages": set[str](),
    "container": {"model_packages"},
    "functions": {"model_packages"},
    "cdk": {"model_packages", "functions", "container"},
    "local": {"model_packages"},
}
"""Which of our folders the code of a folder may import, beside itself."""

ONLY_IN = {
    "torch": {"container", "model_packages", "tests"},
    "granian": {"container", "tests"},
    "aws_cdk": {"cdk", "tests", "app.py"},
    "constructs": {"cdk", "tests", "app.py"},
    "cdk_nag": {"cdk", "tests", "app.py"},
    "moto": {"local", "tests"},
    "awslambdaric": {"local", "tests"},
    "aiohttp": {"local", "tests"},
    "sagemaker": {"tests"},
    "awscli": {"tests"},
    "aws_lambda_powertools": {"functions", "tests"},
    "typer": {"cli.py", "tests"},
}
"""Where a library may be imported: its code runs there and nowhere else."""

TORCH_FREE_FILES = ("contract", "dataset", "discovery", "errors", "fields", "interface", "scaffold")
POLL_PAUSE_SECONDS = 0.05
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "common", "base", "constants", "misc"}


@cache
def _tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def _python_files() -> list[Path]:
    return [path for path in _tracked_files() if path.suffix == ".py"]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imported(path: Path) -> frozenset[str]:
    """The top-level names that a file imports, wherever in the file it does."""
    return frozenset(_imports(_tree(path)))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def _home(path: Path) -> str:
    """The top-level folder (or file) that a path belongs to."""
    return path.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_point_one_way(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | {folder}
    ours = {*MAY_IMPORT, "cli", "app", "tests"}

    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _python_files()
        if _home(path) == folder
        for name in _imported(path)
        if name in ours - allowed
    }

    assert wrong == set()


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_imported_only_where_its_code_runs(library: str) -> None:
    wrong = {
        str(path.relative_to(ROOT))
        for path in _python_files()
        if _home(path) not in ONLY_IN[library] and library in _imported(path)
    }

    assert wrong == set()


@pytest.mark.parametrize("module", TORCH_FREE_FILES)
def test_the_contract_imports_neither_torch_nor_numpy(module: str) -> None:
    imported = _imported(ROOT / "model_packages" / f"{module}.py")

    assert imported & {"torch", "numpy", "boto3", "botocore"} == set()


def test_functions_never_import_boto3() -> None:
    wrong = {str(path) for path in _python_files() if _home(path) == "functions" and "boto3" in _imported(path)}

    assert wrong == set()


@pytest.mark.parametrize("requirements", ["functions/requirements.txt", "container/requirements.txt"])
def test_no_function_and_no_image_installs_a_client_for_people(requirements: str) -> None:
    names = set(re.findall(r"^[\w.-]+", (ROOT / requirements).read_text(encoding="utf-8"), re.MULTILINE))

    assert {name for name in names if name.startswith(("sagemaker", "awscli"))} == set()


def test_only_app_and_cli_are_entry_points_at_the_top() -> None:
    top = {path.name for path in _python_files() if path.parent == ROOT}

    assert top == {"app.py", "cli.py"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {str(path.relative_to(ROOT)) for path in _python_files() if path.stem in VAGUE_MODULES}

    assert vague == set()


def test_every_module_says_what_it_is() -> None:
    silent = {
        str(path.relative_to(ROOT))
        for path in _python_files()
        if path.read_text(encoding="utf-8").strip()
        and "_template" not in path.parts
        and ast.get_docstring(_tree(path)) is None
    }

    assert silent == set()


def _sleeps(path: Path) -> Iterator[str]:
    """Calls of a sleep() that waits for longer than a poll's pause, or for a time that cannot be read off."""
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(("time.sleep", "asyncio.sleep")):
            continue
        seconds = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        if not isinstance(seconds, int | float) or seconds > POLL_PAUSE_SECONDS:
            yield ast.unparse(node)


def test_tests_neither_patch_nor_sleep() -> None:
    files = [path for path in _python_files() if _home(path) == "tests" and path != Path(__file__)]

    sleeping = {f"{path.relative_to(ROOT)}: {call}" for path in files for call in _sleeps(path)}
    patching = {str(path.relative_to(ROOT)) for path in files if "mock.patch" in path.read_text(encoding="utf-8")}

    assert sleeping | patching == set()


def test_no_registry_address_and_no_machine_path_is_committed() -> None:
    pattern = re.compile(r"--(extra-)?index-url|--find-links|\"resolved\":|/root/|/tmp/v/")

    wrong = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in _tracked_files()
        if path.suffix in {".py", ".txt", ".in", ".json", ".md", ".toml", ".yaml", ""} and path != Path(__file__)
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    }

    assert wrong == set()
