"""The record of the local cloud that runs from this folder: who it is, where it answers, and that it is the only one.

`up` holds a lock on the state folder while it runs, so a record whose lock is free is a leftover and says nothing.
The locked file holds the number of its process, so that a cloud that is still coming up can be stopped too.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from local.project import Project
from model_packages.errors import OperatorError

ACCESS_KEY: Final = "local"
SECRET_KEY: Final = "local"  # noqa: S105 - the local cloud listens on loopback alone
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"

STOP_SECONDS = 40.0
LOOKS_TO_OUTLAST = 10


@dataclass(frozen=True, slots=True)
class RunningCloud:
    """A local cloud that serves: its process, and the two addresses it answers on."""

    pid: int
    api_url: str
    """The HTTPS API with its stage, without a slash at the end."""
    aws_endpoint_url: str
    """Where AWS clients find it: the value for AWS_ENDPOINT_URL."""
    certificate: str
    """The file with the certificate authority that clients have to trust."""
    console_url: str = ""
    """Where a browser finds the console page."""


_RECORD = TypeAdapter(RunningCloud)


class AlreadyRunning(OperatorError):
    """Another process holds this folder's local cloud."""


@contextmanager
def only_one(project: Project) -> Iterator[Callable[[RunningCloud], None]]:
    """Holds the folder's lock; yields the function that announces the cloud once it serves.

    Raises: AlreadyRunning if another process holds it.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    with (project.state / "lock").open("a", encoding="ascii") as lock:
        if not _lock_soon(lock.fileno()):
            raise AlreadyRunning("the local cloud of this folder is coming up or going down; `flyball down` ends it")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        record = _record(project)
        record.unlink(missing_ok=True)
        try:
            yield lambda cloud: _write(record, asdict(cloud))
        finally:
            record.unlink(missing_ok=True)


def find_running(project: Project) -> RunningCloud | None:
    """The cloud that serves from this folder, or None.

    Raises: OperatorError if its record is damaged.
    """
    if not is_locked(project):
        return None
    try:
        return _RECORD.validate_json(_record(project).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise OperatorError(
            f"{_record(project)} is damaged; stop the local cloud with Ctrl-C where it runs, and start it again"
        ) from error


def require_running(project: Project) -> RunningCloud:
    """The cloud that serves from this folder.

    Raises: OperatorError if there is none.
    """
    running = find_running(project)
    if running is None:
        raise OperatorError("no local cloud serves from this folder; `make up` (or `flyball up`) starts one")
    return running


def require_stopped(project: Project) -> None:
    """Raises AlreadyRunning if a cloud of this folder is up, or coming up."""
    if is_locked(project):
        raise AlreadyRunning("the local cloud of this folder runs; `flyball down` stops it first")


def is_locked(project: Project) -> bool:
    """Whether a cloud of this folder is up, or coming up."""
    path = project.state / "lock"
    if not path.exists():
        return False
    with path.open("a") as lock:
        return not _try_lock(lock.fileno())


def stop_running(project: Project, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Asks the cloud of this folder to stop and waits until it has; False if there was none.

    Raises: OperatorError if it is still there after 40 seconds.
    """
    if not is_locked(project):
        return False
    pid = int((project.state / "lock").read_text(encoding="ascii"))
    os.kill(pid, signal.SIGTERM)
    for _ in range(int(STOP_SECONDS / 0.1)):
        if not is_locked(project):
            return True
        sleep(0.1)
    raise OperatorError(f"the local cloud (process {pid}) did not stop within {STOP_SECONDS:.0f} s; kill it")


def _lock_soon(descriptor: int) -> bool:
    """Whoever only looks whether the folder is locked holds the lock for an instant: that is no other cloud."""
    for _ in range(LOOKS_TO_OUTLAST):
        if _try_lock(descriptor):
            return True
        time.sleep(0.01)
    return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _record(project: Project) -> Path:
    return project.state / "cloud.json"


def _write(path: Path, content: dict[str, Any]) -> None:
    """In one step, so that a reader never sees half of it."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
