"""What a package's requirements.txt asks for that this environment does not have.

The image installs it; here the model runs in the kit's own environment, so what is missing has to be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement

from model_packages.discovery import ModelPackage
from model_packages.errors import PackageError, PackageProblem


def check_requirements(packages: Sequence[ModelPackage]) -> None:
    """Raises PackageError with every line of any requirements.txt that is not met here, or is none."""
    problems = [problem for package in packages for problem in _problems(package)]
    if problems:
        raise PackageError(problems)


def _problems(package: ModelPackage) -> Iterator[PackageProblem]:
    lines = (package.path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        text = line.partition(" #")[0].partition(" --hash")[0].strip().rstrip("\\").strip()
        if text and not text.startswith(("#", "--hash")):
            yield from _problem(package, text)


def _problem(package: ModelPackage, line: str) -> Iterator[PackageProblem]:
    file = f"{package.name}/requirements.txt"
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        yield PackageProblem(file=file, key=line, found="no requirement", allowed="lines like `regex==2026.11.15`")
        return
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    found = _installed(requirement.name)
    if found is None or not requirement.specifier.contains(found, prereleases=True):
        yield PackageProblem(
            file=file,
            key=requirement.name,
            found=f"{found or 'nothing'} in this environment",
            allowed=f"{line} (.venv/bin/pip install -r model_packages/{package.name}/requirements.txt)",
        )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
