"""Every template passes cdk-nag, cfn-lint and CDK's own validator; what is ignored stands here with its reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_s3 as s3
from cfnlint import lint
from cfnlint.config import ManualArgs

from cdk.rules import apply_rules
from tests.cdk.synth import ROOT, VARIATIONS, Assembly, Workshop, sample_packages

IGNORED: Mapping[str, str] = {
    "W3005": "CDK lets a function depend on its role, which the function's reference to it says too.",
}
"""cfn-lint's rules that say nothing about these templates."""

EVERYTHING_ON = {"authorization": "cognito", "waf": True, "removal_policy": "destroy", "alarm_email": "a@example.com"}


def complaints(assembly: Assembly, *, stacks: Sequence[str] = ()) -> set[str]:
    """cfn-lint's matches in all stacks or some; for a rule that is ignored, only its id."""
    config = ManualArgs(regions=["us-east-1"])
    return {
        match.rule.id if match.rule.id in IGNORED else f"{stack}: {match.rule.id} {match.message}"
        for stack in stacks or assembly.stacks
        for match in lint(json.dumps(assembly.template(stack)), config=config)
    }


def test_cfn_lint_finds_what_is_ignored_and_nothing_else(assembly: Assembly) -> None:
    assert complaints(assembly) == IGNORED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIATIONS)
def test_cfn_lint_has_no_more_to_say_about_other_environments(variations: dict[str, Assembly], name: str) -> None:
    assert complaints(variations[name], stacks=["platform", "flowers"]) == IGNORED.keys()


@pytest.mark.parametrize("settings", [EVERYTHING_ON, {"authorization": "api_key", "documentation": "authorised"}])
def test_cfn_lint_has_no_more_to_say_about_other_settings(workshop: Workshop, settings: dict[str, Any]) -> None:
    assembly = workshop.synthesize(sample_packages(workshop), **settings)

    assert complaints(assembly) == IGNORED.keys()


def test_a_finding_of_cdk_nag_that_nobody_acknowledged_stops_the_synth(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path))
    s3.Bucket(Stack(app, "careless"), "Bucket")
    apply_rules(app)

    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()


@pytest.mark.slow
def test_cdks_own_validator_finds_nothing_either(tmp_path: Path) -> None:
    environment = {**os.environ, "CDK_VALIDATION": "true"}
    command = [sys.executable, "-m", "tests.cdk.synth", str(tmp_path)]

    finished = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads((tmp_path / "out" / "validation-report.json").read_text(encoding="utf-8"))
    (validator,) = report["pluginReports"]
    assert validator["violations"] == []
    assert {finding["ruleName"] for finding in validator["suppressedViolations"]} == {"F3031"}
