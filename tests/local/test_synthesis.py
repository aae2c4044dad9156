"""Templates are made again when what goes in or what came out has changed, and only then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local.project import Project
from local.synthesis import synth

APP = """
import os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
(out / "asset").mkdir(parents=True)
(out / "asset" / "code.py").write_text("1")
(out / "manifest.json").write_text("{}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose synth takes no CDK, synthesized once."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "cdk.json").write_text("{}")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "lock.txt").touch()
    project = Project(root=tmp_path)
    assert synthesized_anew(project)
    return project


def synthesized_anew(project: Project) -> bool:
    return asyncio.run(synth(project, say=lambda _line: None)).fresh


def run_a_model_server(project: Project) -> None:
    bytecode = project.assembly / "asset" / "__pycache__"
    bytecode.mkdir()
    (bytecode / "code.pyc").touch()


@pytest.mark.parametrize("change", [lambda _project: None, run_a_model_server])
def test_what_has_not_changed_is_not_made_again(project: Project, change: Callable[[Project], None]) -> None:
    change(project)

    assert not synthesized_anew(project)


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project.root / "cdk.json").write_text('{"context": {}}'),
        lambda project: (project.assembly / "manifest.json").unlink(),
        lambda project: (project.assembly / "asset" / "code.py").write_text("12"),
        lambda project: (project.assembly / "asset" / "more.py").touch(),
        lambda project: (project.assembly / ".flyball-inputs").write_bytes(b"\xff"),
    ],
)
def test_a_change_of_what_goes_in_or_came_out_makes_it_again(
    project: Project, change: Callable[[Project], object]
) -> None:
    change(project)

    assert synthesized_anew(project)
    assert not synthesized_anew(project)
    assert (project.assembly / "asset" / "code.py").read_text() == "1"


def test_another_environment_makes_it_again_and_is_told_to_the_app(project: Project) -> None:
    app = project.root / "app.py"
    app.write_text(f"{APP}(out / 'context.json').write_text(os.environ['CDK_CONTEXT_JSON'])\n")
    assert synthesized_anew(project)

    prod = asyncio.run(synth(project, say=lambda _line: None, environment="prod", context={"local-cloud": True}))

    context = json.loads((project.assembly / "context.json").read_text())
    assert prod.fresh
    assert (context["environment"], context["local-cloud"]) == ("prod", True)
    assert synthesized_anew(project)
