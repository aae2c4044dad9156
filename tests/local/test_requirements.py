"""A package's requirements are met in this environment, or the operator is told which are not."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

import pytest

from local.requirements import check_requirements
from model_packages.discovery import ModelPackage, discover
from model_packages.errors import PackageError


def package_with(requirements: str, folder: Path) -> ModelPackage:
    (folder / "requirements.txt").write_text(requirements)
    return dataclasses.replace(discover()[0], name="some", path=folder)


@pytest.mark.parametrize(
    "requirements",
    [
        "",
        "# nothing\n",
        f"numpy=={version('numpy')}\n",
        f"numpy=={version('numpy')} \\\n    --hash=sha256:00\n",
        "pydantic>=2,<3  # the schema\n",
        'nonesuch==1.0; python_version < "3.0"\n',
    ],
)
def test_what_is_met_is_no_problem(requirements: str, tmp_path: Path) -> None:
    check_requirements([package_with(requirements, tmp_path)])


def test_every_line_that_is_not_met_is_named_with_what_to_do(tmp_path: Path) -> None:
    package = package_with("nonesuch==1.0\nnumpy==0.1\nnot a requirement!\n", tmp_path)

    with pytest.raises(PackageError) as caught:
        check_requirements([package])

    found = {problem.key: (problem.found, problem.allowed) for problem in caught.value.problems}
    assert found["nonesuch"][0] == "nothing in this environment"
    assert found["numpy"] == (
        f"{version('numpy')} in this environment",
        "numpy==0.1 (.venv/bin/pip install -r model_packages/some/requirements.txt)",
    )
    assert found["not a requirement!"][0] == "no requirement"
