"""The steps of a rollout, through botocore, against the local cloud's SageMaker, which takes them as they are meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.moto_hooks import CloudHooks, install
from local.services.lambda_function import Invocation, InvocationType
from local.services.sagemaker.descriptions import EndpointDescriptions
from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.models import ModelOperations
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.registry import ModelRegistry
from tests.functions.retraining.deployments import CONFIG, INITIAL_MODEL, STACK_CONFIG, STACK_MODEL
from tests.functions.retraining.loops import ENDPOINT, SETTINGS
from tests.functions.retraining.rollouts import Run

ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass
class Updates:
    """Endpoints that stay as they are shown, until a test says otherwise."""

    asked: list[str] = field(default_factory=list)

    def create(self, *_arguments: object) -> None: ...

    def update(self, endpoint: str, *_arguments: object, **_more: object) -> None:
        self.asked.append(endpoint)

    def delete(self, *_arguments: object) -> None: ...

    def reweigh(self, *_arguments: object) -> None: ...


@dataclass
class Stage:
    client: Any
    state: MotoState
    updates: Updates

    def show(self, status: EndpointStatus, config: str) -> None:
        self.state.show(ENDPOINT, EndpointState(status, config))


def no_function(_arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError("no function is invoked here")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An endpoint as CloudFormation makes it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    registry = ModelRegistry(
        groups=InMemoryDocuments(),
        versions=InMemoryDocuments(),
        clock=ManualClock(),
        account=ACCOUNT,
        region=REGION,
    )
    updates = Updates()
    with mock_aws():
        state = MotoState(account_id=ACCOUNT, region=REGION, registered=registry.containers)
        endpoints = EndpointOperations(
            state=state, endpoints=updates, later=lambda function, *arguments, **more: function(*arguments, **more)
        )
        operations = {
            **endpoints.by_name(),
            **EndpointDescriptions(state).by_name(),
            **ModelOperations(state, trusts=lambda *_: True).by_name(),
            **registry.by_name(),
        }
        uninstall = install(CloudHooks(invoke_lambda=no_function, sagemaker_operations=operations))
        client = boto3.client("sagemaker", region_name=REGION)
        client.create_model(**INITIAL_MODEL, ExecutionRoleArn=SETTINGS.execution_role_arn)
        client.create_endpoint_config(**CONFIG)
        client.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=STACK_CONFIG)
        state.show(ENDPOINT, EndpointState(EndpointStatus.IN_SERVICE, STACK_CONFIG))
        client.create_model_package_group(ModelPackageGroupName=ENDPOINT)
        yield Stage(client, state, updates)
        uninstall()


def registered(client: Any) -> str:
    container = {"Image": SETTINGS.image_uri, "ModelDataUrl": "s3://artifacts/3/model.tar.gz"}
    made = client.create_model_package(
        ModelPackageGroupName=ENDPOINT,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelApprovalStatus="Approved",
    )
    return str(made["ModelPackageArn"])


@pytest.mark.slow
def test_a_version_is_rolled_out_promoted_and_followed_by_a_clean_up(stage: Stage) -> None:
    run = Run(sagemaker=stage.client)
    version = registered(stage.client)

    rolled_out = run.steps.roll_out(_event(version))
    again = run.steps.roll_out(_event(version))
    stage.show(EndpointStatus.IN_SERVICE, rolled_out["config"])
    seen = run.steps.observe({**_event(version), **rolled_out})

    assert (again["config"], again["model"]) == (rolled_out["config"], rolled_out["model"])
    assert stage.updates.asked == [ENDPOINT]
    assert seen["status"] == "in_service"
    config = stage.client.describe_endpoint_config(EndpointConfigName=rolled_out["config"])
    expected = stage.client.describe_endpoint_config(EndpointConfigName=STACK_CONFIG)
    for described in (config, expected):
        for name in ("EndpointConfigName", "EndpointConfigArn", "CreationTime", "ResponseMetadata"):
            del described[name]
    assert config == {
        **expected,
        "ProductionVariants": [{**expected["ProductionVariants"][0], "ModelName": rolled_out["model"]}],
    }
    assert run.remove_leftovers() == []


@pytest.mark.slow
def test_a_rollout_that_was_taken_back_is_seen_and_leaves_nothing(stage: Stage) -> None:
    run = Run(sagemaker=stage.client)
    version = registered(stage.client)
    rolled_out = run.steps.roll_out(_event(version))
    stage.show(EndpointStatus.IN_SERVICE, STACK_CONFIG)

    seen = run.steps.observe({**_event(version), **rolled_out})
    removed = run.remove_leftovers()

    assert seen["status"] == "rolled_back"
    assert sorted(removed) == sorted([rolled_out["config"], rolled_out["model"]])
    assert [model["ModelName"] for model in stage.client.list_models()["Models"]] == [STACK_MODEL]


def _event(version: str) -> dict[str, Any]:
    return {"run": "one", "execution": "arn", "now": "2026-02-14T12:00:00Z", "version": version}
