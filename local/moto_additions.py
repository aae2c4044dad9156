"""Operations that moto lacks and that touch nothing but its own state; moto_hooks.py puts them in.

Each stands in for a method of one of moto's response classes: `self` is moto's response, the result goes to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import EmptyResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse
from moto.sagemaker.exceptions import ConflictException
from moto.sagemaker.responses import SageMakerResponse


def associate_kms_key(self: Any) -> str:
    """logs:AssociateKmsKey for a log group."""
    _log_group(self).kms_key_id = self._get_param("kmsKeyId")
    return "{}"


def disassociate_kms_key(self: Any) -> str:
    """logs:DisassociateKmsKey for a log group."""
    _log_group(self).kms_key_id = None
    return "{}"


def delete_model_package_group(self: Any) -> EmptyResult:
    """sagemaker:DeleteModelPackageGroup, which as on AWS deletes an empty group only."""
    name = self._get_param("ModelPackageGroupName")
    backend = self.sagemaker_backend
    group = backend.describe_model_package_group(name)
    if any(version.model_package_group_name == name for version in backend.model_packages.values()):
        raise ConflictException(f"Cannot delete ModelPackageGroup {group.arn}: it still has model packages.")
    del backend.model_package_groups[name]
    return EmptyResult()


def _log_group(self: Any) -> Any:
    group = self.logs_backend.groups.get(self._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    return group


ADDITIONS: Mapping[type[Any], tuple[Callable[..., Any], ...]] = {
    LogsResponse: (associate_kms_key, disassociate_kms_key),
    SageMakerResponse: (delete_model_package_group,),
}
"""The methods by the class that gets them."""
