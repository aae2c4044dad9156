"""After a whole run: the report on permissions that our roles have and nothing needs. A part of it proves nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from local.services.iam.recording import FOLDER_VARIABLE
from tests.permissions import Report, report

FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    """Tells every cloud of the run, also those in processes of their own, where to leave its recording."""
    if is_whole_suite(config) and FOLDER_VARIABLE not in os.environ:
        config.stash[FOLDER] = tempfile.TemporaryDirectory(prefix="flyball-permissions-")
        os.environ[FOLDER_VARIABLE] = config.stash[FOLDER].name


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
    """Removes the recordings."""
    folder = config.stash.get(FOLDER, None)
    if folder is not None:
        os.environ.pop(FOLDER_VARIABLE, None)
        folder.cleanup()


def is_whole_suite(config: pytest.Config) -> bool:
    """Whether every test was asked for, and asked to run."""
    options = config.option
    selects = (options.keyword, options.markexpr, options.collectonly, getattr(options, "lf", False))
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not any(selects)
