"""One process of the monitor benchmark: it runs with the code and the libraries of the deployed asset alone.

`window FOLDER`: one run over the captured files in FOLDER, timed, and the floor beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from functions.monitor.composition import Clients, compose
from functions.monitor.settings import MonitorSettings
from functions.shared.logs import make_logger
from model_packages.discovery import ROOT, read_package
from model_packages.interface import load_interface
from tests.functions.monitor.cloud import Cloud


def measure(folder: Path, *, now: datetime) -> dict[str, float]:
    """Seconds of one run that closes a window, of its floor, and the process's peak memory."""
    cloud = Cloud(objects={path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")})
    captured = [content for key, content in cloud.objects.items() if key.startswith("captures/")]
    floor = min(_seconds(lambda: _parse(captured)) for _ in range(3))
    before_mb = _peak_mb()
    settings = MonitorSettings.from_environment(os.environ)
    cloud.parameters[settings.champion_parameter] = "none"
    client: Any = cloud.client()
    monitor = compose(
        Clients(s3=client, sagemaker=client, ssm=client, cloudwatch=client, logs=client),
        settings=settings,
        config=read_package(ROOT / settings.package).config,
        interface=load_interface(settings.package),
        logger=make_logger(service=settings.package),
    )
    started, cpu = time.perf_counter(), time.process_time()
    run = monitor.handle({"time": now.isoformat()})
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    assert run.outcome == "closed", run
    return {
        "rows": run.rows,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "floor_seconds": floor,
        "before_mb": before_mb,
        "peak_mb": _peak_mb(),
        "state_mb": len(cloud.objects[f"monitor/{settings.endpoint_name}/state.json"]) / 1e6,
    }


def _parse(files: list[bytes]) -> None:
    """The least that anybody has to do who reads captured records with orjson."""
    for content in files:
        for line in content.splitlines():
            data = orjson.loads(line)["captureData"]
            orjson.loads(data["endpointInput"]["data"])
            orjson.loads(data["endpointOutput"]["data"])


def _seconds(work: Any) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak_mb() -> float:
    """Of this program: what getrusage says begins with the parent's."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), now=datetime.fromisoformat(sys.argv[2]))))
