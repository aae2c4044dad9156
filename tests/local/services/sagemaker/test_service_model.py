"""Requests against the constraints of botocore's service model, and answers in its shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from moto.core.exceptions import ServiceException

from local.services.sagemaker.service_model import answer, check

VARIANT = {"VariantName": "main", "ModelName": "digits", "InstanceType": "ml.g6e.xlarge"}


def config(**variant: Any) -> dict[str, Any]:
    return {"EndpointConfigName": "v1", "ProductionVariants": [{**VARIANT, **variant}]}


@pytest.mark.parametrize("instance_type", ["ml.g5.xlarge", "ml.g6.12xlarge", "ml.g6e.xlarge", "ml.p5.4xlarge"])
def test_the_instance_types_of_aws_are_known(instance_type: str) -> None:
    check("CreateEndpointConfig", config(InstanceType=instance_type))


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        (
            "CreateEndpointConfig",
            config(InstanceType="ml.g6.huge"),
            "1 validation error detected: Value 'ml.g6.huge' at 'productionVariants.1.member.instanceType' failed to "
            r"satisfy constraint: Member must satisfy enum value set: \[ml\.",
        ),
        (
            "CreateEndpointConfig",
            {**config(VariantName="a_b"), "EndpointConfigName": "-"},
            "2 validation errors detected: .*'endpointConfigName' .*; Value 'a_b' at "
            "'productionVariants.1.member.variantName' .* regular expression pattern",
        ),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "v1", "ProductionVariants": []},
            "'productionVariants' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            "CreateModel",
            {"ModelName": "m", "PrimaryContainer": {"Environment": {f"K{n}": "" for n in range(101)}}},
            "'primaryContainer.environment' failed to satisfy constraint: Member must have length less than or equal",
        ),
        ("DescribeModel", {}, "Value null at 'modelName' failed to satisfy constraint: Member must not be null"),
        (
            "ListModels",
            {"MaxResults": 0},
            "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
    ],
)
def test_a_request_is_refused_in_the_words_of_aws(operation: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceException, match=message) as refusal:
        check(operation, parameters)

    assert refusal.value.code == "ValidationException"


def test_an_answer_has_the_members_of_its_shape_and_times_that_are_times() -> None:
    document = {
        "TrainingJobName": "job",
        "Tags": [],
        "FailureReason": None,
        "CreationTime": "2026-01-01T00:00:00+00:00",
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": datetime(2026, 1, 1, tzinfo=UTC)}],
    }

    assert answer("DescribeTrainingJob", document) == {
        "TrainingJobName": "job",
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": datetime(2026, 1, 1, tzinfo=UTC)}],
    }
