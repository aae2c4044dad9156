"""boto3, unmodified, against the local cloud."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.cloud import BUCKET, ENDPOINT, EXAMPLE, ClientsCloud

pytestmark = pytest.mark.slow

POLL_SECONDS = 0.05
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def until_logged(cloud: ClientsCloud, name: str) -> list[str]:
    """The lines of a job's log stream, once there are any."""
    logs, deadline = cloud.boto3("logs"), time.monotonic() + 60
    while time.monotonic() < deadline:
        pages = logs.filter_log_events(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")
        if pages["events"]:
            return [event["message"] for event in pages["events"]]
        time.sleep(0.05)
    raise AssertionError(f"{name} logged nothing")


def test_an_endpoint_is_described_listed_and_invoked(cloud: ClientsCloud) -> None:
    sagemaker, runtime = cloud.boto3("sagemaker"), cloud.boto3("sagemaker-runtime")

    described = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    listed = sagemaker.list_endpoints(NameContains="digits", StatusEquals="InService")["Endpoints"]
    answer = runtime.invoke_endpoint(
        EndpointName=ENDPOINT, ContentType="application/json", Body=json.dumps(EXAMPLE["request"])
    )

    (variant,) = described["ProductionVariants"]
    assert described["EndpointStatus"] == "InService"
    assert (variant["VariantName"], variant["CurrentWeight"]) == ("main", 1.0)
    assert [endpoint["EndpointName"] for endpoint in listed] == [ENDPOINT]
    assert answer["InvokedProductionVariant"] == "main"
    assert json.loads(answer["Body"].read())["predictions"][0]["digit"] == EXAMPLE["response"]["digit"]


def test_a_streamed_answer_is_the_same_in_parts(cloud: ClientsCloud) -> None:
    answer = cloud.boto3("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=ENDPOINT, ContentType="application/json", Body=json.dumps(EXAMPLE["request"])
    )

    content = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])

    assert answer["ContentType"] == "application/json"
    assert json.loads(content)["predictions"][0]["digit"] == EXAMPLE["response"]["digit"]


def test_a_training_job_makes_a_version_that_can_be_registered(cloud: ClientsCloud) -> None:
    sagemaker, request = cloud.boto3("sagemaker"), cloud.training_job()
    name = request["TrainingJobName"]

    sagemaker.create_training_job(**request)
    job = cloud.ended_job(name)
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": cloud.image, "ModelDataUrl": artifact}
    version = sagemaker.create_model_package(
        ModelPackageGroupName=ENDPOINT,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=version, ModelApprovalStatus="Approved")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert artifact == f"s3://{BUCKET}/out/{name}/output/model.tar.gz"
    assert "flyball.json" in cloud.files_of(artifact)
    assert {"metrics.json", "baseline/baseline.json"} <= cloud.files_of(
        artifact.replace("model.tar.gz", "output.tar.gz")
    )
    assert 0 < job["FinalMetricDataList"][0]["Value"] <= 1
    assert any("the version is trained" in line for line in until_logged(cloud, name))
    approved = sagemaker.list_model_packages(ModelPackageGroupName=ENDPOINT, ModelApprovalStatus="Approved")
    assert version in [package["ModelPackageArn"] for package in approved["ModelPackageSummaryList"]]


def test_a_failed_job_says_why(cloud: ClientsCloud) -> None:
    request = cloud.training_job(HyperParameters={"seed": "minus one"})

    cloud.boto3("sagemaker").create_training_job(**request)
    with pytest.raises(Exception, match="terminal failure state"):
        cloud.ended_job(request["TrainingJobName"])

    job = cloud.boto3("sagemaker").describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: OperatorError: hyperparameter 'seed' is 'minus one'")
    assert job["FailureReason"].endswith(", exit code: 1")


def test_a_job_can_be_stopped(cloud: ClientsCloud) -> None:
    sagemaker, request = cloud.boto3("sagemaker"), cloud.training_job(HyperParameters={"epochs": "1000000"})
    sagemaker.create_training_job(**request)

    sagemaker.stop_training_job(TrainingJobName=request["TrainingJobName"])
    job = cloud.ended_job(request["TrainingJobName"])

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "message"),
    [
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "none", "Body": b"{}"},
            "ValidationError",
            "Endpoint none of account 123456789012 not found.",
        ),
        (
            "sagemaker",
            "describe_endpoint",
            {"EndpointName": "none"},
            "ValidationException",
            'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/none".',
        ),
        (
            "sagemaker",
            "describe_training_job",
            {"TrainingJobName": "none"},
            "ValidationException",
            "Requested resource not found.",
        ),
        (
            "sagemaker",
            "list_training_jobs",
            {"NextToken": "none"},
            "ValidationException",
            "The pagination token is invalid.",
        ),
        (
            "sagemaker",
            "list_notebook_instances",
            {},
            "NotImplementedByLocalCloud",
            "the local cloud does not implement sagemaker:ListNotebookInstances; ARCHITECTURE.md lists what it does",
        ),
    ],
)
def test_an_error_is_the_clients_own(
    cloud: ClientsCloud, service: str, operation: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(cloud.boto3(service), operation)(**parameters)

    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["Error"]["Message"] == message
