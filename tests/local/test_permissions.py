"""One package, deployed and called once: without any one permission of its roles something of that is refused.

What a cloud asks in a role's name is recorded; each grant is then taken away by itself and every question put again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from local import client
from local.project import Project
from local.running import require_running
from local.services.iam.evaluation import grants_of
from local.services.iam.recording import FOLDER_VARIABLE, RoleRecord, read_recording
from tests.local.checkout import Checkout, give_version, make_checkout
from tests.permissions import OURS, Permission, Report, own_grants, report

pytestmark = pytest.mark.slow

ELSEWHERE = (
    ("model/MonitorProcessingRole", "*", "*"),  # a window that outgrows the function: test_large_window.py
    ("model/Retraining*", "*", "*"),  # a run of the loop: test_retraining_loop.py
    ("model/ModelExecutionRole", "s3:GetObject", "*:artifacts*"),  # the version that it promotes
    ("model/ModelExecutionRole", "kms:Decrypt", "*"),
    ("model/ModelExecutionRole", "cloudwatch:DescribeAlarms", "*"),
    ("model/MonitorFunctionRole", "iam:PassRole", "*"),
    ("model/MonitorFunctionRole", "sagemaker:*ProcessingJob", "*"),
    ("model/MonitorFunctionRole", "logs:FilterLogEvents", "*"),  # a window that is closed: test_drift_story.py
)
"""Roles' actions and resources that other clouds of the suite need; the report on the whole run has them all."""


GRANTED_ELSEWHERE = (("model/RetrainingFunctionRole", "kms:CreateGrant"),)
"""Explained, and granted where instances have no disks of their own: not to the model of this cloud."""

ASKED_ELSEWHERE = ("MonitorProcessingRole", "RetrainingJobsRole")
"""Roles of jobs that nobody starts here."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the recording of one cloud: deployed, asked for a prediction and for its catalogue, stopped."""
    folder = tmp_path_factory.mktemp("recordings")
    checkout = make_checkout(tmp_path_factory.mktemp("permissions") / "flyball", packages=["digits"])
    give_version(checkout, "digits")
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        serving = checkout.up()
        try:
            call(checkout, serving.curl_line("digits"))
            call(checkout, serving.curl_line("digits").partition(" -H ")[0] + f" {api(checkout)}/models")
            label(checkout, call(checkout, serving.curl_line("digits")))
            pass_hours(checkout, 3)
        finally:
            serving.stop(signal.SIGTERM)
    finally:
        os.environ.pop(FOLDER_VARIABLE)
        if before is not None:
            os.environ[FOLDER_VARIABLE] = before
    return folder


def api(checkout: Checkout) -> str:
    return f"https://localhost:{checkout.https_port}/api"


def label(checkout: Checkout, answer: str) -> None:
    """Says what the digit of a prediction was."""
    body = json.dumps({"inference_id": json.loads(answer)["inference_id"], "label": {"digit": 3}})
    done = client.call(
        client.local_target(require_running(Project(root=checkout.root))),
        method="POST",
        path="/models/digits/feedback",
        body=body.encode(),
    )
    assert done.status == 202, done.body


def pass_hours(checkout: Checkout, hours: int) -> None:
    """Lets the cloud's time pass: captures are written, and the monitor looks at them."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{checkout.cloud_port}/_flyball/clock",
        data=json.dumps({"advance_to": (datetime.now(UTC) + timedelta(hours=hours)).isoformat()}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=120) as answered:  # noqa: S310 - the cloud on this machine
        assert answered.status == 200


def call(checkout: Checkout, line: str) -> str:
    done = subprocess.run(
        ["/bin/bash", "-c", f"{line} --silent --fail"],
        cwd=checkout.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def found(recordings: Path) -> Report:
    return report(recordings)


@pytest.fixture(scope="module")
def roles(recordings: Path) -> dict[str, RoleRecord]:
    """Our roles, by their ARNs."""
    (path,) = recordings.glob("*.json")
    return {role: record for role, record in read_recording(path).items() if OURS.match(role)}


def test_every_role_of_the_templates_was_asked_for_something(roles: dict[str, RoleRecord]) -> None:
    idle = {
        role
        for role, record in roles.items()
        if list(own_grants(record)) and not record.asked and not any(name in role for name in ASKED_ELSEWHERE)
    }

    assert len(roles) >= 4
    assert idle == set()


def test_no_role_has_a_permission_that_nothing_needs_and_nobody_explains(found: Report) -> None:
    assert [each for each in found.unexplained if not _is_needed_elsewhere(each)] == []
    assert [each for each in found.idle_explanations if (each.role, each.action) not in GRANTED_ELSEWHERE] == []


def _is_needed_elsewhere(unneeded: Permission) -> bool:
    found = (unneeded.role, unneeded.action, unneeded.resource)
    return any(all(map(fnmatchcase, found, patterns)) for patterns in ELSEWHERE)


def test_the_permissions_that_the_request_path_needs_are_among_the_needed(found: Report) -> None:
    needed = {(permission.role, permission.action) for permission in found.needed}

    assert needed >= {
        ("model/GatewayRole", "sagemaker:InvokeEndpoint"),
        ("model/GatewayRole", "logs:PutLogEvents"),
        ("model/ModelExecutionRole", "s3:GetObject"),
        ("model/ModelExecutionRole", "ecr:BatchGetImage"),
        ("model/ModelExecutionRole", "logs:PutLogEvents"),
        ("platform/ChampionPointersCreatorRole", "ssm:PutParameter"),
        ("platform/CatalogueRole", "logs:PutLogEvents"),
    }


def test_a_needed_permission_taken_away_turns_an_answer(roles: dict[str, RoleRecord]) -> None:
    role, gateway = next((role, record) for role, record in roles.items() if "GatewayRole" in role)
    invoke = next(grant for grant in grants_of(gateway.policies) if grant.action == "sagemaker:InvokeEndpoint")

    assert gateway.needs(invoke), role
    assert not RoleRecord(gateway.policies).needs(invoke)
