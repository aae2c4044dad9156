"""Fitting template values to what the APIs take, and giving names."""

from __future__ import annotations

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.deploy.documents import Json
from local.deploy.names import Identity, stack_id
from local.deploy.shapes import UnknownMember, accepts, coerce


def shape(service: str, operation: str) -> Json:
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
    return client.meta.service_model.operation_model(operation).input_shape


def test_values_take_the_type_that_the_api_wants() -> None:
    given_values = {
        "AlarmName": "a",
        "Threshold": "0.5",
        "EvaluationPeriods": "3",
        "ActionsEnabled": "false",
        "Dimensions": [{"Name": "n", "Value": 1}],
        "Unit": None,
    }

    fitted = coerce(given_values, shape("cloudwatch", "PutMetricAlarm"))

    assert fitted == {
        "AlarmName": "a",
        "Threshold": 0.5,
        "EvaluationPeriods": 3,
        "ActionsEnabled": False,
        "Dimensions": [{"Name": "n", "Value": "1"}],
    }


def test_names_and_documents_are_written_as_the_api_writes_them() -> None:
    fitted = coerce({"RestApiId": "r", "Name": "M", "Schema": {"b": 1, "a": []}}, shape("apigateway", "CreateModel"))

    assert fitted == {"restApiId": "r", "name": "M", "schema": '{"a":[],"b":1}'}


def test_a_member_that_the_api_does_not_have_is_an_error() -> None:
    with pytest.raises(UnknownMember, match=r"PrimaryContainer\.Colour"):
        coerce({"PrimaryContainer": {"Colour": "red"}}, shape("sagemaker", "CreateModel"))


def test_a_path_is_judged_by_the_shape() -> None:
    config = shape("sagemaker", "CreateEndpointConfig")

    assert accepts(config, ("ProductionVariants", "VariantName"))
    assert not accepts(config, ("ProductionVariants", "Colour"))
    assert accepts(shape("sagemaker", "CreateModel"), ("PrimaryContainer", "Environment", "ANYTHING"))


@given(
    stack=st.text("abcdefghij-", min_size=1, max_size=128),
    logical_id=st.text("ABCDEFGHIJ", min_size=1, max_size=255),
    limit=st.integers(20, 255),
    generation=st.integers(0, 3),
)
def test_a_name_keeps_to_its_limit_and_is_new_for_each_generation(
    stack: str, logical_id: str, limit: int, generation: int
) -> None:
    arn = stack_id(stack_name=stack, account="1", region="r", incarnation=0)
    identity = Identity(stack, arn, logical_id, "T", generation)
    successor = Identity(stack, arn, logical_id, "T", generation + 1)

    name = identity.name(limit=limit)

    assert len(name) <= limit
    assert name == identity.name(limit=limit)
    assert name != successor.name(limit=limit)
