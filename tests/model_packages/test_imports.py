"""What Lambdas import of model_packages needs no torch and no numpy: they would not fit, or take seconds to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from model_packages.discovery import ROOT, discover

CONTRACT = sorted(f"model_packages.{path.stem}" for path in ROOT.glob("[a-z]*.py"))
PACKAGES = [package.name for package in discover()]
WITHOUT = "import importlib, sys\nsys.modules.update(torch=None, numpy=None)\n"


@pytest.mark.parametrize("modules", [CONTRACT, *([f"model_packages.{name}.schema"] for name in PACKAGES)])
def test_the_contract_and_schemas_import_without_torch_and_numpy(modules: list[str]) -> None:
    assert import_without_torch(modules) == ""


@pytest.mark.parametrize("name", PACKAGES)
def test_behaviours_import_without_torch_and_numpy(name: str) -> None:
    assert import_without_torch([f"model_packages.{name}.behaviours"]) == ""


def import_without_torch(modules: list[str]) -> str:
    """What a fresh interpreter complains of when it imports `modules`."""
    code = WITHOUT + "".join(f"importlib.import_module({module!r})\n" for module in modules)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True).stderr
