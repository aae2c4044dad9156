"""What smspark-submit's arguments become."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.services.sagemaker.processing.spark import repository_of, submit_command
from model_packages.errors import OperatorError


def after_settings(command: list[str]) -> list[str]:
    return command[max(index for index, part in enumerate(command) if part == "--conf") + 2 :]


def test_a_folder_stands_for_its_files_and_opt_ml_for_the_jobs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "processing/input/py-files"
    folder.mkdir(parents=True)
    for name in ("b.zip", "a.zip"):
        (folder / name).write_text("")
    arguments = ["--py-files", "/opt/ml/processing/input/py-files", "-v", "/opt/ml/app.py", "--job", "s3://b/p/"]

    command = submit_command(arguments, root=tmp_path)

    assert command[1:3] == ["--master", "local[2]"]
    assert after_settings(command) == [
        *("--py-files", f"{folder}/a.zip,{folder}/b.zip", "--verbose"),
        *(f"{tmp_path}/app.py", "--job", "s3://b/p/"),
    ]


def test_where_event_logs_go_has_no_effect(tmp_path: Path) -> None:
    command = submit_command(["--spark-event-logs-s3-uri", "s3://b/logs", "app.py"], root=tmp_path)

    assert after_settings(command) == ["app.py"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--conf", "a=b", "app.py"], "found the option --conf"), (["--py-files", "a.zip"], "found no application")],
)
def test_what_the_image_would_not_take_is_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        submit_command(arguments, root=tmp_path)


def test_an_images_repository_is_its_name_without_registry_and_tag() -> None:
    images = ("1.dkr.ecr.us-east-1.amazonaws.com/spark:3", "r/a/b@sha256:1", "host:5000/spark:3")

    assert [repository_of(image) for image in images] == ["spark", "a/b", "spark"]
