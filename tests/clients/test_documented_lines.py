"""docs/clients.md, typed line by line by somebody whose local cloud runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.cloud import LIMIT_SECONDS, ClientsCloud
from tests.documents import ROOT, Document

pytestmark = pytest.mark.slow

PAGE = Document(ROOT / "docs" / "clients.md")


def test_every_line_of_the_page_works_in_the_order_in_which_it_stands(cloud: ClientsCloud, tmp_path: Path) -> None:
    (tmp_path / "model_packages").symlink_to(ROOT / "model_packages")
    environment = {**cloud.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    settings, *blocks = PAGE.blocks
    assert settings[1].count("127.0.0.1:8444") == 1

    for language, content in blocks:
        program = [sys.executable, "-c", content] if language == "python" else ["sh", "-ec", content]
        done = subprocess.run(
            program,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{content}\n{done.stdout}{done.stderr}"

    assert (tmp_path / "answer.json").stat().st_size > 0
    assert (tmp_path / "model.tar.gz").stat().st_size > 0


def test_the_settings_of_the_page_are_what_the_tests_set(cloud: ClientsCloud) -> None:
    exported = dict(
        word.split("=", 1) for line in PAGE.blocks[0][1].splitlines() for word in line.removeprefix("export ").split()
    )

    assert exported.pop("AWS_ENDPOINT_URL") == "http://127.0.0.1:8444"
    assert exported.items() <= cloud.environment.items()
