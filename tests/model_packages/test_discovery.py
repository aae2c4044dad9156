"""Finding packages by reading alone, and every problem of every package in one error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from model_packages.discovery import RESERVED_NAMES, ROOT, discover, name_problem, read_package, select
from model_packages.errors import OperatorError, PackageError

CONFIG = """
description = "Predicts one thing from another."
task = "regression"
gate = { metric = "r2", minimum = 0.5 }
"""
FILES = {
    "package.toml": CONFIG,
    "schema.py": "class Request: ...\nclass Response: ...\nclass Label: ...\n",
    "inference.py": "def model_fn(model_dir): ...\n",
    "train.py": "def train(*_): ...\ndef evaluate(*_): ...\n",
    "behaviours.py": "def test_it(predict): ...\n",
    "examples.json": '[{"request": {}, "response": {}}]',
    "requirements.txt": "",
    "README.md": "",
    "data/records.jsonl": "",
}


def make_package(root: Path, name: str, **changes: str | None) -> Path:
    """A package that keeps the contract but for `changes`: content by a file's stem, None for no file."""
    folder = root / name
    for file, content in FILES.items():
        changed = changes.get(Path(file).stem, content)
        if changed is not None:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(changed)
    return folder


def problems_of(root: Path) -> list[str]:
    with pytest.raises(PackageError) as caught:
        discover(root)
    return [str(problem) for problem in caught.value.problems]


def test_packages_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    make_package(tmp_path, "zebra")
    make_package(tmp_path, "ant_2")

    found = discover(tmp_path)

    assert [package.name for package in found] == ["ant_2", "zebra"]
    assert [package.aws_name for package in found] == ["ant-2", "zebra"]
    assert found[0].path == tmp_path / "ant_2"
    assert found[0].config.gate.metric == "r2"


def test_folders_with_an_underscore_and_folders_without_a_config_are_no_packages(tmp_path: Path) -> None:
    make_package(tmp_path, "_template")
    make_package(tmp_path, "notes", package=None)

    assert discover(tmp_path) == ()


def test_the_packages_of_this_checkout_keep_the_contract() -> None:
    assert {"digits", "payments", "tumours"} <= {package.name for package in discover()}


def test_every_problem_of_every_package_is_in_one_error(tmp_path: Path) -> None:
    make_package(tmp_path, "ant", package=CONFIG + "[endpoint]\nmaximum_rows = 0\ngpus = 1\n", train=None)
    make_package(tmp_path, "bee", inference="x = 1\n", examples="{}")
    make_package(tmp_path, "cow", package=CONFIG + '[rollout]\nstrategy = "linear"\nstep_percent = 5\n')

    assert problems_of(tmp_path) == [
        "ant/package.toml: endpoint.maximum_rows: found 0; allowed: greater than or equal to 1",
        "ant/package.toml: endpoint.gpus: found an unknown key; allowed: a key of package.schema.json",
        "ant/train.py: found no file; allowed: a file",
        "bee/inference.py: model_fn: found nothing; allowed: a definition of model_fn",
        'bee/examples.json: found dict; allowed: a list of {"request": ..., "response": ...}',
        "cow/package.toml: rollout.step_percent: found 5; allowed: with strategy 'linear': 10 to 50",
    ]


