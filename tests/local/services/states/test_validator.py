"""Definitions against asl-validator, which judges them by JSON schemas of its own: what we take, it takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.services.states.checks import problems_of
from tests.local.services.states.test_resuming import LOOP
from tests.local.services.states.test_tasks import waiting

ROOT = Path(__file__).parents[4]
VALIDATOR = ROOT / "node_modules" / ".bin" / "asl-validator"

pytestmark = pytest.mark.slow


def validated(definition: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "definition.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    node = ROOT / ".venv" / "bin" / "node"
    command = [str(node), str(VALIDATOR), "--json-path", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("definition", [LOOP, waiting(TimeoutSeconds=60, HeartbeatSeconds=10)])
def test_what_is_run_here_is_valid_elsewhere(definition: dict[str, Any], tmp_path: Path) -> None:
    assert problems_of(json.dumps(definition)) == []

    result = validated(definition, tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_refused_here_is_invalid_there(tmp_path: Path) -> None:
    definition = {**LOOP, "StartAt": "Nowhere"}

    result = validated(definition, tmp_path)

    assert result.returncode == 1
    assert problems_of(json.dumps(definition)) != []
