"""An interrupted training goes on where it was, and gives what it would have given without the interruption."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import model_packages
from model_packages.checkpoints import CHECKPOINT_VARIABLE, PARTIAL, SLOTS, Checkpoints
from model_packages.dataset import read_records, write_records
from model_packages.discovery import ROOT
from model_packages.scaffold import scaffold

ROUNDS = 6


@dataclass
class Walk:
    """Something to train: each step adds a random number, and what the hyperparameter says."""

    value: torch.Tensor

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value.clone()}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.value = state_dict["value"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where checkpoints are kept."""
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return data_of(tmp_path / "data", "1")


def data_of(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.jsonl").write_text(text)
    return folder


def walk(data: Path, *, rounds: int = ROUNDS, stop_after: int | None = None, every: int = 1, size: int = 2) -> Walk:
    """Trains for some rounds; what was done when it stopped."""
    torch.manual_seed(0)
    found = Walk(torch.zeros(size))
    for index in Checkpoints(data, {"rounds": rounds}).rounds(rounds, every=every, walk=found):
        if index == stop_after:
            break
        found.value = found.value + torch.rand(size)
    return found


@pytest.mark.parametrize("stop_after", range(ROUNDS))
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(data: Path, folder: Path, stop_after: int) -> None:
    walk(data, stop_after=stop_after)

    found = walk(data)

    assert torch.equal(found.value, straight(data))


def straight(data: Path, *, size: int = 2) -> torch.Tensor:
    """What a training without checkpoints gives."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv(CHECKPOINT_VARIABLE)
        return walk(data, size=size).value


def test_it_goes_on_behind_what_was_saved(data: Path, folder: Path) -> None:
    walk(data, stop_after=5, every=2)

    done = list(Checkpoints(data, {"rounds": ROUNDS}).rounds(ROUNDS, every=2, walk=Walk(torch.zeros(2))))

    assert done == [4, 5]


def test_two_files_are_kept_whatever_the_number_of_rounds(data: Path, folder: Path) -> None:
    walk(data)

    assert sorted(path.name for path in folder.iterdir()) == sorted(SLOTS)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty"])
def test_a_damaged_file_is_left_out_and_the_one_before_it_is_taken(data: Path, folder: Path, harm: str) -> None:
    walk(data, stop_after=3)
    newest = max((folder / name for name in SLOTS), key=lambda path: path.stat().st_mtime_ns)
    content = newest.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    newest.write_bytes({"cut": content[:middle], "flip": flipped, "empty": b""}[harm])

    done = list(Checkpoints(data, {"rounds": ROUNDS}).rounds(ROUNDS, walk=Walk(torch.zeros(2))))

    assert done == [2, 3, 4, 5]


def test_what_was_being_written_is_not_read(data: Path, folder: Path) -> None:
    walk(data, stop_after=2)
    (folder / PARTIAL).write_bytes(b"half")

    assert torch.equal(walk(data).value, straight(data))


def test_progress_on_other_data_is_not_gone_on_with(data: Path, folder: Path) -> None:
    walk(data, stop_after=3)
    data_of(data, "2")

    done = list(Checkpoints(data, {"rounds": ROUNDS}).rounds(ROUNDS, walk=Walk(torch.zeros(2))))

    assert done == list(range(ROUNDS))


def test_progress_with_other_hyperparameters_is_not_gone_on_with(data: Path, folder: Path) -> None:
    walk(data, stop_after=3)

    done = list(Checkpoints(data, {"rounds": ROUNDS, "rate": 1}).rounds(ROUNDS, walk=Walk(torch.zeros(2))))

    assert done == list(range(ROUNDS))


def test_progress_of_another_shape_is_not_gone_on_with(data: Path, folder: Path) -> None:
    walk(data, stop_after=3)

    assert torch.equal(walk(data, size=3).value, straight(data, size=3))


def test_without_a_folder_nothing_is_kept(data: Path, tmp_path: Path) -> None:
    walk(data)

    assert [path.name for path in tmp_path.iterdir()] == ["data"]


SMALL: Mapping[str, Mapping[str, Any]] = {
    "payments": {"epochs": 3},
    "digits": {"epochs": 3},
    "tumours": {"steps": 250},
    "scaffolded": {"steps": 250},
}
"""Hyperparameters with which each package saves three times."""


class Ended(BaseException):
    """The process was ended."""


@pytest.mark.slow
@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("package", sorted(SMALL))
def test_a_package_that_is_interrupted_after_each_round_gives_the_same_weights(
    package: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ROOT / package
    if package == "scaffolded":
        (tmp_path / "packages").mkdir()
        place = scaffold("scaffolded", tmp_path / "packages")
        monkeypatch.setattr(model_packages, "__path__", [*model_packages.__path__, str(place.parent)])
    module: Any = importlib.import_module(f"model_packages.{package}.train")
    write_records(read_records(place / "data")[:600], tmp_path / "records" / "a.jsonl")
    arguments = tmp_path / "records", tmp_path, {"seed": 1, **SMALL[package]}
    module.train(*arguments)
    (expected,) = weights(tmp_path)
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.setattr(module, "Checkpoints", EndsAfterOne)

    for _ in range(3):
        with pytest.raises(Ended):
            module.train(*arguments)
    module.train(*arguments)

    (found,) = weights(tmp_path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


class EndsAfterOne(Checkpoints):
    """Lets one checkpoint be saved, and ends the process then."""

    def rounds(self, count: int, *, every: int = 1, **parts: Any) -> Iterator[int]:
        begun: int | None = None
        for index in super().rounds(count, every=every, **parts):
            begun = index if begun is None else begun
            if index // every > begun // every:
                raise Ended
            yield index
        if begun is not None:
            raise Ended


def weights(folder: Path) -> Iterator[dict[str, torch.Tensor]]:
    """Loads what a train() saved, and removes it."""
    for path in folder.glob("*.pt"):
        yield torch.load(path, weights_only=True)
        path.unlink()


@pytest.fixture
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
