"""What only an account can tell, asked of botocore clients whose answers are written here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from botocore.stub import Stubber

from cdk.preflight.account import bootstrap, quotas, taken_names
from cdk.preflight.account.clients import Account
from cdk.preflight.account.inspection import inspect
from cdk.preflight.findings import Finding
from cdk.preflight.timeouts import raised_timeouts
from tests.cdk.preflight.templates import Flowers, Json

STACKS = ("flyball-platform", "flyball-flowers")
PARAMETER = "/cdk-bootstrap/hnb659fds/version"


@dataclass
class Script:
    """Clients that answer what the test has written down, in that order, and nothing else."""

    stubbers: dict[str, Stubber] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        for stubber in self.stubbers.values():
            stubber.activate()
        return Account(number="123456789012", region="us-east-1", make=lambda service: self._stubber(service).client)

    def answer(self, service: str, operation: str, answer: Json) -> None:
        self._stubber(service).add_response(operation, answer)

    def refuse(self, service: str, operation: str, code: str) -> None:
        self._stubber(service).add_client_error(operation, code, "said so")

    def finished(self) -> None:
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()

    def _stubber(self, service: str) -> Stubber:
        if service not in self.stubbers:
            client = Session().create_client(
                service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
            )
            self.stubbers[service] = Stubber(client)
            self.stubbers[service].activate()
        return self.stubbers[service]


@pytest.fixture
def script() -> Script:
    return Script()


def grant(script: Script, *, instances: float | None, concurrency: float = 1000) -> None:
    """The quotas of an account, in two pages."""
    unrelated = {"QuotaName": "ml.m5.large for training job usage", "Value": 4.0}
    granted = [] if instances is None else [{"QuotaName": "ml.g6.xlarge for endpoint usage", "Value": instances}]
    script.answer("service-quotas", "list_service_quotas", {"Quotas": [unrelated], "NextToken": "more"})
    script.answer("service-quotas", "list_service_quotas", {"Quotas": granted})
    script.answer(
        "service-quotas",
        "list_service_quotas",
        {"Quotas": [{"QuotaName": "Concurrent executions", "Value": concurrency}]},
    )


@pytest.mark.parametrize(
    ("instances", "concurrency", "rules"),
    [
        (8, 1000, []),  # four at the most, and four more while a rollout lasts
        (7, 1000, ["quota-tight"]),
        (1, 1000, ["quota-too-small"]),
        (0, 1000, ["quota-too-small"]),
        (None, 1000, ["quota-unlisted"]),
        (8, 10, ["lambda-concurrency"]),
    ],
)
def test_quotas_are_compared_with_what_the_templates_run(
    flowers: Flowers, script: Script, instances: float | None, concurrency: float, rules: list[str]
) -> None:
    grant(script, instances=instances, concurrency=concurrency)

    findings = list(quotas.check(script.account, flowers.installation()))

    assert [finding.rule.id for finding in findings] == rules
    script.finished()


def test_a_quota_says_what_to_ask_for(flowers: Flowers, script: Script) -> None:
    grant(script, instances=0)

    (finding,) = quotas.check(script.account, flowers.installation())

    assert finding.where == "Service Quotas, ml.g6.xlarge for endpoint usage"
    assert "for 8 of 'ml.g6.xlarge for endpoint usage'" in finding.change


def test_the_limit_of_all_instances_together_counts_too(flowers: Flowers, script: Script) -> None:
    granted = [
        {"QuotaName": "ml.g6.xlarge for endpoint usage", "Value": 8.0},
        {"QuotaName": quotas.ALL_INSTANCES, "Value": 1.0},
    ]
    script.answer("service-quotas", "list_service_quotas", {"Quotas": granted})
    script.answer("service-quotas", "list_service_quotas", {"Quotas": []})

    (finding,) = quotas.check(script.account, flowers.installation())

    assert (finding.rule.id, finding.where) == ("quota-too-small", f"Service Quotas, {quotas.ALL_INSTANCES}")


@pytest.mark.parametrize(("granted_ms", "count"), [(60_000.0, 0), (29_000.0, 1), (None, 1)])
def test_a_raised_timeout_is_compared_with_what_api_gateway_grants(
    flowers: Flowers, script: Script, granted_ms: float | None, count: int
) -> None:
    def raise_timeout(method: Json) -> None:
        if "proxy" in str(method["ResourceId"]):
            method["Integration"]["TimeoutInMillis"] = 60_000

    grant(script, instances=8)
    listed = [] if granted_ms is None else [{"QuotaName": quotas.API_TIMEOUT, "Value": granted_ms}]
    script.answer("service-quotas", "list_service_quotas", {"Quotas": listed})
    installation = flowers.having(edits={"AWS::ApiGateway::Method": raise_timeout}).installation()
    routes = len(list(raised_timeouts(installation)))

    findings = list(quotas.check(script.account, installation))

    assert routes > 0
    assert ids(findings) == ["api-timeout-quota"] * routes * count
    script.finished()


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """A manifest with one stack, and assets for one bucket and one repository."""
    manifest = {
        "artifacts": {
            "flyball-flowers.assets": {
                "type": "cdk:asset-manifest",
                "properties": {
                    "file": "assets.json",
                    "requiresBootstrapStackVersion": 6,
                    "bootstrapStackVersionSsmParameter": PARAMETER,
                },
            }
        }
    }
    assets = {
        "files": {"a": {"destinations": {"here": {"bucketName": "assets-${AWS::AccountId}-${AWS::Region}"}}}},
        "dockerImages": {"b": {"destinations": {"here": {"repositoryName": "images-${AWS::AccountId}"}}}},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "assets.json").write_text(json.dumps(assets), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("version", ["5", None])
def test_a_bootstrap_that_is_old_or_missing_is_found(assembly: Path, script: Script, version: str | None) -> None:
    if version is None:
        script.refuse("ssm", "get_parameter", "ParameterNotFound")
    else:
        script.answer("ssm", "get_parameter", {"Parameter": {"Value": version}})

    (finding,) = bootstrap.check(script.account, assembly)

    assert finding.rule.id == "not-bootstrapped"
    assert finding.change == "cdk bootstrap aws://123456789012/us-east-1"


@pytest.mark.parametrize(
    ("bucket", "repository", "missing"),
    [
        (True, True, []),
        (False, True, ["bucket assets-123456789012-us-east-1"]),
        (True, False, ["repository images-123456789012"]),
    ],
)
def test_the_stores_of_assets_have_to_be_there(
    assembly: Path, script: Script, *, bucket: bool, repository: bool, missing: list[str]
) -> None:
    script.answer("ssm", "get_parameter", {"Parameter": {"Value": "21"}})
    if bucket:
        script.answer("s3", "head_bucket", {})
    else:
        script.refuse("s3", "head_bucket", "404")
    if repository:
        script.answer("ecr", "describe_repositories", {"repositories": []})
    else:
        script.refuse("ecr", "describe_repositories", "RepositoryNotFoundException")

    findings = list(bootstrap.check(script.account, assembly))

    assert [finding.where for finding in findings] == missing
    script.finished()


def deployed(script: Script, *stacks: str) -> None:
    """Which of the two stacks CloudFormation has."""
    for name in STACKS:
        if name in stacks:
            status = {"StackName": name, "StackStatus": "UPDATE_COMPLETE", "CreationTime": 0}
            script.answer("cloudformation", "describe_stacks", {"Stacks": [status]})
        else:
            script.refuse("cloudformation", "describe_stacks", "ValidationError")


def test_a_name_that_exists_outside_of_its_stack_is_taken(flowers: Flowers, script: Script) -> None:
    deployed(script, "flyball-platform")
    script.refuse("sagemaker", "describe_model_package_group", "ValidationException")
    script.answer("logs", "describe_log_groups", {"logGroups": [log_group("flyball-flowers-2")]})
    script.answer("sagemaker", "describe_endpoint", endpoint("flyball-flowers"))
    for _ in ("gateway", "monitor", "retraining"):
        script.refuse("lambda", "get_function", "ResourceNotFoundException")
    script.answer("logs", "describe_log_groups", {"logGroups": []})
    script.answer("cloudwatch", "describe_alarms", {"CompositeAlarms": [{"AlarmName": "flyball-flowers-Page"}]})

    endpoint_taken, alarm_taken = taken_names.check(script.account, flowers.installation())

    assert endpoint_taken.rule.id == alarm_taken.rule.id == "name-taken"
    assert endpoint_taken.found == "flyball-flowers, which exists, while stack flyball-flowers does not"
    assert alarm_taken.found.startswith("flyball-flowers-Page, ")
    script.finished()


def test_names_of_deployed_stacks_are_their_own(flowers: Flowers, script: Script) -> None:
    deployed(script, *STACKS)

    assert list(taken_names.check(script.account, flowers.installation())) == []


def test_a_stack_that_is_a_change_set_alone_is_not_deployed(flowers: Flowers, script: Script) -> None:
    pending = {"StackName": "flyball-platform", "StackStatus": "REVIEW_IN_PROGRESS", "CreationTime": 0}
    script.answer("cloudformation", "describe_stacks", {"Stacks": [pending]})

    assert not taken_names.is_deployed(script.account, flowers.installation().stacks[0])


def test_a_refused_question_is_a_finding_and_the_others_are_asked(
    flowers: Flowers, script: Script, assembly: Path
) -> None:
    script.refuse("service-quotas", "list_service_quotas", "AccessDeniedException")
    script.refuse("ssm", "get_parameter", "ParameterNotFound")
    deployed(script, *STACKS)

    findings = list(inspect(script.account, installation=flowers.installation(), assembly=assembly))

    assert ids(findings) == ["not-asked", "not-bootstrapped"]
    assert "AccessDeniedException" in findings[0].found
    script.finished()


def ids(findings: list[Finding]) -> list[str]:
    return [finding.rule.id for finding in findings]


def log_group(name: str) -> dict[str, Any]:
    return {"logGroupName": f"/aws/sagemaker/Endpoints/{name}"}


def endpoint(name: str) -> dict[str, Any]:
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}"
    return {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointStatus": "InService",
        "CreationTime": 0,
        "LastModifiedTime": 0,
    }