def test_no_code_of_a_package_runs(tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\nraise SystemExit('imported')\n"
    make_package(tmp_path, "ant", **{Path(file).stem: code + FILES[file] for file in FILES if file.endswith(".py")})

    discover(tmp_path)

    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"package": "description = \n"}, r"ant/package.toml: found Invalid value .*; allowed: TOML in UTF-8"),
        (
            {"package": 'description = "x"\ntask = "regression"\n'},
            r"package.toml: gate: found nothing; allowed: a value: the key is required",
        ),
        (
            {"package": CONFIG.replace("0.5", '"high"')},
            r"package.toml: gate.minimum: found 'high'; allowed: a valid number",
        ),
        (
            {"package": CONFIG + "[endpoint]\nminimum_instances = 1\n"},
            r"ant/package.toml: found endpoint.minimum_instances is 1; allowed: with rollout.strategy 'canary': 2",
        ),
        (
            {"package": CONFIG + '[training]\ndata = "elsewhere"\n'},
            r"package.toml: training.data: found 'elsewhere', which is no folder of the package; allowed: a folder",
        ),
        (
            {"schema": "class Request: ...\nLabel = 1\n"},
            r"ant/schema.py: Response: found nothing; allowed: a definition",
        ),
        ({"schema": "def broken(:\n"}, r"ant/schema.py: found SyntaxError: .*; allowed: Python in UTF-8"),
        ({"train": "def train(): ...\n"}, r"ant/train.py: evaluate: found nothing; allowed: a definition of evaluate"),
        ({"behaviours": "def check(): ...\n"}, r"behaviours.py: test_\*: found nothing; allowed: one test_ function"),
        ({"examples": "[]"}, r"ant/examples.json: found an empty list; allowed: a list of"),
        ({"examples": "[}"}, r"ant/examples.json: found Expecting value.*; allowed: JSON in UTF-8"),
        ({"examples": '[{"request": {}}]'}, r"examples.json: 0: found no response; allowed: both keys"),
        ({"examples": "[1]"}, r"examples.json: 0: found no request and no response; allowed: both keys"),
        ({"README": None}, r"ant/README.md: found no file; allowed: a file"),
        ({"requirements": None}, r"ant/requirements.txt: found no file; allowed: a file"),
    ],
)
def test_a_problem_names_its_file_what_was_found_and_what_is_allowed(
    tmp_path: Path, changes: Mapping[str, str | None], problem: str
) -> None:
    make_package(tmp_path, "ant", **changes)

    [found] = problems_of(tmp_path)

    assert re.search(problem, found)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("inference", "from elsewhere import load as model_fn\n"),
        ("inference", "model_fn = print\n"),
        ("train", "async def train(): ...\nfrom elsewhere import evaluate\n"),
    ],
)
def test_a_definition_may_be_imported_or_assigned(tmp_path: Path, file: str, code: str) -> None:
    make_package(tmp_path, "ant", **{file: code})

    assert len(discover(tmp_path)) == 1


def test_data_in_s3_needs_no_folder(tmp_path: Path) -> None:
    make_package(tmp_path, "ant", package=CONFIG + '[training]\ndata = "s3://bucket/ant"\n', records=None)

    assert discover(tmp_path)[0].config.training.data == "s3://bucket/ant"


@pytest.mark.parametrize("name", ["Ant", "2ant", "an-t", "ant_", "class", "platform", "contract", "profile"])
def test_a_name_that_no_package_may_have_is_a_problem(tmp_path: Path, name: str) -> None:
    make_package(tmp_path, name)

    [problem] = problems_of(tmp_path)

    assert problem.startswith(f"{name}: found {name}; allowed: a name ")


def test_every_module_beside_the_packages_is_a_reserved_name() -> None:
    modules = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}

    assert set(RESERVED_NAMES) == modules | {"platform", "profile"}
    assert all(name_problem(name) for name in RESERVED_NAMES)


def test_one_package_is_read_whatever_is_wrong_with_the_others(tmp_path: Path) -> None:
    make_package(tmp_path, "ant", package="nonsense")
    folder = make_package(tmp_path, "bee")

    assert read_package(folder).name == "bee"


def test_a_broken_package_cannot_be_read(tmp_path: Path) -> None:
    folder = make_package(tmp_path, "ant", package="nonsense")

    with pytest.raises(PackageError, match=r"ant/package\.toml: found .*; allowed: TOML in UTF-8"):
        read_package(folder)


def test_no_names_select_every_package(tmp_path: Path) -> None:
    make_package(tmp_path, "ant")
    make_package(tmp_path, "bee")
    packages = discover(tmp_path)

    assert select(packages, []) == packages
    assert [package.name for package in select(packages, ["bee"])] == ["bee"]


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    make_package(tmp_path, "ant")

    with pytest.raises(OperatorError, match=r"no model package is called 'aunt'; there are: ant \(flyball new NAME"):
        select(discover(tmp_path), ["ant", "aunt"])


def test_the_examples_of_this_checkout_carry_a_name_and_a_tolerance() -> None:
    examples = [
        example
        for package in discover()
        for example in json.loads((package.path / "examples.json").read_text(encoding="utf-8"))
    ]

    assert all(example["name"] and example["tolerance"] > 0 for example in examples)
