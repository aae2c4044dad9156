"""Amazon ECR: repositories as moto has them, and in them the images whose build contexts the cloud has.

`cdk deploy` asks whether an image's tag is there and builds nothing if it is, so no Docker is needed. Nothing can be
pushed or pulled: there are no layers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.cloud_port import Backend, Handler
from local.deploy.handlers import Clients
from local.services.ecr_images import Images, KeptImage

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class EcrApi:
    """Takes in the images that a call asks for before moto answers it."""

    images: Images
    clients: Clients
    backend: Backend

    def handlers(self) -> dict[ApiCall, Handler]:
        """What answers the operations that name images, at the cloud port."""
        return {
            ApiCall("ecr", "DescribeImages"): self._after_arrival,
            ApiCall("ecr", "BatchGetImage"): self._after_arrival,
            ApiCall("ecr", "BatchDeleteImage"): self._delete,
        }

    async def _after_arrival(self, _call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        arguments = json.loads(request.body or b"{}")
        await asyncio.to_thread(self._take_in, arguments.get("repositoryName", ""), _tags(arguments))
        return await self.backend(request)

    async def _delete(self, _call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        answer = await self.backend(request)
        for tag in _tags(json.loads(request.body or b"{}")):
            await asyncio.to_thread(self.images.forget, tag)
        return answer

    def _take_in(self, repository: str, tags: Sequence[str]) -> None:
        present = self._present(repository) if tags else None
        if present is None:
            return
        for tag in tags:
            image = None if tag in present else self.images.find(tag)
            if image is not None:
                self._put(repository, image)

    def _present(self, repository: str) -> set[str] | None:
        """The tags in a repository; None where there is no such repository, which moto then says."""
        try:
            listed = self.clients("ecr").list_images(repositoryName=repository)
        except ClientError as error:
            if error.response["Error"]["Code"] == "RepositoryNotFoundException":
                return None
            raise
        return {image["imageTag"] for image in listed["imageIds"] if "imageTag" in image}

    def _put(self, repository: str, image: KeptImage) -> None:
        part = {"mediaType": MEDIA_TYPE, "size": image.size_bytes, "digest": image.digest}
        manifest = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": part, "layers": [part]}
        self.clients("ecr").put_image(
            repositoryName=repository,
            imageTag=image.tag,
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=MEDIA_TYPE,
            imageDigest=image.digest,
        )


def _tags(arguments: dict[str, list[dict[str, str]]]) -> list[str]:
    return [image["imageTag"] for image in arguments.get("imageIds", []) if "imageTag" in image]
