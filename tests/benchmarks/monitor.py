"""The monitor function: how large it is, how fast it starts, and how long a window of captured records takes.

`python -m tests.benchmarks.monitor [--rows N] [--rounds N]`. `payments`, a row a record, in a file a minute. Everything
runs in fresh processes with the code and the libraries of the deployed asset, on AWS clients that answer from memory:
no figure here contains a network, and none is AWS's. The floor is what orjson alone takes for the same lines and
bodies. CPU seconds are the ones to compare on a machine that does other things too.
"""

from __future__ import annotations

import argparse
import compileall
import io
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdk.function_asset import FunctionAsset, build_function_asset
from functions.monitor.settings import MonitorSettings
from local.lambda_code import unpack
from model_packages.discovery import ROOT as PACKAGES
from model_packages.discovery import read_package
from model_packages.interface import load_interface
from model_packages.profile.learning import build_baseline
from tests.benchmarks.captured_payments import PACKAGE, captured_files, requests, response

ROOT = Path(__file__).parents[2]
HOUR = datetime(2026, 2, 14, 12, tzinfo=UTC)
NOW = HOUR + timedelta(hours=1)
BASELINE_ROWS = 20_000
SETTINGS = MonitorSettings(
    package=PACKAGE,
    endpoint_name=f"flyball-{PACKAGE}",
    captures_bucket="captures",
    initial_baseline_uri="s3://captures/assets/baseline.zip",
    champion_parameter="champion",
    gateway_log_group="gateway",
    processing_role_arn="role",
    processing_image_uri="image",
    processing_app_uri="s3://captures/assets/app.py",
    processing_code_uri="s3://captures/assets/code.zip",
    key_arn="key",
)
LIBRARIES = ("numpy", "numpy.libs", "PIL", "pillow.libs", "botocore", "pydantic_core", "orjson")
START = "import sys; sys.path[:0] = [{code!r}]; sys.path.append({root!r}); sys.dont_write_bytecode = True; "


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one asset: megabytes by folder, milliseconds of cold starts, and each window's figures."""

    megabytes: Mapping[str, float]
    cold_ms: Sequence[float]
    cold_cpu_ms: Sequence[float]
    windows: Sequence[Mapping[str, float]]


def measure(*, rows: Sequence[int], rounds: int) -> Measured:
    """Builds the asset, and runs it `rounds` times for each number of rows."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        asset = build_function_asset(
            "monitor", packages=[read_package(PACKAGES / PACKAGE)], build_folder=ROOT / "build"
        )
        code = _runnable(asset, folder / "code")
        cold = [_cold_start_ms(code) for _ in range(rounds)]
        wall, cpu = ([start[index] for start in cold] for index in range(2))
        windows = []
        for count in rows:
            captured = _write_captures(folder / f"{count}", count)
            measured = [_window(code, captured) for _ in range(rounds)]
            windows.append(min(measured, key=lambda one: one["seconds"]))
        return Measured(megabytes=_megabytes(asset.path), cold_ms=wall, cold_cpu_ms=cpu, windows=windows)


def tables(measured: Measured) -> str:
    """The figures as Markdown."""
    sizes = {name: size for name, size in measured.megabytes.items() if name in LIBRARIES}
    total = sum(measured.megabytes.values())
    rest = total - sum(sizes.values())
    lines = [
        "| MB unzipped | " + " | ".join(sizes) + " | our code and the rest | all |",
        "|---|" + "---:|" * (len(sizes) + 2),
        "| monitor | " + " | ".join(f"{size:.1f}" for size in sizes.values()) + f" | {rest:.1f} | {total:.1f} |",
        "",
        f"cold start ms: min {min(measured.cold_ms):.0f}, median {statistics.median(measured.cold_ms):.0f}, "
        f"CPU min {min(measured.cold_cpu_ms):.0f}",
        "",
        "| captured records | s a run | CPU s | records a CPU s | CPU x floor | floor CPU s | peak MB | before it |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_line_of, measured.windows),
    ]
    return "\n".join(lines)


def _line_of(window: Mapping[str, float]) -> str:
    rows, seconds, cpu, floor = (window[name] for name in ("rows", "seconds", "cpu_seconds", "floor_seconds"))
    cells = [f"{rows:,}", f"{seconds:.2f}", f"{cpu:.2f}", f"{rows / cpu:,.0f}", f"{cpu / floor:.1f}", f"{floor:.2f}"]
    return f"| {' | '.join(cells)} | {window['peak_mb']:.0f} | {window['before_mb']:.0f} |"


def _runnable(asset: FunctionAsset, folder: Path) -> Path:
    """The asset as this interpreter can run it, compiled, as it is for Lambda's."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for path in asset.path.rglob("*"):
            writer.write(path, path.relative_to(asset.path))
    code = folder / "compiled"
    shutil.copytree(unpack(archive.getvalue(), folder), code)
    for path in [code, *code.rglob("*")]:
        path.chmod(0o755)
    compileall.compile_dir(code, quiet=2)
    return code


def _write_captures(folder: Path, count: int) -> Path:
    """A bucket's objects as files: captures, and the baseline that they are compared with."""
    source = random.Random(7)  # noqa: S311 - the same at each run
    baseline = build_baseline(
        load_interface(PACKAGE),
        requests=requests(BASELINE_ROWS, seed=1),
        responses=[response(source) for _ in range(BASELINE_ROWS // 4)],
    )
    (folder / "assets").mkdir(parents=True)
    with zipfile.ZipFile(folder / "assets" / "baseline.zip", "w") as writer:
        writer.writestr("baseline.json", baseline.to_json())
    for key, content in captured_files(count, endpoint=SETTINGS.endpoint_name, hour=HOUR).items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    return folder


def _window(code: Path, captured: Path) -> Mapping[str, float]:
    program = f"import runpy; sys.argv = ['', {str(captured)!r}, {NOW.isoformat()!r}]; "
    finished = _run(code, program + "runpy.run_module('tests.benchmarks.monitor_worker', run_name='__main__')")
    figures: Mapping[str, float] = json.loads(finished.splitlines()[-1])
    return figures


def _cold_start_ms(code: Path) -> tuple[float, float]:
    """From the start of a process until the handler could be called: wall clock and CPU."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(code, "import functions.monitor.handler")
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds * 1000, used * 1000


def _run(code: Path, program: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **SETTINGS.to_environment(),
    }
    command = [sys.executable, "-I", "-S", "-c", START.format(code=str(code), root=str(ROOT)) + program]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(finished.stderr)
    return finished.stdout


def _megabytes(folder: Path) -> dict[str, float]:
    """Of each top-level entry, the files' own sizes."""
    return {
        entry.name: sum(path.stat().st_size for path in [entry, *entry.rglob("*")] if path.is_file()) / 1e6
        for entry in sorted(folder.iterdir())
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(tables(measure(rows=arguments.rows, rounds=arguments.rounds)))


if __name__ == "__main__":
    main()
