"""What somebody does with the SageMaker SDK: a script of its own, because the SDK takes seconds to import.

`python sdk_session.py REQUEST`: REQUEST is CreateTrainingJob's parameters as JSON. Prints what it saw as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ModelPackage, ModelPackageGroup, TrainingJob  # type: ignore[import-untyped]
from sagemaker.core.shapes import (  # type: ignore[import-untyped]
    AlgorithmSpecification,
    Channel,
    DataSource,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    S3DataSource,
    StoppingCondition,
)

ENDPOINT = "flyball-digits"


def main(request: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    job = start(request, name=request["TrainingJobName"], epochs="1")
    job.wait(poll=1, logs=True)
    return {
        "endpoint": read_endpoint(example),
        "lists": read_lists(),
        "job": describe(job),
        "stopped": stop(request),
        "version": register(job),
        "jobs": [found.training_job_name for found in TrainingJob.get_all(name_contains=job.training_job_name)],
    }


def read_endpoint(example: dict[str, Any]) -> dict[str, Any]:
    endpoint = Endpoint.get(endpoint_name=ENDPOINT)
    config = EndpointConfig.get(endpoint_config_name=endpoint.endpoint_config_name)
    model = Model.get(model_name=config.production_variants[0].model_name)
    answer = endpoint.invoke(body=json.dumps(example), content_type="application/json")
    return {
        "status": endpoint.endpoint_status,
        "variant": answer.invoked_production_variant,
        "answer": json.loads(answer.body.read()),
        "image": model.primary_container.image,
        "deployed": endpoint.production_variants[0].deployed_images[0].specified_image,
    }


def read_lists() -> dict[str, list[str]]:
    return {
        "endpoints": [found.endpoint_name for found in Endpoint.get_all(name_contains="digits")],
        "groups": [found.model_package_group_name for found in ModelPackageGroup.get_all()],
    }


def start(request: dict[str, Any], *, name: str, epochs: str) -> TrainingJob:
    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    return TrainingJob.create(
        training_job_name=name,
        role_arn=request["RoleArn"],
        algorithm_specification=AlgorithmSpecification(
            training_image=algorithm["TrainingImage"],
            training_input_mode="File",
            metric_definitions=[MetricDefinition(name="accuracy", regex=algorithm["MetricDefinitions"][0]["Regex"])],
        ),
        hyper_parameters={**request["HyperParameters"], "epochs": epochs},
        input_data_config=[channel(found) for found in request["InputDataConfig"]],
        output_data_config=OutputDataConfig(s3_output_path=request["OutputDataConfig"]["S3OutputPath"]),
        resource_config=ResourceConfig(
            instance_type=resources["InstanceType"], instance_count=1, volume_size_in_gb=resources["VolumeSizeInGB"]
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    )


def channel(found: dict[str, Any]) -> Channel:
    source = found["DataSource"]["S3DataSource"]
    return Channel(
        channel_name=found["ChannelName"],
        data_source=DataSource(s3_data_source=S3DataSource(s3_data_type="S3Prefix", s3_uri=source["S3Uri"])),
    )


def describe(job: TrainingJob) -> dict[str, Any]:
    return {
        "status": job.training_job_status,
        "artifact": job.model_artifacts.s3_model_artifacts,
        "metrics": [metric.metric_name for metric in job.final_metric_data_list],
        "steps": [transition.status for transition in job.secondary_status_transitions],
    }


def stop(request: dict[str, Any]) -> str:
    job = start(request, name=f"{request['TrainingJobName']}-long", epochs="1000000")
    job.stop()
    job.wait(poll=1)
    return str(job.training_job_status)


def register(job: TrainingJob) -> dict[str, Any]:
    # ModelPackage.create of this SDK reads a member that no answer of CreateModelPackage has.
    arn = boto3.client("sagemaker").create_model_package(
        ModelPackageGroupName=ENDPOINT,
        InferenceSpecification={
            "Containers": [
                {
                    "Image": job.algorithm_specification.training_image,
                    "ModelDataUrl": job.model_artifacts.s3_model_artifacts,
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    version = ModelPackage.get(model_package_name=arn)
    before = version.model_approval_status
    version.update(model_approval_status="Approved", approval_description="better than the champion")
    version.refresh()
    return {"before": before, "after": version.model_approval_status, "group": version.model_package_group_name}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))))
