"""The SageMaker SDK's resources, unmodified, against the local cloud: what sdk_session.py did and saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cloud import ENDPOINT, EXAMPLE, ClientsCloud

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("sdk_session.py")


@pytest.fixture(scope="module")
def request_document(cloud: ClientsCloud) -> dict[str, Any]:
    return cloud.training_job()


@pytest.fixture(scope="module")
def seen(cloud: ClientsCloud, request_document: dict[str, Any]) -> dict[str, Any]:
    """One session of the SDK, which imports slowly."""
    return dict(cloud.python(SCRIPT, json.dumps(request_document), json.dumps(EXAMPLE["request"])))


def test_an_endpoint_its_config_and_its_model_are_found_and_answer(cloud: ClientsCloud, seen: dict[str, Any]) -> None:
    endpoint = seen["endpoint"]

    assert (endpoint["status"], endpoint["variant"]) == ("InService", "main")
    assert endpoint["answer"]["predictions"][0]["digit"] == EXAMPLE["response"]["digit"]
    assert endpoint["image"] == endpoint["deployed"] == cloud.image


def test_lists_are_iterated(seen: dict[str, Any], request_document: dict[str, Any]) -> None:
    name = request_document["TrainingJobName"]

    assert seen["lists"] == {"endpoints": [ENDPOINT], "groups": [ENDPOINT]}
    assert seen["jobs"] == [name, f"{name}-long"]


def test_a_training_job_is_awaited_with_its_logs(cloud: ClientsCloud, seen: dict[str, Any]) -> None:
    job = seen["job"]

    assert job["status"] == "Completed"
    assert job["steps"] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["metrics"] == ["accuracy"]
    assert "flyball.json" in cloud.files_of(job["artifact"])


def test_a_training_job_is_stopped(seen: dict[str, Any]) -> None:
    assert seen["stopped"] == "Stopped"


def test_a_version_is_approved(seen: dict[str, Any]) -> None:
    assert seen["version"] == {"before": "PendingManualApproval", "after": "Approved", "group": ENDPOINT}
