"""`flyball preflight` and `flyball diff`: which cloud they ask, and what they make of an answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.project import Project
from local.review import AS_IT_IS, ask, cloud_to_ask
from local.running import RunningCloud, only_one
from model_packages.errors import OperatorError
from tests.local.checkout import Checkout, environment, give_version, make_checkout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(root=tmp_path)


@pytest.fixture
def running(project: Project) -> Iterator[RunningCloud]:
    """A local cloud that serves from the project's folder, as far as its record says."""
    cloud = RunningCloud(
        pid=1,
        api_url="https://localhost:8443/api",
        aws_endpoint_url="http://127.0.0.1:8444",
        certificate="ca.pem",
    )
    with only_one(project) as announce:
        announce(cloud)
        yield cloud


def test_the_cloud_that_the_environment_names_is_asked_as_it_is(project: Project, running: RunningCloud) -> None:
    cloud = cloud_to_ask(project, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9999"})

    assert (cloud.name, dict(cloud.variables), cloud.is_local) == ("http://127.0.0.1:9999", {}, True)


def test_the_local_cloud_of_the_folder_goes_before_aws(project: Project, running: RunningCloud) -> None:
    cloud = cloud_to_ask(project, environment={"AWS_PROFILE": "production"})

    assert cloud.is_local
    assert cloud.variables["AWS_ENDPOINT_URL"] == running.aws_endpoint_url
    assert cloud.variables["AWS_REGION"] == cloud.variables["AWS_DEFAULT_REGION"] == "us-east-1"


def test_aws_is_asked_where_no_local_cloud_runs(project: Project) -> None:
    cloud = cloud_to_ask(project, environment={})

    assert (cloud.name, cloud.is_local) == ("AWS", False)


def program(project: Project, body: str) -> list[str]:
    """A program that answers in the place of one of cdk/'s."""
    (project.root / "answering.py").write_text(body, encoding="utf-8")
    return ["answering"]


@pytest.mark.slow
@pytest.mark.parametrize(("code", "expected"), [(0, 0), (4, 1)])
def test_an_answer_is_shown_and_says_whether_errors_were_found(project: Project, code: int, expected: int) -> None:
    shown: list[str] = []
    arguments = program(project, f"import sys\nprint('found')\nprint('this')\nsys.exit({code})\n")

    result = asyncio.run(ask(project, arguments, cloud=AS_IT_IS, show=shown.append))

    assert (result, shown) == (expected, ["found\nthis"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    ["import sys\nprint('no credentials', file=sys.stderr)\nsys.exit(2)\n", "raise KeyError('no credentials')\n"],
)
def test_a_failed_question_is_an_operators_error_and_nothing_is_shown(project: Project, body: str) -> None:
    shown: list[str] = []
    arguments = program(project, body)

    with pytest.raises(OperatorError, match="no credentials"):
        asyncio.run(ask(project, arguments, cloud=AS_IT_IS, show=shown.append))

    assert shown == []


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("review"), packages=["tumours"])
    give_version(checkout, "tumours")
    return checkout


@pytest.mark.slow
def test_preflight_looks_at_what_a_synth_made_and_says_that_no_account_was_asked(checkout: Checkout) -> None:
    no_account = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    done = subprocess.run(
        [sys.executable, "cli.py", "preflight", "--json"],
        cwd=checkout.root,
        env=environment() | no_account,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["errors"], answer["warnings"]) == ([], [])
    assert answer["account"].startswith("the account was not asked")


@pytest.mark.slow
def test_an_error_stops_the_synth_and_keeps_the_former_assembly(checkout: Checkout) -> None:
    assert checkout.flyball("synth").returncode == 0
    declared = checkout.root / "model_packages" / "tumours" / "package.toml"
    before = declared.read_text(encoding="utf-8")

    declared.write_text(before.replace('"ml.c7i.large"', '"ml.c7i.largo"'), encoding="utf-8")
    done = checkout.flyball("synth")
    declared.write_text(before, encoding="utf-8")

    assert done.returncode == 2
    assert "[endpoint-instance-type] tumours/package.toml, endpoint.instance_type: found ml.c7i.largo" in done.stderr
    assert "ml.c7i.large" in (checkout.root / "cdk.out" / "flyball-tumours.template.json").read_text(encoding="utf-8")
