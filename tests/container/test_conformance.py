"""The verb `check`: what it finds in a package that keeps the contract, and in one that does not."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import model_packages
from container.conformance import Finding, check, run, same_answer
from model_packages.errors import OperatorError
from model_packages.interface import load_interface
from model_packages.profile.learning import build_baseline
from model_packages.profile.quality import Labelled
from model_packages.profile.quality_baseline import build_quality_baseline
from model_packages.profile.quality_fields import QualityFields

PACKAGES = Path(__file__).parent / "packages"
NUMBERS = itertools.count()
Edit = Callable[[str, str, str], None]


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A version of the package `linear`: y = 2x + 1."""
    folder = tmp_path / "model"
    folder.mkdir()
    line = {"linear.weight": torch.tensor([[2.0]]), "linear.bias": torch.tensor([1.0])}
    torch.save(line, folder / "line.pt")
    manifest = {
        "package": "linear",
        "schema_hash": load_interface("linear").schema_hash,
        "metrics": {"r_squared": 0.95},
    }
    (folder / "flyball.json").write_text(json.dumps(manifest))
    (folder / "baseline").mkdir()
    points = [number / 10 for number in range(20)]
    baseline = build_baseline(
        load_interface("linear"),
        requests=[{"x": x, "side": "right"} for x in points],
        responses=[{"y": 2 * x + 1} for x in points],
    )
    (folder / "baseline" / "baseline.json").write_text(baseline.to_json())
    return folder


@pytest.fixture
def copy_of_linear(tmp_path: Path) -> Iterator[tuple[str, Edit]]:
    """A copy of the package `linear` under a name of its own, and a function that edits one of its files."""
    name = f"linear_{next(NUMBERS)}"
    shutil.copytree(PACKAGES / "linear", tmp_path / "packages" / name, ignore=shutil.ignore_patterns("__pycache__"))
    model_packages.__path__.append(str(tmp_path / "packages"))

    def edit(file: str, old: str, new: str) -> None:
        path = tmp_path / "packages" / name / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    yield name, edit
    model_packages.__path__.remove(str(tmp_path / "packages"))


def failures(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.detail for finding in findings if not finding.passed}


def rename(model_dir: Path, package: str) -> None:
    manifest = json.loads((model_dir / "flyball.json").read_text())
    (model_dir / "flyball.json").write_text(json.dumps({**manifest, "package": package}))


def test_a_package_that_keeps_the_contract_has_only_good_findings(model_dir: Path) -> None:
    findings = check("linear", model_dir)

    assert failures(findings) == {}
    assert [finding.check for finding in findings] == [
        "schema",
        "model",
        "example: origin",
        "example: example 1",
        "missing fields",
        "batch",
        "version",
        "gate",
        "baseline",
        "live quality",
        "behaviour: a_larger_x_gives_a_larger_y",
        "model folder",
    ]


def test_another_answer_than_the_golden_one_is_found(model_dir: Path) -> None:
    line = {"linear.weight": torch.tensor([[-2.0]]), "linear.bias": torch.tensor([1.0])}
    torch.save(line, model_dir / "line.pt")

    found = failures(check("linear", model_dir))

    assert set(found) == {"example: example 1", "behaviour: a_larger_x_gives_a_larger_y"}
    assert "found {'y': -1.0}; allowed: {'y': 3.0} within 0.1" in found["example: example 1"]
    assert found["behaviour: a_larger_x_gives_a_larger_y"] == "1.0 at 0 is not below -1.0 at 1"


def test_metrics_below_the_gate_are_found(model_dir: Path) -> None:
    manifest = json.loads((model_dir / "flyball.json").read_text())
    (model_dir / "flyball.json").write_text(json.dumps({**manifest, "metrics": {"r_squared": 0.5}}))

    assert failures(check("linear", model_dir)) == {"gate": "r_squared is 0.5 on the holdout; allowed: 0.9 or more"}


def test_a_version_of_another_schema_is_found(model_dir: Path) -> None:
    manifest = json.loads((model_dir / "flyball.json").read_text())
    (model_dir / "flyball.json").write_text(json.dumps({**manifest, "schema_hash": "0" * 12}))

    assert set(failures(check("linear", model_dir))) == {"version"}


def test_a_model_that_does_not_load_ends_the_check(model_dir: Path) -> None:
    (model_dir / "line.pt").unlink()

    findings = check("linear", model_dir)

    assert [finding.check for finding in findings] == ["schema", "model"]
    assert "FileNotFoundError" in failures(findings)["model"]


