"""Finds the model packages and says everything that is wrong with any of them, in one error.

Reads files; never imports a package's code, so that a synth is quick and a broken package cannot run anything.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from model_packages.contract import PACKAGE_NAME_PATTERN, PackageConfig
from model_packages.errors import OperatorError, PackageError, PackageProblem

ROOT = Path(__file__).parent
REQUIRED_FILES = (
    "schema.py",
    "inference.py",
    "train.py",
    "behaviours.py",
    "examples.json",
    "requirements.txt",
    "README.md",
)
REQUIRED_NAMES = {
    "schema.py": ("Request", "Response", "Label"),
    "inference.py": ("model_fn",),
    "train.py": ("train", "evaluate"),
}


RESERVED_NAMES = ("platform", "profile", *sorted(path.stem for path in ROOT.glob("[a-z]*.py")))
"""The platform's own stack, and what lies beside the packages: a folder of such a name would hide it."""


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A folder of `model_packages/` that keeps the contract as far as reading can tell."""

    name: str
    path: Path
    config: PackageConfig

    @property
    def aws_name(self) -> str:
        """The package's name where AWS allows no underscore."""
        return self.name.replace("_", "-")


def discover(root: Path = ROOT) -> tuple[ModelPackage, ...]:
    """Every package below `root`, sorted by name; a folder that starts with an underscore is none.

    Raises: PackageError that lists every problem of every package.
    """
    folders = [path.parent for path in sorted(root.glob("*/package.toml")) if not path.parent.name.startswith("_")]
    packages: list[ModelPackage] = []
    problems: list[PackageProblem] = []
    for folder in folders:
        config, found = _read_config(folder)
        problems += [*found, *_layout_problems(folder)]
        if config is not None:
            problems += _data_problems(folder, config)
            packages.append(ModelPackage(name=folder.name, path=folder, config=config))
    if problems:
        raise PackageError(problems)
    return tuple(packages)


def read_package(folder: Path) -> ModelPackage:
    """The one package in `folder`, by its package.toml alone, whatever is wrong with other packages.

    Raises: PackageError if its package.toml is wrong.
    """
    config, problems = _read_config(folder)
    if config is None:
        raise PackageError(problems)
    return ModelPackage(name=folder.name, path=folder, config=config)


def select(packages: Sequence[ModelPackage], names: Sequence[str]) -> tuple[ModelPackage, ...]:
    """The packages called `names`, or all of them where no name is given.

    Raises: OperatorError for a name that no package has.
    """
    known = {package.name: package for package in packages}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OperatorError(
            f"no model package is called {', '.join(map(repr, unknown))}; there are: {', '.join(known) or 'none'} "
            "(flyball new NAME makes one)"
        )
    return tuple(known[name] for name in names) if names else tuple(packages)


def name_problem(name: str) -> str | None:
    """Why no package may be called `name`: a clause that says what is allowed, or None."""
    if not re.fullmatch(PACKAGE_NAME_PATTERN, name):
        return f"a name like {PACKAGE_NAME_PATTERN}"
    if keyword.iskeyword(name):
        return "a name that is no keyword of Python"
    if name in RESERVED_NAMES:
        return f"a name that Flyball does not use itself ({', '.join(RESERVED_NAMES)})"
    return None


def _read_config(folder: Path) -> tuple[PackageConfig | None, list[PackageProblem]]:
    file = f"{folder.name}/package.toml"
    try:
        content = tomllib.loads((folder / "package.toml").read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return None, [PackageProblem(file=file, key="", found=str(error), allowed="TOML in UTF-8")]
    try:
        return PackageConfig.model_validate(content), []
    except ValidationError as error:
        return None, [_config_problem(file, dict(details)) for details in error.errors()]


def _config_problem(file: str, details: dict[str, object]) -> PackageProblem:
    location = details["loc"]
    key = ".".join(map(str, location)) if isinstance(location, tuple) else str(location)
    kind, message = details["type"], str(details["msg"])
    if kind == "missing":
        return PackageProblem(file=file, key=key, found="nothing", allowed="a value: the key is required")
    if kind == "extra_forbidden":
        return PackageProblem(file=file, key=key, found="an unknown key", allowed="a key of package.schema.json")
    if kind == "value_error":
        found, _, allowed = message.removeprefix("Value error, ").partition("; allowed")
        return PackageProblem(file=file, key=key, found=found, allowed=allowed.removeprefix(": ").strip())
    allowed = message.replace("Input should be", "").strip() or message
    return PackageProblem(file=file, key=key, found=repr(details["input"]), allowed=allowed)


def _layout_problems(folder: Path) -> Iterator[PackageProblem]:
    if (allowed := name_problem(folder.name)) is not None:
        yield PackageProblem(file=folder.name, key="", found=folder.name, allowed=allowed)
    for file in REQUIRED_FILES:
        if not (folder / file).is_file():
            yield PackageProblem(file=f"{folder.name}/{file}", key="", found="no file", allowed="a file")
        elif file.endswith(".py"):
            yield from _module_problems(folder / file)
        elif file == "examples.json":
            yield from _example_problems(folder / file)


def _module_problems(path: Path) -> Iterator[PackageProblem]:
    file = f"{path.parent.name}/{path.name}"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        yield PackageProblem(file=file, key="", found=f"{type(error).__name__}: {error}", allowed="Python in UTF-8")
        return
    defined = {name for node in tree.body for name in _names_bound_by(node)}
    for name in REQUIRED_NAMES.get(path.name, ()):
        if name not in defined:
            yield PackageProblem(file=file, key=name, found="nothing", allowed=f"a definition of {name}")
    if path.name == "behaviours.py" and not any(name.startswith("test_") for name in defined):
        yield PackageProblem(file=file, key="test_*", found="nothing", allowed="one test_ function or more")


def _names_bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


def _example_problems(path: Path) -> Iterator[PackageProblem]:
    file = f"{path.parent.name}/{path.name}"
    try:
        examples = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        yield PackageProblem(file=file, key="", found=str(error), allowed="JSON in UTF-8")
        return
    if not isinstance(examples, list) or not examples:
        yield PackageProblem(
            file=file,
            key="",
            found="an empty list" if examples == [] else type(examples).__name__,
            allowed='a list of {"request": ..., "response": ...}',
        )
        return
    for index, example in enumerate(examples):
        missing = {"request", "response"} - set(example if isinstance(example, dict) else ())
        if missing:
            yield PackageProblem(
                file=file, key=str(index), found=f"no {' and no '.join(sorted(missing))}", allowed="both keys"
            )


def _data_problems(folder: Path, config: PackageConfig) -> Iterator[PackageProblem]:
    data = config.training.data
    if not data.startswith("s3://") and not (folder / data).is_dir():
        yield PackageProblem(
            file=f"{folder.name}/package.toml",
            key="training.data",
            found=f"{data!r}, which is no folder of the package",
            allowed="a folder with *.jsonl or *.jsonl.gz files, or an s3:// prefix",
        )
