"""The record of the running cloud: one a folder, and a leftover says nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from local.project import Project
from local.running import (
    AlreadyRunning,
    RunningCloud,
    find_running,
    only_one,
    require_running,
    stop_running,
)
from model_packages.errors import OperatorError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path)


def cloud(pid: int) -> RunningCloud:
    return RunningCloud(
        pid=pid,
        api_url="https://localhost:8443/api",
        aws_endpoint_url="http://127.0.0.1:8444",
        certificate="ca.pem",
    )


def hold_until_asked_to_stop(root: Path, ready: Connection, *, serves: bool) -> None:
    """What `flyball up` does with the lock, in a process of its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with only_one(Project(root=root)) as announce:
        if serves:
            announce(cloud(os.getpid()))
        ready.send("locked")
        signal.sigwait({signal.SIGTERM})


def start_other_process(project: Project, *, serves: bool) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=hold_until_asked_to_stop, args=(project.root, sender), kwargs={"serves": serves})
    process.start()
    assert receiver.poll(20), "the other process did not start"
    return process


@pytest.fixture
def other_process(project: Project) -> multiprocessing.process.BaseProcess:
    return start_other_process(project, serves=True)


def test_a_cloud_that_announced_itself_is_found_by_others(
    project: Project, other_process: multiprocessing.process.BaseProcess
) -> None:
    found = find_running(project)

    assert found == cloud(other_process.pid or 0)
    assert stop_running(project)
    other_process.join(10)


def test_a_second_cloud_in_the_same_folder_is_refused(
    project: Project, other_process: multiprocessing.process.BaseProcess
) -> None:
    with pytest.raises(AlreadyRunning, match="coming up or going down"), only_one(project):
        pass

    assert stop_running(project)
    other_process.join(10)


def test_stopping_asks_the_process_and_waits_for_its_end(
    project: Project, other_process: multiprocessing.process.BaseProcess
) -> None:
    stopped = stop_running(project)

    other_process.join(10)
    assert stopped
    assert other_process.exitcode == 0
    assert find_running(project) is None
    assert not (project.state / "cloud.json").exists()


def test_a_cloud_that_is_still_coming_up_is_stopped_too(project: Project) -> None:
    process = start_other_process(project, serves=False)

    stopped = stop_running(project)

    process.join(10)
    assert (stopped, process.exitcode) == (True, 0)


def test_a_record_left_by_a_killed_process_says_nothing(project: Project) -> None:
    project.state.mkdir()
    (project.state / "lock").touch()
    (project.state / "cloud.json").write_text(json.dumps({"pid": 1}))

    assert find_running(project) is None
    assert not stop_running(project)
    with pytest.raises(OperatorError, match="make up"):
        require_running(project)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_a_damaged_record_of_a_running_cloud_is_an_error_for_its_operator(project: Project, content: str) -> None:
    with only_one(project):
        (project.state / "cloud.json").write_text(content)

        with pytest.raises(OperatorError, match=r"cloud\.json is damaged"):
            find_running(project)


def test_an_error_while_serving_takes_the_record_away(project: Project) -> None:
    def serve_and_break() -> None:
        with only_one(project) as announce:
            announce(cloud(os.getpid()))
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        serve_and_break()

    assert list(project.state.glob("cloud.*")) == []
