"""What is removed at a start, and what a reset forgets: never what is in use."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from local.project import Project
from local.running import AlreadyRunning, only_one
from local.state.leftovers import discard_old_builds, discard_unused_code
from local.state.reset import FORGOTTEN, leftovers, reset, text


def folder(path: Path, *, read_only: bool = False) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"12345")
    if read_only:
        path.chmod(0o555)
    return path


def test_the_latest_builds_of_each_function_stay(tmp_path: Path) -> None:
    for digit in "0123456789":
        folder(tmp_path / f"gateway-{digit * 16}")
    folder(tmp_path / "champion-aaaaaaaaaaaaaaaa")
    folder(tmp_path / "notes-of-mine")
    folder(tmp_path / ".building-abcdef")
    (tmp_path / "dependencies-0000000000000000").symlink_to(tmp_path / "notes-of-mine")

    discard_old_builds(tmp_path, kept=3)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".building-abcdef",
        "champion-aaaaaaaaaaaaaaaa",
        "dependencies-0000000000000000",
        "gateway-7777777777777777",
        "gateway-8888888888888888",
        "gateway-9999999999999999",
        "notes-of-mine",
    ]


def test_unpacked_code_stays_while_a_function_has_its_zip(tmp_path: Path) -> None:
    used = folder(tmp_path / hashlib.sha256(b"zip").hexdigest()[:24], read_only=True)
    unused = folder(tmp_path / hashlib.sha256(b"old").hexdigest()[:24], read_only=True)
    half = folder(tmp_path / "tmpabcdefg")
    runtime = folder(tmp_path / "lambda-runtime")

    removed = discard_unused_code(tmp_path, [b"zip"])

    assert set(removed) == {unused, half}
    assert used.exists()
    assert runtime.exists()
    assert not unused.exists()


def test_nothing_to_remove_is_no_error(tmp_path: Path) -> None:
    assert discard_old_builds(tmp_path / "nowhere") == []
    assert discard_unused_code(tmp_path / "nowhere", []) == []


def test_a_reset_forgets_the_state_and_keeps_what_was_trained(tmp_path: Path) -> None:
    project = Project(root=tmp_path)
    for name in FORGOTTEN:
        folder(project.state / name / "inner", read_only=os.name == "posix")
    certificate, version = folder(project.state / "certificate"), folder(project.version("digits"))

    said = text(leftovers(project), project)
    reset(project)

    assert ".flyball/state  0.0 MB" in said
    assert [name for name in FORGOTTEN if (project.state / name).exists()] == []
    assert certificate.exists()
    assert version.exists()
    assert text(leftovers(project), project) == "  nothing"


def test_a_reset_is_refused_while_a_cloud_runs(tmp_path: Path) -> None:
    project = Project(root=tmp_path)
    folder(project.kept)

    with only_one(project), pytest.raises(AlreadyRunning):
        reset(project)

    assert project.kept.exists()
