"""The container's environment, its logs, and the choice of a device."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from container import cuda
from container.device import Precision, autocast_dtype
from container.logs import log_to
from container.settings import Settings
from model_packages.errors import OperatorError


def test_sagemakers_paths_and_port_are_the_default() -> None:
    settings = Settings.from_environment({"FLYBALL_PACKAGE": "digits"})

    assert settings == Settings(package="digits", model_version="unversioned", ml_root=Path("/opt/ml"), port=8080)
    assert settings.model_dir == Path("/opt/ml/model")


def test_the_environment_overrides_them() -> None:
    environment = {
        "FLYBALL_PACKAGE": "digits",
        "FLYBALL_MODEL_VERSION": "7",
        "FLYBALL_ML_ROOT": "/tmp/ml",
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "FLYBALL_BIND_ADDRESS": "127.0.0.1",
    }

    assert Settings.from_environment(environment) == Settings(
        package="digits", model_version="7", ml_root=Path("/tmp/ml"), port=9000, address="127.0.0.1"
    )


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(OperatorError, match="SAGEMAKER_BIND_TO_PORT is"):
        Settings.from_environment({"FLYBALL_PACKAGE": "digits", "SAGEMAKER_BIND_TO_PORT": port})


@pytest.mark.parametrize("module", ["__init__", "settings", "cuda"])
def test_what_the_synth_imports_is_free_of_torch(module: str) -> None:
    tree = ast.parse((Path(cuda.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))

    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert not {name for name in imported if name.split(".")[0] in {"torch", "numpy", "container"}}


@pytest.mark.parametrize(
    ("precision", "device_type", "has_bfloat16", "expected"),
    [
        ("float32", "cuda", True, None),
        ("bfloat16", "cuda", True, torch.bfloat16),
        ("bfloat16", "cuda", False, None),
        ("float16", "cuda", False, torch.float16),
        ("bfloat16", "cpu", True, None),
        ("float16", "cpu", False, None),
    ],
)
def test_half_precision_is_used_where_the_device_has_it(
    *, precision: Precision, device_type: str, has_bfloat16: bool, expected: torch.dtype | None
) -> None:
    assert autocast_dtype(precision, device_type=device_type, has_bfloat16=has_bfloat16) == expected


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log_to(stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_log_record_is_one_line_of_json_with_its_extra_values(log: io.StringIO) -> None:
    logging.getLogger("x").warning("a %s\nof two lines", "message", extra={"inference_id": "i"})

    [line] = log.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["message"], found["inference_id"]) == ("WARNING", "a message\nof two lines", "i")


def test_a_traceback_is_a_key_of_its_line(log: io.StringIO) -> None:
    logging.getLogger("x").error("failed", exc_info=ValueError("why"))

    [line] = log.getvalue().splitlines()
    assert "ValueError: why" in json.loads(line)["traceback"]
