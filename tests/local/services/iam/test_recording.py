"""Recordings of what was asked, and the report on permissions that nothing needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.services.iam.evaluation import Grant, Question, grants_of
from local.services.iam.policies import policy_of
from local.services.iam.recording import RoleRecord, read_recording
from tests.permissions import EXPLAINED, Permission, Report, form_of, permission, report

GATEWAY = "arn:aws:iam::123456789012:role/flyball-digits-GatewayRole85066176-ABCDEFGHIJKL"
BOOTSTRAP = "arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role-123456789012-us-east-1"
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/flyball-digits"


def allow(*actions: str, on: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def record(*statements: dict[str, Any], asked: tuple[Question, ...]) -> RoleRecord:
    return RoleRecord((policy_of({"Statement": list(statements)}, name="own"),), asked)


def test_a_grant_that_answered_a_question_alone_is_needed() -> None:
    role = record(allow("s3:GetObject", "s3:PutObject", on="arn:aws:s3:::b/*"), asked=(get("a"),))

    assert [grant.action for grant in role.unused()] == ["s3:PutObject"]


def test_of_two_grants_for_the_same_neither_is_needed() -> None:
    role = record(allow("s3:GetObject", "s3:Get*", on="arn:aws:s3:::b/*"), asked=(get("a"),))

    assert {grant.action for grant in role.unused()} == {"s3:GetObject", "s3:Get*"}


def test_each_resource_of_a_statement_counts_by_itself() -> None:
    role = record(allow("s3:GetObject", on=["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"]), asked=(get("a"),))

    assert [grant.resource for grant in role.unused()] == ["arn:aws:s3:::c/*"]


def get(key: str) -> Question:
    return Question("s3:GetObject", f"arn:aws:s3:::b/{key}")


def recording(folder: Path, **roles: dict[str, Any]) -> None:
    (folder / f"{len(list(folder.iterdir()))}.json").write_text(json.dumps(roles))


def as_written(*actions: str, asked: list[str]) -> dict[str, Any]:
    policy = {"Version": "2012-10-17", "Statement": [allow(*actions, on=ENDPOINT)]}
    questions = [{"action": action, "resource": ENDPOINT, "context": {"aws:tagkeys": ["a"]}} for action in asked]
    return {"policies": {"function": policy}, "asked": questions}


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording(tmp_path, **{GATEWAY: as_written("sagemaker:InvokeEndpoint", asked=["sagemaker:InvokeEndpoint"])})

    found = read_recording(tmp_path / "0.json")[GATEWAY]

    assert found.asked == (Question("sagemaker:InvokeEndpoint", ENDPOINT, {"aws:tagkeys": ("a",)}),)
    assert list(grants_of(found.policies)) == [Grant("function", "sagemaker:InvokeEndpoint", ENDPOINT)]


def test_what_one_cloud_needs_is_needed(tmp_path: Path) -> None:
    recording(tmp_path, **{GATEWAY: as_written("sagemaker:InvokeEndpoint", asked=["sagemaker:InvokeEndpoint"])})
    recording(tmp_path, **{GATEWAY.replace("digits", "payments"): as_written("sagemaker:InvokeEndpoint", asked=[])})

    found = report(tmp_path)

    assert found.unexplained == [
        Permission("model/GatewayRole", "sagemaker:InvokeEndpoint", ENDPOINT.replace("123456789012", "*"))
    ]
    assert len(found.needed) == 1


def test_a_grant_without_a_reason_is_shown(tmp_path: Path) -> None:
    recording(tmp_path, **{GATEWAY: as_written("sagemaker:InvokeEndpoint", "sagemaker:DeleteEndpoint", asked=[])})

    lines = list(report(tmp_path).lines())

    assert [line for line in lines if line.startswith("UNEXPLAINED, granted") and "DeleteEndpoint" in line]
    assert len(report(tmp_path).unexplained) == 2


def test_roles_of_others_are_left_out(tmp_path: Path) -> None:
    recording(tmp_path, **{BOOTSTRAP: as_written("sagemaker:InvokeEndpoint", asked=[])})

    assert report(tmp_path).unneeded == frozenset()


def test_a_reason_for_what_is_needed_is_idle() -> None:
    unneeded = frozenset({Permission("model/ModelExecutionRole", "cloudwatch:PutMetricData", "*")})

    found = Report(needed=frozenset(), unneeded=unneeded)

    assert found.unexplained == []
    assert [(each.role, each.action) for each in EXPLAINED if each not in found.idle_explanations] == [
        ("model/ModelExecutionRole", "cloudwatch:PutMetricData")
    ]


@pytest.mark.parametrize(
    ("resource", "form"),
    [
        ("arn:aws:s3:::flyball-platform-bucketsartifactsb9ee6400-abcdefghijkl/digits/*", "arn:aws:s3:::*:artifacts"),
        (
            "arn:aws:logs:us-east-1:123456789012:log-group:flyball-digits-GatewayLogs34792D0F-ABCDEFGHIJKL:*",
            "arn:aws:logs:us-east-1:*:log-group:flyball-?-GatewayLogs34792D0F-*:*",
        ),
        (
            "arn:aws:kms:us-east-1:123456789012:key/0f0e0d0c-0b0a-0908-0706-050403020100",
            "arn:aws:kms:us-east-1:*:key/*",
        ),
    ],
)
def test_a_resource_is_freed_from_one_installations_names(resource: str, form: str) -> None:
    assert form_of(resource, package="digits") == form


def test_a_truncated_logical_id_still_names_its_role() -> None:
    found = permission(
        "flyball-platform", "ChampionPointersCreatorRole43B77A3", Grant("function", "ssm:PutParameter", "*")
    )

    assert found.role == "platform/ChampionPointersCreatorRole"
