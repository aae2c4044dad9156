"""What a synth ends with, over a real synth: files beside the templates, and an error that lists everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.preflight.__main__ import as_text, inspect_assembly
from cdk.preflight.findings import PreflightFailed
from cdk.preflight.installation import read_installation
from cdk.preflight.review import review_synth
from tests.cdk.synth import Assembly, Workshop


def test_the_sample_packages_pass_and_leave_their_cost(assembly: Assembly, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    copy.mkdir()
    for path in assembly.folder.glob("*.json"):
        (copy / path.name).write_bytes(path.read_bytes())

    found = review_synth(copy, packages=(), models=tmp_path, monthly_budget_usd=None)

    written = json.loads((copy / "cost.json").read_text(encoding="utf-8"))
    assert written["total"]["monthly_usd"] == found.cost.total.monthly_usd
    assert json.loads((copy / "preflight.json").read_text(encoding="utf-8"))["errors"] == []
    assert (copy / "preflight.txt").read_text(encoding="utf-8") == f"{found.text}\n"


def test_a_synth_lists_every_error_of_every_package_at_once(workshop: Workshop) -> None:
    packages = [
        workshop.package("flowers", budget={"monthly_usd": 10.0}, training={"instance_type": "ml.nothing.xlarge"}),
        workshop.package("roses", endpoint={"timeout_seconds": 60}),
    ]
    out = workshop.synthesize(packages).folder

    with pytest.raises(PreflightFailed) as failure:
        review_synth(out, packages=packages, models=workshop.folder / "build" / "models")

    ids = [(finding.package, finding.rule.id) for finding in failure.value.findings]
    assert set(ids) == {
        ("flowers", "training-instance-type"),
        ("flowers", "artifact-unreadable"),
        ("flowers", "over-budget"),
        ("roses", "artifact-unreadable"),
        ("roses", "api-gives-up-first"),
    }
    assert all(str(finding) in str(failure.value) for finding in failure.value.findings)


def test_the_region_of_an_environment_is_read_from_the_assembly(workshop: Workshop) -> None:
    package = workshop.package("flowers")
    place = {"account": "123456789012", "region": "eu-west-3"}

    out = workshop.synthesize([package], **place).folder

    installation = read_installation(out, packages=[package], models=workshop.folder)
    assert {stack.region for stack in installation.stacks} == {"eu-west-3"}
    assert [each.name for _, each in installation.packages] == ["flowers"]


def test_without_credentials_the_review_says_that_the_account_was_not_asked(assembly: Assembly, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    copy.mkdir()
    for path in assembly.folder.glob("*.json"):
        (copy / path.name).write_bytes(path.read_bytes())
    review_synth(copy, packages=(), models=tmp_path)

    found = inspect_assembly(copy, account="no credentials")

    assert as_text(found, "no credentials").endswith("the account was not asked: no credentials")


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ("dev", {}),
        ("staging", {"waf": True, "authorization": "cognito"}),
        ("prod", {"alarm_email": "people@example.com", "vpc": {"mode": "create"}}),
    ],
)
def test_every_environment_passes_and_everything_in_it_has_a_price(
    workshop: Workshop, environment: str, settings: dict[str, Any]
) -> None:
    packages = [workshop.package("flowers", endpoint={"minimum_instances": 2, "maximum_instances": 4})]

    out = workshop.synthesize(packages, environment=environment, **settings).folder

    found = review_synth(out, packages=packages, models=workshop.folder)
    assert (found.report.errors, found.report.warnings) == ((), ())
    assert found.cost.total.most_monthly_usd is not None
