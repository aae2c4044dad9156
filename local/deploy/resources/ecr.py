"""AWS::ECR::Repository, which the bootstrap template has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, compact, words
from local.deploy.handlers import AwsResource, Resource, unless_gone
from local.deploy.tags import change_tags, tag_list, tag_map


class Repository(AwsResource):
    """A repository of images."""

    resource_type = "AWS::ECR::Repository"
    service = "ecr"
    implemented = words("RepositoryName EmptyOnDelete ImageTagMutability Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "EncryptionConfiguration": "stored and reported; an image is a folder of this machine, unencrypted",
        "ImageScanningConfiguration": "stored and reported; nothing is scanned",
        "LifecyclePolicy": "stored and reported; no image expires",
        "RepositoryPolicyText": "stored and reported; images have no layers to pull",
    }
    attributes = words("Arn RepositoryUri")
    name_properties = ("RepositoryName",)

    def create(self, properties: Properties) -> Resource:
        name = properties.get("RepositoryName") or self.identity.name(limit=256, lower_case=True)
        passed = ("EncryptionConfiguration", "ImageScanningConfiguration", "ImageTagMutability")
        answer = self.call(
            "create_repository",
            {
                "RepositoryName": name,
                "Tags": tag_list(tag_map(properties)),
                **{key: properties.get(key) for key in passed},
            },
        )["repository"]
        with self.created(name):
            self._set_policies(name, {}, properties)
        return Resource(name, {"Arn": answer["repositoryArn"], "RepositoryUri": answer["repositoryUri"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        where = {"RepositoryName": physical_id}
        mutability = {"ImageTagMutability": new.get("ImageTagMutability", "MUTABLE")}
        scanning = {"ImageScanningConfiguration": new.get("ImageScanningConfiguration", {"ScanOnPush": False})}
        self.call("put_image_tag_mutability", {**where, **mutability})
        self.call("put_image_scanning_configuration", {**where, **scanning})
        self._set_policies(physical_id, old, new)
        repository = self.client.describe_repositories(repositoryNames=[physical_id])["repositories"][0]
        arn = repository["repositoryArn"]
        change_tags(
            old,
            new,
            put=lambda tags: self.call("tag_resource", {"ResourceArn": arn, "Tags": tag_list(tags)}),
            remove=lambda keys: self.call("untag_resource", {"ResourceArn": arn, "TagKeys": keys}),
        )
        return Resource(physical_id, {"Arn": arn, "RepositoryUri": repository["repositoryUri"]})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.call("delete_repository", {"RepositoryName": physical_id, "Force": properties.get("EmptyOnDelete", False)})

    def _set_policies(self, name: str, old: Properties, new: Properties) -> None:
        if "RepositoryPolicyText" in new:
            self.client.set_repository_policy(repositoryName=name, policyText=compact(new["RepositoryPolicyText"]))
        elif "RepositoryPolicyText" in old:
            with unless_gone():
                self.client.delete_repository_policy(repositoryName=name)
        if "LifecyclePolicy" in new:
            text = new["LifecyclePolicy"]["LifecyclePolicyText"]
            self.client.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)
        elif "LifecyclePolicy" in old:
            with unless_gone():
                self.client.delete_lifecycle_policy(repositoryName=name)
