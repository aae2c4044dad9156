"""`flyball new NAME`: a whole package or none, and a template that works as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_packages.discovery import discover
from model_packages.errors import OperatorError
from model_packages.scaffold import PLACEHOLDER, TEMPLATE, scaffold


def test_a_new_package_passes_discovery_as_it_is(tmp_path: Path) -> None:
    folder = scaffold("churn", tmp_path)

    [package] = discover(tmp_path)
    assert (package.name, package.path) == ("churn", folder)


def test_a_new_package_is_the_template_with_its_name_filled_in(tmp_path: Path) -> None:
    folder = scaffold("churn", tmp_path)

    made = {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    kept = {path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert made.keys() == kept
    assert not any(PLACEHOLDER in content for content in made.values())
    assert made[Path("README.md")].startswith("# churn\n")


def test_nothing_but_the_package_is_left_behind(tmp_path: Path) -> None:
    scaffold("churn", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["churn"]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("", "a name like"),
        ("Churn", "a name like"),
        ("churn-2", "a name like"),
        ("../churn", "a name like"),
        ("churn_", "a name like"),
        ("churn\n", "a name like"),
        ("class", "no keyword of Python"),
        ("platform", "does not use itself"),
        ("fields", "does not use itself"),
    ],
)
def test_a_name_that_no_package_may_have_is_refused_in_one_line(tmp_path: Path, name: str, allowed: str) -> None:
    with pytest.raises(OperatorError, match=allowed) as caught:
        scaffold(name, tmp_path)

    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "mine.py").touch()

    with pytest.raises(OperatorError, match=r"churn exists; allowed: a name that no package has"):
        scaffold("churn", tmp_path)

    assert [path.name for path in (tmp_path / "churn").iterdir()] == ["mine.py"]


def test_a_folder_that_cannot_be_finished_is_not_begun(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "dangling").symlink_to(template / "nowhere")
    root = tmp_path / "packages"
    root.mkdir()

    with pytest.raises(OSError, match="dangling"):
        scaffold("churn", root, template=template)

    assert list(root.iterdir()) == []
