"""What the tests of a run have in common: the versions that they have trained; and after a whole run, the report on
permissions that our roles have and nothing needs. A part of it proves nothing.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from local.services.iam.recording import FOLDER_VARIABLE
from tests.local.checkout import SHARED_VARIABLE
from tests.permissions import Report, report

SHARED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
REPORT = pytest.StashKey[Report]()
SHARING = ("tests/clients",)


def pytest_configure(config: pytest.Config) -> None:
    """Tells every process of the run where to find what others have trained, and of a whole run every cloud where to
    leave its recording.
    """
    if SHARED_VARIABLE not in os.environ:
        config.stash[SHARED] = tempfile.TemporaryDirectory(prefix="flyball-shared-")
        os.environ[SHARED_VARIABLE] = config.stash[SHARED].name
    if is_whole_suite(config) and FOLDER_VARIABLE not in os.environ:
        config.stash[FOLDER] = tempfile.TemporaryDirectory(prefix="flyball-permissions-")
        os.environ[FOLDER_VARIABLE] = config.stash[FOLDER].name


def pytest_collection_finish() -> None:
    """What is collected stays; unit tests take an eighth less of the processor without looking through it."""
    gc.freeze()


class BySharing(LoadFileScheduling):  # type: ignore[misc]  # xdist is not typed
    """A file's tests run in one process; so do those of a folder whose files share one cloud."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARING if nodeid.startswith(f"{folder}/")), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySharing:
    """Whatever `--dist` says."""
    return BySharing(config, log)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails a run that was good but for a grant without a reason."""
    folder = session.config.stash.get(FOLDER, None)
    if folder is None:
        return
    session.config.stash[REPORT] = found = report(Path(folder.name))
    if exitstatus == pytest.ExitCode.OK and (found.unexplained or found.idle_explanations):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows it."""
    found = config.stash.get(REPORT, None)
    if found is not None:
        terminalreporter.section("permissions")
        for line in found.lines():
            terminalreporter.line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what was trained and the recordings."""
    for variable, key in ((SHARED_VARIABLE, SHARED), (FOLDER_VARIABLE, FOLDER)):
        folder = config.stash.get(key, None)
        if folder is not None:
            os.environ.pop(variable, None)
            folder.cleanup()


def is_whole_suite(config: pytest.Config) -> bool:
    """Whether every test was asked for, and asked to run."""
    options = config.option
    selects = (options.keyword, options.markexpr, options.collectonly, getattr(options, "lf", False))
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not any(selects)
