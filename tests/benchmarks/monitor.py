"""The monitor function: how large it is, how fast it starts, and how long a window of captured records takes.

`python -m tests.benchmarks.monitor [--rows N] [--rounds N]`. `payments`, a row a record, in a file a minute. Everything
runs in fresh processes with the code of the deployed asset and the libraries of its layer, on AWS clients that answer
from memory: no figure here contains a network, and none is AWS's. The floor is what orjson alone takes for the same
lines and bodies. CPU seconds are the ones to compare on a machine that does other things too.
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

from cdk.function_asset import LAYER_CODE, Asset, build_function_asset, build_layer_asset
from functions.monitor.settings import MonitorSettings
from local.lambda_code import unpack, unpack_layers
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
START = "import sys; sys.path[:0] = {path!r}; sys.path.append({root!r}); sys.dont_write_bytecode = True; "


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one function: megabytes of its layer by folder and of its code, milliseconds of cold starts, and each window's
    figures.
    """

    libraries_mb: Mapping[str, float]
    code_mb: float
    cold_ms: Sequence[float]
    cold_cpu_ms: Sequence[float]
    windows: Sequence[Mapping[str, float]]


def measure(*, rows: Sequence[int], rounds: int) -> Measured:
    """Builds the asset and the layer, and runs them `rounds` times for each number of rows."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packages, build = [read_package(PACKAGES / PACKAGE)], ROOT / "build"
        asset = build_function_asset("monitor", packages=packages, build_folder=build)
        layer = build_layer_asset(build_folder=build)
        path = _runnable(asset, layer, folder)
        cold = [_cold_start_ms(path) for _ in range(rounds)]
        wall, cpu = ([start[index] for start in cold] for index in range(2))
        windows = []
        for count in rows:
            captured = _write_captures(folder / f"{count}", count)
            measured = [_window(path, captured) for _ in range(rounds)]
            windows.append(min(measured, key=lambda one: one["seconds"]))
        return Measured(
            libraries_mb={entry.name: _megabytes(entry) for entry in sorted((layer.path / LAYER_CODE).iterdir())},
            code_mb=_megabytes(asset.path),
            cold_ms=wall,
            cold_cpu_ms=cpu,
            windows=windows,
        )


def tables(measured: Measured) -> str:
    """The figures as Markdown."""
    sizes = {name: size for name, size in measured.libraries_mb.items() if name in LIBRARIES}
    libraries = sum(measured.libraries_mb.values())
    sizes |= {
        "other libraries": libraries - sum(sizes.values()),
        "the layer": libraries,
        "the monitor's code": measured.code_mb,
    }
    lines = [
        "| MB unzipped | " + " | ".join(sizes) + " |",
        "|---|" + "---:|" * len(sizes),
        "| monitor | " + " | ".join(f"{size:.1f}" for size in sizes.values()) + " |",
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


def _runnable(asset: Asset, layer: Asset, folder: Path) -> list[str]:
    """The asset and the layer as this interpreter can run them, compiled, as they are for Lambda's: where to import
    from.
    """
    code = _compiled(unpack(_zipped(asset.path), folder / "unpacked"), folder / "code")
    libraries = _compiled(unpack_layers([_zipped(layer.path)], folder / "unpacked"), folder / "layer")
    return [str(code), str(libraries / LAYER_CODE)]


def _zipped(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for path in folder.rglob("*"):
            writer.write(path, path.relative_to(folder))
    return archive.getvalue()


def _compiled(unpacked: Path, folder: Path) -> Path:
    shutil.copytree(unpacked, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    compileall.compile_dir(folder, quiet=2)
    return folder


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


def _window(path: Sequence[str], captured: Path) -> Mapping[str, float]:
    program = f"import runpy; sys.argv = ['', {str(captured)!r}, {NOW.isoformat()!r}]; "
    finished = _run(path, program + "runpy.run_module('tests.benchmarks.monitor_worker', run_name='__main__')")
    figures: Mapping[str, float] = json.loads(finished.splitlines()[-1])
    return figures


def _cold_start_ms(path: Sequence[str]) -> tuple[float, float]:
    """From the start of a process until the handler could be called: wall clock and CPU."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(path, "import functions.monitor.handler")
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds * 1000, used * 1000


def _run(path: Sequence[str], program: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **SETTINGS.to_environment(),
    }
    command = [sys.executable, "-I", "-S", "-c", START.format(path=list(path), root=str(ROOT)) + program]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(finished.stderr)
    return finished.stdout


def _megabytes(entry: Path) -> float:
    """A file's size, or that of all files in a folder."""
    return sum(path.stat().st_size for path in [entry, *entry.rglob("*")] if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(tables(measure(rows=arguments.rows, rounds=arguments.rounds)))


if __name__ == "__main__":
    main()