@pytest.mark.parametrize(
    ("file", "old", "new", "failing"),
    [
        ("schema.py", "x: float", "instances: float", {"schema"}),
        ("schema.py", "x: float", "x: complex", {"schema"}),
        ("inference.py", ".nan_to_num(0.0)", "", {"example: origin", "missing fields", "batch"}),
        ("inference.py", '{"y": self', '{"z": self', {"example: origin", "missing fields"}),
        ("inference.py", ".squeeze(1)}", ".squeeze(1) + len(x)}", {"batch"}),
        ("inference.py", "line = Line()", '(model_dir / "cache").write_text("x"); line = Line()', {"model folder"}),
        ("behaviours.py", "import annotations", "import annotation", {"behaviours"}),
    ],
)
def test_a_broken_promise_is_found(
    model_dir: Path, copy_of_linear: tuple[str, Edit], file: str, old: str, new: str, failing: set[str]
) -> None:
    name, edit = copy_of_linear
    edit(file, old, new)
    rename(model_dir, name)

    assert failing <= set(failures(check(name, model_dir)))


def test_an_unknown_package_is_the_operators_error(model_dir: Path) -> None:
    with pytest.raises(OperatorError, match="no model package is called 'nothing'"):
        check("nothing", model_dir)


def test_a_missing_folder_is_the_operators_error(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no folder"):
        check("linear", tmp_path / "nowhere")


def test_all_findings_are_printed_and_the_exit_code_says_whether_one_failed(
    model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = run("linear", model_dir, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    (model_dir / "flyball.json").unlink()
    failed = run("linear", model_dir, as_json=True)
    findings = json.loads(capsys.readouterr().out)

    assert (passed, failed) == (0, 1)
    assert all(line.startswith("passed  ") for line in lines)
    assert [finding["check"] for finding in findings if not finding["passed"]] == ["version", "gate"]


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ({"a": 1.04}, {"a": 1.0}, True),
        ({"a": 1.06}, {"a": 1.0}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": "x"}, {"a": "x"}, True),
        ({"a": "x"}, {"a": "y"}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([1.0, 2.0], [1.04, 2.0], True),
        ([1.0], [1.0, 2.0], False),
        (None, None, True),
        (None, 0.0, False),
        (float("nan"), 0.0, False),
    ],
)
def test_numbers_may_differ_by_the_tolerance_and_nothing_else_may(*, found: Any, expected: Any, same: bool) -> None:
    assert same_answer(found, expected, tolerance=0.05) is same


def with_quality(model_dir: Path, fields: QualityFields) -> None:
    rows = [Labelled(str(y), {"y": y + 0.1}, {"y": y}) for y in range(20)]
    quality = build_quality_baseline(fields, rows)
    (model_dir / "baseline" / "quality.json").write_text(quality.to_json())


def quality_of(findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.check == "live quality")


def test_the_quality_on_the_holdout_is_told_with_what_it_is_of(model_dir: Path) -> None:
    with_quality(model_dir, QualityFields("number", "y", "y", "r2"))

    found = quality_of(check("linear", model_dir))

    assert found.passed
    assert found.detail.startswith("r2 of y by y is 0.9997 (0.99")
    assert found.detail.endswith("on 20 held-out predictions")


def test_a_version_without_a_holdout_is_told_to_have_nothing_to_compare_with(model_dir: Path) -> None:
    found = quality_of(check("linear", model_dir))

    assert (found.passed, found.detail) == (True, "r2 of y by y; there was no holdout to compare with")


def test_a_holdout_that_was_judged_by_other_fields_is_found(model_dir: Path) -> None:
    with_quality(model_dir, QualityFields("class", "y", "y", "accuracy"))

    found = quality_of(check("linear", model_dir))

    assert not found.passed
    assert found.detail.startswith("the holdout was judged by other fields")


def test_a_field_of_quality_that_is_not_there_is_found(model_dir: Path, copy_of_linear: tuple[str, Edit]) -> None:
    name, edit = copy_of_linear
    rename(model_dir, name)
    edit("package.toml", "[gate]", '[monitor.quality]\nlabel = "z"\n\n[gate]')

    found = quality_of(check(name, model_dir))

    assert not found.passed
    assert f"{name}/package.toml: monitor.quality.label: found z; allowed: one of y" in found.detail
