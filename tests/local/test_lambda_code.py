"""Assets built for Lambda's Python, made runnable under this one."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import pytest

from local.lambda_code import CodeNotRunnable, Mismatch, runs_here, runtime_folder, unpack

MACHINE = platform.machine().lower()
SYSTEM = "macosx_11_0" if sys.platform == "darwin" else "manylinux_2_17"
THIS_MINOR = sys.version_info.minor
OTHER_PYTHON = f"cp399-cp399-{SYSTEM}_{MACHINE}"


def asset(**files: str) -> bytes:
    """A zip with these files; `__` in a name stands for a slash."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


def asset_with_distribution(name: str, wanted: str, tag: str) -> bytes:
    """A zip with a handler and one distribution whose wheel has this tag."""
    folder = f"{name}-{wanted}.dist-info"
    buffer = BytesIO(asset(**{"app.py": "import orjson"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {wanted}\n\nText.")
        archive.writestr(f"{folder}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{name}/{name}.cpython-399-x86_64-linux-gnu.so", b"another interpreter's")
        archive.writestr(f"{name}/__init__.py", f"from .{name} import *\nfrom .{name} import __version__")
    return buffer.getvalue()


def test_the_code_lies_in_a_read_only_folder_named_by_its_content(tmp_path: Path) -> None:
    zipped = asset(**{"app.py": "x = 1", "pkg__data.json": "{}"})

    folder = unpack(zipped, tmp_path)

    assert (folder / "pkg" / "data.json").read_text() == "{}"
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "pkg", folder / "app.py")] == [
        "0o555",
        "0o555",
        "0o444",
    ]
    assert unpack(zipped, tmp_path) == folder
    assert unpack(asset(**{"app.py": "x = 2"}), tmp_path) != folder


def test_compiled_files_of_another_interpreter_get_this_ones_beside_them(tmp_path: Path) -> None:
    zipped = asset_with_distribution("orjson", version("orjson"), OTHER_PYTHON)

    folder = unpack(zipped, tmp_path)

    script = "import sys; sys.path.insert(0, sys.argv[1]); import orjson; print(orjson.__version__)"
    command = [sys.executable, "-I", "-S", "-c", script, str(folder)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == version("orjson")
    assert (folder / "orjson" / "orjson.cpython-399-x86_64-linux-gnu.so").exists()


def test_a_version_that_is_not_the_installed_one_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    zipped = asset_with_distribution("orjson", "0.0.1", OTHER_PYTHON)

    with pytest.raises(CodeNotRunnable) as caught:
        unpack(zipped, tmp_path)

    assert caught.value.mismatches == (Mismatch("orjson", "0.0.1", version("orjson")),)
    assert f"orjson 0.0.1: version {version('orjson')} is installed here" in str(caught.value)
    assert "pip install orjson==0.0.1" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_distribution_that_is_not_installed_here_at_all_is_an_error(tmp_path: Path) -> None:
    zipped = asset_with_distribution("nowhere_to_be_found", "1.0", OTHER_PYTHON)

    with pytest.raises(CodeNotRunnable, match=r"nowhere_to_be_found 1\.0: it is not installed here"):
        unpack(zipped, tmp_path)


@pytest.mark.parametrize(
    "tag", ["py3-none-any", "py2.py3-none-any", f"cp3{THIS_MINOR}-cp3{THIS_MINOR}-{SYSTEM}_{MACHINE}"]
)
def test_code_that_runs_here_is_left_as_it_is(tmp_path: Path, tag: str) -> None:
    zipped = asset_with_distribution("orjson", "0.0.1", tag)

    folder = unpack(zipped, tmp_path)

    assert len(list((folder / "orjson").iterdir())) == 2


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (f"cp39-abi3-{SYSTEM}_{MACHINE}", True),
        (f"cp399-abi3-{SYSTEM}_{MACHINE}", False),
        (f"py3-none-{SYSTEM}_{MACHINE}", True),
        (f"cp3{THIS_MINOR}-cp3{THIS_MINOR}-{SYSTEM}_riscv64", False),
        (f"cp3{THIS_MINOR}-cp3{THIS_MINOR}-win_amd64", False),
        (f"pp311-pypy311_pp73-{SYSTEM}_{MACHINE}", False),
    ],
)
def test_a_wheels_tag_tells_whether_it_can_be_imported_here(tag: str, *, expected: bool) -> None:
    assert runs_here(tag) is expected


def test_the_runtime_folder_holds_the_runtime_and_what_it_needs(tmp_path: Path) -> None:
    folder = runtime_folder(tmp_path)
    again = runtime_folder(tmp_path)

    names = {entry.name.partition(".")[0] for entry in folder.iterdir()}
    assert again == folder
    assert names == {"awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson"}
