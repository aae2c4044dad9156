"""What the loop makes in SageMaker so that a version can serve: a model, and an endpoint config. Pure.

Both are named by what is in them. So the same step twice makes the same, a version that served before finds what it
served from, and what the loop made is told from what CloudFormation made.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from functions.retraining.settings import RetrainingSettings
from functions.shared.champion import NO_CHAMPION
from functions.shared.layout import VARIANT
from model_packages.errors import OperatorError
from model_packages.serving import environment, initial_version

MAXIMUM_NAME_CHARACTERS = 63
HASH_DIGITS = 8

COPIED = (
    "AsyncInferenceConfig",
    "CrossRegionTrafficConfig",
    "DataCaptureConfig",
    "EnableNetworkIsolation",
    "ExecutionRoleArn",
    "ExplainerConfig",
    "KmsKeyId",
    "MetricsConfig",
    "ProductionVariants",
    "ShadowProductionVariants",
    "VpcConfig",
)
"""Of DescribeEndpointConfig's answer: all that CreateEndpointConfig takes but name and tags."""

Document = Mapping[str, Any]


def model_request(version: str, settings: RetrainingSettings) -> dict[str, Any]:
    """CreateModel's arguments for a version, which brings its image and artifact; `none` is the initial one."""
    vpc = {"Subnets": list(settings.subnet_ids), "SecurityGroupIds": list(settings.security_group_ids)}
    request = {
        "ExecutionRoleArn": settings.execution_role_arn,
        "PrimaryContainer": _container(version, settings),
        "EnableNetworkIsolation": True,
        **({"VpcConfig": vpc} if settings.subnet_ids else {}),
    }
    return {"ModelName": _name(version, settings, request), **request}


def config_request(in_service: Document, *, model: str, version: str, settings: RetrainingSettings) -> dict[str, Any]:
    """CreateEndpointConfig's arguments: the config in service with another model. Its shape is CloudFormation's.

    Raises: OperatorError if it has no variant of ours.
    """
    copied = {name: in_service[name] for name in COPIED if in_service.get(name)}
    main = main_variant(in_service)
    variants = [{**each, "ModelName": model} if each is main else each for each in copied["ProductionVariants"]]
    request = {**copied, "ProductionVariants": variants}
    return {"EndpointConfigName": _name(version, settings, request), **request}


def main_variant(config: Document) -> Document:
    """The variant that answers. Raises: OperatorError if there is none of its name."""
    variants = config.get("ProductionVariants", ())
    for variant in variants:
        if variant["VariantName"] == VARIANT:
            found: Document = variant
            return found
    names = ", ".join(each["VariantName"] for each in variants) or "none"
    raise OperatorError(f"the endpoint config has the variants {names}; allowed: one called {VARIANT!r}")


def serves(model: Document, version: str, settings: RetrainingSettings) -> bool:
    """Whether DescribeModel's answer is of this version, whoever made the model."""
    container, wanted = model.get("PrimaryContainer", {}), _container(version, settings)
    wanted.pop("Environment")
    return all(_same_place(container.get(name, "")) == _same_place(value) for name, value in wanted.items())


def is_made_by_the_loop(name: str, endpoint: str) -> bool:
    """Whether a model or an endpoint config is this loop's, by its name. Another package's may begin alike."""
    return re.fullmatch(rf"{re.escape(endpoint)}-v\d+-[0-9a-f]{{1,{HASH_DIGITS}}}", name) is not None


def name_prefix(endpoint: str) -> str:
    """What the names of all that the loop makes for an endpoint begin with."""
    return f"{endpoint}-v"


def _container(version: str, settings: RetrainingSettings) -> dict[str, Any]:
    if version != NO_CHAMPION:
        variables = environment(settings.package, version=str(_number(version)))
        return {"ModelPackageName": version, "Environment": variables}
    digest = settings.initial_model_uri.rpartition("/")[2].partition(".")[0]
    return {
        "Image": settings.image_uri,
        "ModelDataUrl": settings.initial_model_uri,
        "Environment": environment(settings.package, version=initial_version(digest)),
    }


def _number(version: str) -> int:
    """In the registry; 0 for the initial version. Raises: OperatorError for anything else."""
    last = "0" if version == NO_CHAMPION else version.rpartition("/")[2]
    if not (last.isascii() and last.isdigit()):
        raise OperatorError(f"found the version {version!r}; allowed: an ARN that ends in its number, or none")
    return int(last)


def _name(version: str, settings: RetrainingSettings, request: Document) -> str:
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]
    name = f"{name_prefix(settings.endpoint_name)}{_number(version)}-{digest}"
    return name[:MAXIMUM_NAME_CHARACTERS]  # a long endpoint's name leaves room for fewer digits


def _same_place(address: str) -> str:
    """CloudFormation says https://s3.REGION.amazonaws.com/BUCKET/KEY of s3://BUCKET/KEY."""
    return re.sub(r"^https://s3[.\w-]*/", "s3://", address)
