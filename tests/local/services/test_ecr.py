"""ECR over moto: an image is there where its build context is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.services.ecr import EcrApi
from local.services.ecr_images import Images
from model_packages.errors import OperatorError

REPOSITORY = "cdk-hnb659fds-container-assets-123456789012-us-east-1"
TAG = "0a1b2c"


def write_assembly(folder: Path, *, tag: str = TAG, package: str = "digits") -> None:
    """A cdk.out with one image asset."""
    context = folder / f"asset.{tag}"
    context.mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\n")
    asset = {
        "source": {"directory": context.name, "dockerBuildArgs": {"PACKAGE": package}},
        "destinations": {
            "here": {
                "repositoryName": "cdk-hnb659fds-container-assets-${AWS::AccountId}-${AWS::Region}",
                "imageTag": tag,
            }
        },
    }
    (folder / "stack.assets.json").write_text(json.dumps({"dockerImages": {tag: asset}}))


@dataclass
class Registry:
    """ECR with one repository, and the requests that have reached moto."""

    images: Images
    client: Any
    reached: list[ApiRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client.create_repository(repositoryName=REPOSITORY)
        self.handlers = EcrApi(self.images, lambda _service: self.client, self._backend).handlers()

    async def _backend(self, request: ApiRequest) -> ApiResponse:
        self.reached.append(request)
        return ApiResponse(200, {}, b"{}")

    def call(self, operation: str, *, repository: str = REPOSITORY, tag: str = TAG) -> ApiResponse | ApiRefusal:
        call = ApiCall("ecr", operation)
        body = json.dumps({"repositoryName": repository, "imageIds": [{"imageTag": tag}]}).encode()

        async def answered() -> ApiResponse | ApiRefusal:
            return await self.handlers[call](call, ApiRequest("POST", "/", {}, body))

        return asyncio.run(answered())

    def tags(self) -> list[str]:
        return [image["imageTag"] for image in self.client.list_images(repositoryName=REPOSITORY)["imageIds"]]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
        yield Registry(Images(tmp_path / "images", assembly=tmp_path / "cdk.out"), client)


def test_an_image_of_the_assembly_is_there_when_it_is_asked_for(registry: Registry, tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out")

    registry.call("DescribeImages")

    (image,) = registry.client.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": TAG}])["imageDetails"]
    assert image["imageDigest"].startswith("sha256:")
    assert len(registry.reached) == 1


def test_an_image_whose_context_is_nowhere_is_not_there(registry: Registry) -> None:
    registry.call("DescribeImages")

    with pytest.raises(ClientError, match="ImageNotFoundException"):
        registry.client.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": TAG}])


def test_a_repository_that_is_not_there_is_for_moto_to_refuse(registry: Registry, tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out")

    registry.call("DescribeImages", repository="other")

    assert len(registry.reached) == 1
    assert registry.tags() == []


def test_a_deleted_image_is_kept_no_longer(registry: Registry, tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out")
    registry.call("DescribeImages")

    registry.call("BatchDeleteImage")

    assert not (tmp_path / "images" / TAG).exists()


def test_a_kept_image_outlives_the_assembly_it_came_from(tmp_path: Path) -> None:
    write_assembly(tmp_path / "cdk.out")
    Images(tmp_path / "images", assembly=tmp_path / "cdk.out").find(TAG)

    later = Images(tmp_path / "images", assembly=tmp_path / "nothing")

    folder = later.folder(f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}:{TAG}")
    assert (folder.path / "Dockerfile").read_text() == "FROM scratch\n"
    assert folder.environment == {"FLYBALL_PACKAGE": "digits"}


def test_the_digest_is_that_of_content_and_build_arguments(tmp_path: Path) -> None:
    def digest(name: str, **asset: str) -> str:
        write_assembly(tmp_path / name, **asset)
        image = Images(tmp_path / f"{name}-images", assembly=tmp_path / name).find(asset["tag"])
        assert image is not None
        return image.digest

    assert digest("one", tag="a", package="p") == digest("two", tag="b", package="p")
    assert digest("three", tag="a", package="p") != digest("four", tag="a", package="q")


def test_an_image_that_is_nowhere_is_named_with_what_to_do(tmp_path: Path) -> None:
    images = Images(tmp_path / "images", assembly=tmp_path / "cdk.out")

    with pytest.raises(OperatorError, match=r"repository:none is neither .* deploy it with `cdk deploy`"):
        images.folder("repository:none")
