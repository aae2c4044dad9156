"""A copy of the project in a folder of its own, and a local cloud that runs from it: what a newcomer has."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 240.0
STOP_SECONDS = 60.0
CDK_SECONDS = 240.0
SHARED_VARIABLE = "FLYBALL_TESTS_SHARED"
"""Names the folder in which the tests of a run keep the versions that they have trained; tests/conftest.py makes it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Checkout:
    """The copy. `packages` are the model packages that it keeps."""

    root: Path
    https_port: int = field(default_factory=free_port)
    cloud_port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)

    def flyball(self, *arguments: str, timeout_seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs one command to its end."""
        return subprocess.run(
            [sys.executable, str(self.root / "cli.py"), *arguments],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one of CDK's own commands to its end, with what docs/deploying.md says to set; stdout has stderr too."""
        environment_folder = self.root / ".venv"
        if not environment_folder.exists():
            environment_folder.symlink_to(sys.prefix)
        programs = [Path(sys.prefix) / "bin", ROOT / "node_modules" / ".bin"]
        settings = {
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "PYTHONPATH": str(self.root),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.cloud_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }
        return subprocess.run(
            ["cdk", *arguments, "--no-color", "--no-notices"],  # noqa: S607
            cwd=self.root,
            env={**environment(), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CDK_SECONDS,
            check=False,
        )

    def up(self, *options: str) -> Serving:
        """Starts `flyball up` and waits until it serves; an AssertionError shows what it printed if it ends before."""
        serving = self.start_up(*options)
        serving.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        return serving

    def start_up(self, *options: str) -> Serving:
        """Starts `flyball up` and waits for nothing."""
        return Serving.start([sys.executable, str(self.root / "cli.py"), "up", *self.ports, *options], cwd=self.root)

    def make_up(self) -> Serving:
        """The same through `make up`, with this environment in place of one that it would set up."""
        (self.root / ".venv").symlink_to(sys.prefix)
        serving = Serving.start(
            ["make", "--assume-old=.venv/.ready", "up", f"FLAGS={' '.join(self.ports)}"],
            cwd=self.root,
            PYTHONPATH=str(self.root),
        )
        serving.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        return serving

    @property
    def ports(self) -> list[str]:
        """The options for ports of its own."""
        options = {"https": self.https_port, "cloud": self.cloud_port, "console": self.console_port}
        return [word for name, port in options.items() for word in (f"--{name}-port", str(port))]

    def processes(self) -> set[int]:
        """Every process, anywhere on this machine, that was started from the copy."""
        marker = str(self.root).encode()
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if marker in words and int(folder.name) != os.getpid():
                found.add(int(folder.name))
        return found


class Serving:
    """A `flyball up` that runs; everything it prints is kept."""

    @classmethod
    def start(cls, command: Sequence[str], *, cwd: Path, **variables: str) -> Serving:
        """Starts it in a session of its own, as a terminal would."""
        return cls(
            subprocess.Popen(
                command,
                cwd=cwd,
                env=environment() | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, *, seconds: float) -> None:
        """Until a line holds `text`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(text in line for line in self.lines), timeout=seconds)
        assert any(text in line for line in self.lines), f"{text!r} was not printed:\n{self.output}"

    def prints(self, text: str, *, or_else: str, seconds: float) -> bool:
        """Waits until a line holds `text` or `or_else`; whether `text` was printed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or any(text in line or or_else in line for line in self.lines), timeout=seconds
            )
            return any(text in line for line in self.lines)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """What Ctrl-C does; the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.wait()

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Until it has ended; the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def curl_line(self, package: str) -> str:
        """The line that was printed to be pasted."""
        return next(line for line in self.lines if line.startswith("curl ") and f"/models/{package}/" in line)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        self.process.stdout.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def make_checkout(root: Path, *, packages: Sequence[str]) -> Checkout:
    """Copies what git knows of the project, with only those of its model packages; nothing is trained or built."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and not _is_left_out(Path(name), packages):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
            _copy_bytecode(Path(name), root)
    (root / "node_modules").symlink_to(ROOT / "node_modules")
    fetched = root / "build" / "functions"
    fetched.mkdir(parents=True)
    for folder in (ROOT / "build" / "functions").glob("dependencies-*"):
        (fetched / folder.name).symlink_to(folder)
    return Checkout(root)


def _copy_bytecode(name: Path, root: Path) -> None:
    """Of a module that this Python has compiled here: it is good for the copy, which is as old as the original."""
    compiled = Path("__pycache__") / f"{name.stem}.{sys.implementation.cache_tag}.pyc"
    source = ROOT / name.parent / compiled
    if name.suffix == ".py" and source.is_file():
        target = root / name.parent / compiled
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(source, target)


def give_version(checkout: Checkout, package: str) -> None:
    """Gives the copy a trained version of `package`: one that a test had trained of the same files, or a new one."""
    made, shared = checkout.root / "build" / "models" / package, os.environ.get(SHARED_VARIABLE)
    if shared is None:
        train(checkout, package)
        return
    kept = Path(shared) / f"{package}-{_digest(checkout.root / 'model_packages' / package)}"
    if kept.exists():
        shutil.copytree(kept, made)
        return
    train(checkout, package)
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        copy = shutil.copytree(made, Path(folder) / package)
        with suppress(OSError):  # somebody was quicker
            copy.rename(kept)


def _digest(folder: Path) -> str:
    """Of names and contents: a test may have edited its copy."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def train(checkout: Checkout, package: str) -> None:
    """Trains a version of the package as it is in the copy."""
    done = checkout.flyball("train", package)
    assert done.returncode == 0, done.stderr


def environment() -> dict[str, str]:
    """Nothing of this machine's AWS settings, and bytecode kept."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name != "PYTHONDONTWRITEBYTECODE"
    }


def http_answer(output: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers (names in lower case) and body of what `curl --include` printed; JSON is parsed."""
    text = output.replace("\r\n", "\n").removeprefix("HTTP/1.1 100 Continue\n\n")
    head, _, body = text.partition("\n\n")
    first, *rest = head.splitlines()
    status = re.match(r"HTTP/[\d.]+ (\d{3})", first)
    assert status is not None, output
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return int(status.group(1)), headers, json.loads(body) if "json" in headers.get("content-type", "") else body


def _is_left_out(path: Path, packages: Sequence[str]) -> bool:
    if path.parts[0] == "tests":
        return True
    is_in_package = path.parts[0] == "model_packages" and len(path.parts) > 2
    return is_in_package and path.parts[1] not in {*packages, "_template", "profile"}
