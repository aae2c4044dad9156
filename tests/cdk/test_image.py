"""A package's build context: all that the Dockerfile copies, nothing of another package, the same bytes each time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdk.image import write_build_context
from model_packages.discovery import ModelPackage
from tests.cdk.synth import ROOT, Workshop


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def package(workshop: Workshop) -> ModelPackage:
    package = workshop.package(training={"data": "data"})
    for name in ("README.md", "requirements.txt", "notes/shapes.py", "old/model.tar.gz", "__pycache__/schema.pyc"):
        (package.path / name).parent.mkdir(exist_ok=True)
        (package.path / name).write_text(name, encoding="utf-8")
    return package


def test_the_context_holds_the_package_without_data_artifacts_and_prose(package: ModelPackage, tmp_path: Path) -> None:
    context = write_build_context(package, tmp_path / "context")

    inside = {name for name in contents(context / "model_packages") if "/" in name and not name.startswith("profile/")}
    assert inside == {"flowers/schema.py", "flowers/requirements.txt", "flowers/notes/shapes.py"}


def test_the_context_holds_the_contract_and_no_other_package(package: ModelPackage, tmp_path: Path) -> None:
    context = write_build_context(package, tmp_path / "context")

    modules = {path.name for path in (context / "model_packages").iterdir()}
    assert modules == {path.name for path in (ROOT / "model_packages").glob("*.py")} | {"flowers", "profile"}


def test_everything_that_the_dockerfile_copies_is_there(package: ModelPackage, tmp_path: Path) -> None:
    context = write_build_context(package, tmp_path / "context")
    dockerfile = (context / "Dockerfile").read_text(encoding="utf-8").replace("${PACKAGE}", package.name)

    copied = re.findall(r"^COPY (\S+) ", dockerfile, flags=re.MULTILINE)

    assert copied
    assert all((context / source).exists() for source in copied)


def test_training_data_in_a_folder_of_another_name_stays_out_too(workshop: Workshop, tmp_path: Path) -> None:
    package = workshop.package(training={"data": "records/2026"})
    (package.path / "records" / "2026").mkdir(parents=True)
    (package.path / "records" / "2026" / "a.jsonl").write_text("{}", encoding="utf-8")

    context = write_build_context(package, tmp_path / "context")

    assert not list(context.rglob("a.jsonl"))


def test_the_context_is_the_same_whenever_it_is_made(package: ModelPackage, tmp_path: Path) -> None:
    first = contents(write_build_context(package, tmp_path / "context"))
    (tmp_path / "context" / "left-over.txt").write_text("from before", encoding="utf-8")

    second = contents(write_build_context(package, tmp_path / "context"))

    assert second == first
