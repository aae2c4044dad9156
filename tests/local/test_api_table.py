"""The table of operations against what botocore knows and what moto carries out."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any

import botocore.session
import pytest
from moto.core.utils import camelcase_to_underscores

from local.api_calls import SERVICES_BY_SIGNING_NAME
from local.api_table import API_TABLE, REAL
from local.services.cloudformation.api import OPERATIONS

OF_FLYBALLS_OWN = {
    *(("cloudformation", name) for name in OPERATIONS),
    ("cloudwatch", "DescribeAlarmHistory"),
    ("cloudwatch", "PutCompositeAlarm"),
    ("logs", "AssociateKmsKey"),
    ("logs", "DisassociateKmsKey"),
    ("sagemaker", "DeleteModelPackage"),
    ("sagemaker", "DeleteModelPackageGroup"),
    ("sagemaker", "DeleteTrainingJob"),
    ("sagemaker", "StopTrainingJob"),
    ("sagemaker", "UpdateEndpoint"),
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream"),
    ("stepfunctions", "ValidateStateMachineDefinition"),
}
"""Operations that moto lacks and Flyball adds."""

MOTO_PACKAGES = {
    "lambda": "awslambda",
    "application-autoscaling": "applicationautoscaling",
    "cognito-idp": "cognitoidp",
    "sagemaker-runtime": "sagemakerruntime",
}


@cache
def session() -> Any:
    return botocore.session.Session()


def moto_methods(service: str) -> set[str]:
    """The names of all methods of moto's responses of a service."""
    package = f"moto.{MOTO_PACKAGES.get(service, service)}"
    classes = inspect.getmembers(importlib.import_module(f"{package}.responses"), inspect.isclass)
    return {name for _, member in classes if member.__module__.startswith(package) for name in dir(member)}


def test_every_service_of_the_table_is_told_apart() -> None:
    told_apart = {service for services in SERVICES_BY_SIGNING_NAME.values() for service in services}

    assert set(API_TABLE) <= told_apart


@pytest.mark.parametrize("service", sorted(API_TABLE))
def test_every_operation_exists_and_somebody_carries_it_out(service: str) -> None:
    known = session().get_service_model(service).operation_names
    methods = moto_methods(service)

    listed = list(API_TABLE[service])

    assert set(listed) <= set(known)
    lacking = [name for name in listed if camelcase_to_underscores(name) not in methods]
    assert {(service, name) for name in lacking} <= OF_FLYBALLS_OWN


def test_an_operation_is_real_or_simulated_but_not_both() -> None:
    both = {service: table.real & table.simulated.keys() for service, table in API_TABLE.items()}

    assert {service: names for service, names in both.items() if names} == {}


def test_the_table_says_how_an_operation_is_answered() -> None:
    assert API_TABLE["s3"].how("PutObject") == REAL
    assert API_TABLE["kms"].how("CreateGrant") == "simulated: stored; a grant lets nobody in"
    assert API_TABLE["s3"].how("PutBucketReplication") is None
