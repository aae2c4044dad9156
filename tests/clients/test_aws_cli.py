"""The AWS CLI, as it is installed, against the local cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cloud import BUCKET, ENDPOINT, EXAMPLE, ClientsCloud

pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"

READS: dict[str, Callable[[Any], bool]] = {
    "sts get-caller-identity": lambda answer: answer["Account"] == ACCOUNT,
    "ssm get-parameter --name /flyball/digits/champion": lambda answer: answer["Parameter"]["Value"] == "none",
    "cloudformation describe-stacks --stack-name flyball-digits": lambda answer: (
        answer["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    ),
    "cloudwatch describe-alarms --alarm-name-prefix flyball-digits": lambda answer: len(answer["MetricAlarms"]) >= 1,
    "dynamodb list-tables": lambda answer: answer["TableNames"] == [],
    "lambda get-function --function-name flyball-digits-gateway": lambda answer: (
        answer["Configuration"]["FunctionName"] == "flyball-digits-gateway"
    ),
    "logs describe-log-groups --log-group-name-prefix /aws/sagemaker/Endpoints": lambda answer: (
        answer["logGroups"][0]["logGroupName"] == f"/aws/sagemaker/Endpoints/{ENDPOINT}"
    ),
    "iam get-role --role-name training": lambda answer: answer["Role"]["RoleName"] == "training",
    "kms list-aliases": lambda answer: isinstance(answer["Aliases"], list),
    "sns list-topics": lambda answer: len(answer["Topics"]) >= 1,
    "events list-rules": lambda answer: isinstance(answer["Rules"], list),
    "stepfunctions list-state-machines": lambda answer: isinstance(answer["stateMachines"], list),
    "apigateway get-rest-apis": lambda answer: len(answer["items"]) == 1,
    f"sagemaker describe-endpoint --endpoint-name {ENDPOINT}": lambda answer: answer["EndpointStatus"] == "InService",
    "sagemaker list-endpoints --name-contains digits": lambda answer: len(answer["Endpoints"]) == 1,
    "sagemaker list-models": lambda answer: len(answer["Models"]) == 1,
    "sagemaker list-endpoint-configs --max-results 1": lambda answer: len(answer["EndpointConfigs"]) == 1,
    f"sagemaker describe-model-package-group --model-package-group-name {ENDPOINT}": lambda answer: (
        answer["ModelPackageGroupStatus"] == "Completed"
    ),
    f"sagemaker list-tags --resource-arn arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/{ENDPOINT}": lambda answer: (
        isinstance(answer["Tags"], list)
    ),
}


@pytest.mark.parametrize("command", sorted(READS))
def test_a_command_reads_what_is_there(cloud: ClientsCloud, command: str) -> None:
    answer = cloud.aws_json(*command.split())

    assert READS[command](answer), answer


def test_an_endpoint_is_invoked_with_a_file(cloud: ClientsCloud, tmp_path: Path) -> None:
    request, answer = tmp_path / "request.json", tmp_path / "answer.json"
    request.write_text(json.dumps(EXAMPLE["request"]))

    printed = cloud.aws_json(
        *("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", ENDPOINT),
        *("--content-type", "application/json", "--body", f"file://{request}", answer),
    )

    assert printed["InvokedProductionVariant"] == "main"
    assert json.loads(answer.read_text())["predictions"][0]["digit"] == EXAMPLE["response"]["digit"]


def test_a_function_is_invoked(cloud: ClientsCloud, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"

    printed = cloud.aws_json(
        *("lambda", "invoke", "--function-name", "flyball-digits-gateway", "--payload"),
        *('{"httpMethod": "GET", "path": "/models"}', answer),
    )

    assert printed["StatusCode"] == 200
    assert json.loads(answer.read_text())["statusCode"] in (200, 404)


def test_files_go_to_s3_and_come_back(cloud: ClientsCloud, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    (sent / "deep").mkdir(parents=True)
    (sent / "small.txt").write_text("a")
    (sent / "deep" / "in parts.bin").write_bytes(bytes(range(256)) * 40_000)  # beyond 8 MB the CLI sends parts

    copied = cloud.aws("s3", "cp", sent / "small.txt", f"s3://{BUCKET}/cli/copied.txt")
    synced = cloud.aws("s3", "sync", sent, f"s3://{BUCKET}/cli/tree", "--no-progress")
    again = cloud.aws("s3", "sync", sent, f"s3://{BUCKET}/cli/tree", "--no-progress")
    listed = cloud.aws("s3", "ls", f"s3://{BUCKET}/cli/", "--recursive")
    fetched = cloud.aws("s3", "cp", f"s3://{BUCKET}/cli/tree", back, "--recursive")
    removed = cloud.aws("s3", "rm", f"s3://{BUCKET}/cli", "--recursive")

    assert [done.returncode for done in (copied, synced, again, listed, fetched, removed)] == [0] * 6
    assert len(synced.stdout.splitlines()) == 2
    assert again.stdout == ""
    assert [line.split(None, 3)[3] for line in listed.stdout.splitlines()] == [
        "cli/copied.txt",
        "cli/tree/deep/in parts.bin",
        "cli/tree/small.txt",
    ]
    assert (back / "deep" / "in parts.bin").read_bytes() == (sent / "deep" / "in parts.bin").read_bytes()


def test_a_training_job_is_started_awaited_and_read(cloud: ClientsCloud, tmp_path: Path) -> None:
    request = cloud.training_job(Tags=[{"Key": "team", "Value": "vision"}])
    name, document = request["TrainingJobName"], tmp_path / "job.json"
    document.write_text(json.dumps(request))

    started = cloud.aws_json("sagemaker", "create-training-job", "--cli-input-json", f"file://{document}")
    cloud.ended_job(name)  # the command line looks every two minutes only
    waited = cloud.aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    job = cloud.aws_json("sagemaker", "describe-training-job", "--training-job-name", name)
    listed = cloud.aws_json("sagemaker", "list-training-jobs", "--name-contains", name, "--status-equals", "Completed")
    tags = cloud.aws_json("sagemaker", "list-tags", "--resource-arn", started["TrainingJobArn"])
    streams = cloud.aws_json(
        *("logs", "describe-log-streams", "--log-group-name", "/aws/sagemaker/TrainingJobs"),
        *("--log-stream-name-prefix", f"{name}/"),
    )
    stream = streams["logStreams"][0]["logStreamName"]
    events = cloud.aws_json(
        *("logs", "get-log-events", "--log-group-name", "/aws/sagemaker/TrainingJobs"),
        *("--log-stream-name", stream, "--start-from-head"),
    )
    fetched = cloud.aws("s3", "cp", job["ModelArtifacts"]["S3ModelArtifacts"], tmp_path)

    assert waited.returncode == 0, waited.stderr
    assert job["TrainingJobStatus"] == "Completed"
    assert [summary["TrainingJobName"] for summary in listed["TrainingJobSummaries"]] == [name]
    assert tags["Tags"] == [{"Key": "team", "Value": "vision"}]
    assert stream.startswith(f"{name}/algo-1-")
    assert any("the version is trained" in event["message"] for event in events["events"])
    assert fetched.returncode == 0
    assert (tmp_path / "model.tar.gz").stat().st_size > 1000


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "sagemaker describe-model --model-name none",
            "An error occurred (ValidationException) when calling the DescribeModel operation: Could not find model "
            f'"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/none".',
        ),
        (
            "sagemaker stop-training-job --training-job-name none",
            "An error occurred (ValidationException) when calling the StopTrainingJob operation: Requested resource "
            "not found.",
        ),
        (
            "ssm get-parameter --name /none",
            "An error occurred (ParameterNotFound) when calling the GetParameter operation: ",
        ),
        (
            "kinesis list-streams",
            "An error occurred (NotImplementedByLocalCloud) when calling the ListStreams operation: the local cloud "
            "does not implement kinesis:ListStreams",
        ),
    ],
)
def test_a_command_fails_with_the_services_error(cloud: ClientsCloud, command: str, message: str) -> None:
    done = cloud.aws(*command.split())

    assert done.returncode in (254, 255)
    assert message in done.stderr
