"""A running local cloud as somebody sees it who has nothing but AWS_ENDPOINT_URL, a region and credentials."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.local.checkout import ROOT, Checkout

ENDPOINT = "flyball-digits"
BUCKET = "clients"
LIMIT_SECONDS = 180.0
POLL_SECONDS = 0.05
EXAMPLE = json.loads((ROOT / "model_packages/digits/examples.json").read_text(encoding="utf-8"))[0]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
PERMISSIONS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "*",
        },
    ],
}


@dataclass
class ClientsCloud:
    """Gives each client its settings, and knows what lies in the cloud."""

    checkout: Checkout

    @property
    def environment(self) -> dict[str, str]:
        """What is set for a client, and no AWS setting of this machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.checkout.cloud_port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def boto3(self, service: str) -> Any:
        """A client of boto3's."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def aws(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs the AWS CLI's own program."""
        return self._run([Path(sys.executable).with_name("aws"), *arguments])

    def aws_json(self, *arguments: str | Path) -> Any:
        """What the AWS CLI prints, where it succeeds."""
        done = self.aws(*arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def python(self, script: Path, *arguments: str) -> Any:
        """Runs a script in a Python of its own and returns the JSON on its last line."""
        done = self._run([sys.executable, script, *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def prepared(self) -> ClientsCloud:
        """The same cloud with a role, a bucket and the package's data in it."""
        iam, s3 = self.boto3("iam"), self.boto3("s3")
        iam.create_role(RoleName="training", AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName="training", PolicyName="training", PolicyDocument=json.dumps(PERMISSIONS))
        s3.create_bucket(Bucket=BUCKET)
        data = ROOT / "model_packages/digits/data/digits.jsonl.gz"
        for channel in ("training", "holdout"):
            s3.upload_file(str(data), BUCKET, f"data/{channel}/digits.jsonl.gz")
        s3.put_object(Bucket=BUCKET, Key="nonsense/records.jsonl", Body=b'{"request": 1}\n')
        return self

    @property
    def role_arn(self) -> str:
        return "arn:aws:iam::123456789012:role/training"

    @cached_property
    def image(self) -> str:
        """The image that the endpoint serves: its verb `train` makes versions."""
        (variant,) = self.boto3("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
        return str(variant["DeployedImages"][0]["SpecifiedImage"])

    def training_job(self, *, data: str = "data", **members: Any) -> dict[str, Any]:
        """CreateTrainingJob's parameters for the kit's image and the package's data."""
        return {
            "TrainingJobName": f"digits-{uuid.uuid4().hex[:8]}",
            "RoleArn": self.role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "accuracy", "Regex": '"accuracy": ([0-9.]+)'}],
            },
            "HyperParameters": {"epochs": "1", "seed": "0"},
            "InputDataConfig": [
                self._channel(name, f"s3://{BUCKET}/{data}/{name}") for name in ("training", "holdout")
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }

    def ended_job(self, name: str) -> dict[str, Any]:
        """A training job's description once boto3's own waiter says that it has ended."""
        sagemaker = self.boto3("sagemaker")
        waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": POLL_SECONDS, "MaxAttempts": 4000})
        return dict(sagemaker.describe_training_job(TrainingJobName=name))

    def files_of(self, uri: str) -> set[str]:
        """The names in an artifact."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content = self.boto3("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return set(tar.getnames())

    def _run(self, command: list[Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    @staticmethod
    def _channel(name: str, uri: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": uri}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
