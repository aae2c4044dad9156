"""What the retraining loop has SageMaker do: the arguments of its training job and of its evaluation, as JSONata sees
them. Both run the image that serves, with its other verbs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from cdk.instances import has_local_disks
from cdk.preflight.hardware import instance_types
from cdk.time_limits import EVALUATION_MINUTES
from container.settings import PACKAGE_VARIABLE
from container.training_job import HOLDOUT, TRAINING
from model_packages.contract import PackageConfig, Training
from model_packages.discovery import ModelPackage

Json: TypeAlias = dict[str, Any]

VOLUME_GB = 50
MINUTE_SECONDS = 60
PROCESSING = "/opt/ml/processing"
JOB = "{% $facts.job %}"
"""The name of both: a run's, so that it is found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """What the jobs are given. Each text may be a CloudFormation reference."""

    image_uri: str
    role_arn: str
    key_arn: str
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()

    @property
    def vpc_config(self) -> Json:
        """As the argument that it is, or nothing."""
        if not self.subnet_ids:
            return {}
        return {"VpcConfig": {"Subnets": list(self.subnet_ids), "SecurityGroupIds": list(self.security_group_ids)}}

    def cluster(self, instance_type: str, *, instances: int) -> Json:
        """Instances and their volumes, which the key encrypts where SageMaker takes one."""
        key = {} if has_local_disks(instance_type) else {"VolumeKmsKeyId": self.key_arn}
        return {"InstanceType": instance_type, "InstanceCount": instances, "VolumeSizeInGB": VOLUME_GB, **key}


def training_arguments(package: ModelPackage, jobs: Jobs) -> Json:
    """Of CreateTrainingJob: the challenger, from what the run assembled."""
    training = package.config.training
    return {
        "TrainingJobName": JOB,
        "AlgorithmSpecification": {"TrainingImage": jobs.image_uri, "TrainingInputMode": "File"},
        "RoleArn": jobs.role_arn,
        "Environment": {PACKAGE_VARIABLE: package.name},
        "HyperParameters": hyperparameters(training),
        "InputDataConfig": [_channel(TRAINING, "training_uri"), _channel(HOLDOUT, "holdout_uri")],
        "OutputDataConfig": {"S3OutputPath": "{% $facts.data.output_uri %}", "KmsKeyId": jobs.key_arn},
        "ResourceConfig": jobs.cluster(training.instance_type, instances=training.instances),
        "EnableNetworkIsolation": True,
        **jobs.vpc_config,
        **_capacity(training),
    }


def evaluation_arguments(package: ModelPackage, jobs: Jobs) -> Json:
    """Of CreateProcessingJob: champion and challenger on the same holdout."""
    return {
        "ProcessingJobName": JOB,
        "AppSpecification": {"ImageUri": jobs.image_uri, "ContainerArguments": ["evaluate"]},
        "RoleArn": jobs.role_arn,
        "Environment": {PACKAGE_VARIABLE: package.name},
        "ProcessingInputs": [
            _input("champion", "champion.model_uri"),
            _input("challenger", "model_uri"),
            _input("holdout", "data.holdout_uri"),
        ],
        "ProcessingOutputConfig": {"Outputs": [_output()], "KmsKeyId": jobs.key_arn},
        "ProcessingResources": {
            "ClusterConfig": jobs.cluster(evaluation_instance_type(package.config), instances=1),
        },
        "NetworkConfig": {"EnableNetworkIsolation": True, **jobs.vpc_config},
        "StoppingCondition": {"MaxRuntimeInSeconds": EVALUATION_MINUTES * MINUTE_SECONDS},
    }


def hyperparameters(training: Training) -> dict[str, str]:
    """As SageMaker takes them: texts, each of them JSON, with the seed that a first version is trained with."""
    return {name: json.dumps(value) for name, value in {"seed": training.seed, **training.hyperparameters}.items()}


def evaluation_instance_type(config: PackageConfig) -> str:
    """What the package trains on; where SageMaker has no processing jobs on that, what it serves on."""
    chosen = config.training.instance_type, config.endpoint.instance_type
    return next((each for each in chosen if each in instance_types("processing")), chosen[0])


def _capacity(training: Training) -> Json:
    """For how long, and on whose capacity: spare capacity may be taken away, and then training goes on elsewhere."""
    runtime = {"MaxRuntimeInSeconds": training.maximum_runtime_minutes * MINUTE_SECONDS}
    if not training.spot:
        return {"StoppingCondition": runtime}
    wait = {"MaxWaitTimeInSeconds": training.longest_wait_minutes * MINUTE_SECONDS}
    return {
        "StoppingCondition": {**runtime, **wait},
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "{% $facts.data.checkpoints_uri %}"},
    }


def _channel(name: str, uri: str) -> Json:
    """Every instance gets all of it: torchrun's processes share it out."""
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"{{% $facts.data.{uri} %}}",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def _input(name: str, fact: str) -> Json:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": f"{{% $facts.{fact} %}}",
            "LocalPath": f"{PROCESSING}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def _output() -> Json:
    return {
        "OutputName": "evaluation",
        "S3Output": {
            "S3Uri": "{% $facts.data.evaluation_uri %}",
            "LocalPath": f"{PROCESSING}/output",
            "S3UploadMode": "EndOfJob",
        },
    }
