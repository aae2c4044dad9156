"""The Model Registry: groups of model packages, their versions, and whether a version is approved.

A record is what its Describe operation shows, with ISO times, and its `Tags`. A group counts its versions for good:
a number is not given again after its version was deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from moto.sagemaker.exceptions import ConflictException

from local.clock import Clock
from local.documents import Documents, Record
from local.services.sagemaker.listing import Listing
from local.services.sagemaker.service_model import answer, check, invalid

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]

GROUPS: Final = Listing(
    "ListModelPackageGroups",
    key="ModelPackageGroupSummaryList",
    name="ModelPackageGroupName",
    default_order="Ascending",
)
VERSIONS: Final = Listing(
    "ListModelPackages",
    key="ModelPackageSummaryList",
    name="Name",
    unique="ModelPackageVersion",
    default_order="Ascending",
)
PENDING: Final = "PendingManualApproval"
LAST_VERSION: Final = "LastVersion"
"""The member of a group's record that no answer shows: the highest number it gave."""

NOT_IMPLEMENTED: Final = ("SourceAlgorithmSpecification", "ValidationSpecification")


class ModelRegistry:
    """The registry of one account and region. Its operations run in moto's threads."""

    def __init__(self, *, groups: Documents, versions: Documents, clock: Clock, account: str, region: str) -> None:
        self._groups, self._versions, self._clock = groups, versions, clock
        self._prefix = f"arn:aws:sagemaker:{region}:{account}"
        self._lock = threading.Lock()

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": self.describe_group,
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create_version,
            "DescribeModelPackage": self.describe_version,
            "ListModelPackages": self.list_versions,
            "UpdateModelPackage": self.update_version,
            "DeleteModelPackage": self.delete_version,
        }

    def containers(self, name: str) -> list[Mapping[str, Any]]:
        """The containers of a version, named by name or ARN.

        Raises: LookupError where there is no such version.
        """
        record = self._versions.get(self._version_arn(name))
        if record is None:
            raise LookupError(f"Could not find model package {name}.")
        containers: list[Mapping[str, Any]] = (record.get("InferenceSpecification") or {}).get("Containers") or []
        return containers

    def change_group(self, arn: str, change: Callable[[Record], Record]) -> Record | None:
        """Replaces a group's record by what `change` makes of it; None where there is no such group."""
        return self._change(self._groups, arn.rpartition("/")[2], change)

    def change_version(self, arn: str, change: Callable[[Record], Record]) -> Record | None:
        """The same for a version."""
        return self._change(self._versions, arn, change)

    def _change(self, documents: Documents, key: str, change: Callable[[Record], Record]) -> Record | None:
        with self._lock:
            if (record := documents.get(key)) is None:
                return None
            changed = change(record)
            if changed is not record:
                documents.put(key, changed)
            return changed

    def create_group(self, parameters: Document) -> Document:
        """Keep a new, empty group."""
        check("CreateModelPackageGroup", parameters)
        name = parameters["ModelPackageGroupName"]
        arn = f"{self._prefix}:model-package-group/{name}"
        with self._lock:
            if self._groups.get(name) is not None:
                raise invalid(f"Model Package Group already exists: {arn}")
            group = {
                **parameters,
                "ModelPackageGroupArn": arn,
                "CreationTime": self._clock.now().isoformat(),
                "CreatedBy": {},
                "ModelPackageGroupStatus": "Completed",
                LAST_VERSION: 0,
            }
            self._groups.put(name, group)
        return {"ModelPackageGroupArn": arn}

    def describe_group(self, parameters: Document) -> Document:
        """All that is known of a group, named by name or ARN."""
        check("DescribeModelPackageGroup", parameters)
        return answer("DescribeModelPackageGroup", self._group(parameters["ModelPackageGroupName"]))

    def list_groups(self, parameters: Document) -> Document:
        """The groups that are asked for, a page at a time."""
        return answer(
            "ListModelPackageGroups", GROUPS.page(parameters, (group for _name, group in self._groups.items()))
        )

    def delete_group(self, parameters: Document) -> None:
        """Forget a group, which has to be empty."""
        check("DeleteModelPackageGroup", parameters)
        with self._lock:
            group = self._group(parameters["ModelPackageGroupName"])
            name = group["ModelPackageGroupName"]
            if any(version.get("ModelPackageGroupName") == name for version in self._all()):
                raise ConflictException(
                    f"Cannot delete ModelPackageGroup {group['ModelPackageGroupArn']}: it still has model packages."
                )
            self._groups.delete(name)

    def create_version(self, parameters: Document) -> Document:
        """Keep a new version of a group, or a package without one; once for one ClientToken."""
        check("CreateModelPackage", parameters)
        name, group_name = parameters.get("ModelPackageName"), parameters.get("ModelPackageGroupName")
        if (name is None) == (group_name is None):
            raise invalid("Exactly one of ModelPackageName and ModelPackageGroupName has to be provided.")
        for member in NOT_IMPLEMENTED:
            if parameters.get(member):
                raise invalid(f"the local cloud does not implement {member} of CreateModelPackage")
        if group_name and parameters.get("Tags"):
            raise invalid("Tags cannot be given to a versioned model package; it has those of its group.")
        with self._lock:
            if (before := self._created_with(parameters)) is not None:
                return {"ModelPackageArn": before}
            own = self._numbered(str(group_name), parameters) if group_name else self._named(str(name), parameters)
            arn: str = own["ModelPackageArn"]
            version = {
                **parameters,
                **own,
                "CreationTime": self._clock.now().isoformat(),
                "CreatedBy": {},
                "ModelPackageStatus": "Completed",
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            }
            self._versions.put(arn, version)
        return {"ModelPackageArn": arn}

    def describe_version(self, parameters: Document) -> Document:
        """All that is known of a version, named by name or ARN."""
        check("DescribeModelPackage", parameters)
        return answer("DescribeModelPackage", self._version(parameters["ModelPackageName"]))

    def list_versions(self, parameters: Document) -> Document:
        """The versions that are asked for, a page at a time; without a group, packages that belong to none."""
        group = parameters.get("ModelPackageGroupName")
        wanted = {
            **({"ModelPackageGroupName": self._group(group)["ModelPackageGroupName"]} if group else {}),
            **({"ModelApprovalStatus": status} if (status := parameters.get("ModelApprovalStatus")) else {}),
        }
        kind = "Versioned" if group else parameters.get("ModelPackageType", "Unversioned")
        kept = (
            {**version, "Name": version.get("ModelPackageName") or version["ModelPackageGroupName"]}
            for version in self._all()
            if wanted.items() <= version.items()
            and kind in ("Both", "Versioned" if "ModelPackageVersion" in version else "Unversioned")
        )
        return answer("ListModelPackages", VERSIONS.page(parameters, kept))

    def update_version(self, parameters: Document) -> Document:
        """Approve or reject a version, or change what is said of it."""
        check("UpdateModelPackage", parameters)
        with self._lock:
            version = self._version(parameters["ModelPackageArn"])
            arn: str = version["ModelPackageArn"]
            self._versions.put(arn, self._changed(version, parameters))
        return {"ModelPackageArn": arn}

    def delete_version(self, parameters: Document) -> None:
        """Forget a version; models that were made of it keep what they have of it."""
        check("DeleteModelPackage", parameters)
        with self._lock:
            self._versions.delete(self._version(parameters["ModelPackageName"])["ModelPackageArn"])

    def _changed(self, version: Record, parameters: Document) -> Record:
        replaced = (
            "ModelApprovalStatus",
            "ApprovalDescription",
            "InferenceSpecification",
            "SourceUri",
            "ModelCard",
            "ModelLifeCycle",
            "ModelPackageRegistrationType",
        )
        removed = parameters.get("CustomerMetadataPropertiesToRemove") or ()
        properties = {
            **(version.get("CustomerMetadataProperties") or {}),
            **(parameters.get("CustomerMetadataProperties") or {}),
        }
        specifications = [
            *(version.get("AdditionalInferenceSpecifications") or ()),
            *(parameters.get("AdditionalInferenceSpecificationsToAdd") or ()),
        ]
        return {
            **version,
            **{name: parameters[name] for name in replaced if name in parameters},
            "CustomerMetadataProperties": {key: text for key, text in properties.items() if key not in removed},
            **({"AdditionalInferenceSpecifications": specifications} if specifications else {}),
            "LastModifiedTime": self._clock.now().isoformat(),
            "LastModifiedBy": {},
        }

    def _created_with(self, parameters: Document) -> str | None:
        """The version that the same request made before; None where its token is new."""
        token = parameters.get("ClientToken")
        before = next((version for version in self._all() if token and version.get("ClientToken") == token), None)
        if before is None:
            return None
        said = {name: value for name, value in parameters.items() if name != "ModelPackageGroupName"}  # or its ARN
        if any(before.get(name) != value for name, value in said.items()):
            raise ConflictException(f"The ClientToken {token} was used for another request.")
        arn: str = before["ModelPackageArn"]
        return arn

    def _numbered(self, group_name: str, parameters: Document) -> Record:
        """What makes a package the next version of its group."""
        group = self._group(group_name)
        number, name = group[LAST_VERSION] + 1, group["ModelPackageGroupName"]
        self._groups.put(name, {**group, LAST_VERSION: number})
        return {
            "ModelPackageGroupName": name,
            "ModelPackageVersion": number,
            "ModelPackageArn": f"{self._prefix}:model-package/{name}/{number}",
            "ModelApprovalStatus": parameters.get("ModelApprovalStatus") or PENDING,
        }

    def _named(self, name: str, _parameters: Document) -> Record:
        arn = self._version_arn(name)
        if self._versions.get(arn) is not None:
            raise invalid(f"Model Package already exists: {arn}")
        return {"ModelPackageName": name, "ModelPackageArn": arn}

    def _group(self, name: str) -> Record:
        group = self._groups.get(name.rpartition("/")[2])
        if group is None:
            arn = name if name.startswith("arn:") else f"{self._prefix}:model-package-group/{name}"
            raise invalid(f"ModelPackageGroup {arn} does not exist.")
        return group

    def _version(self, name: str) -> Record:
        arn = self._version_arn(name)
        version = self._versions.get(arn)
        if version is None:
            raise invalid(f"ModelPackage {arn} does not exist.")
        return version

    def _version_arn(self, name: str) -> str:
        return name if name.startswith("arn:") else f"{self._prefix}:model-package/{name}"

    def _all(self) -> Iterator[Record]:
        return (version for _arn, version in self._versions.items())
