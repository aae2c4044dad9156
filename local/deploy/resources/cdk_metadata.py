"""AWS::CDK::Metadata: what CDK tells AWS about its own use; nothing is made of it."""

from __future__ import annotations

from local.deploy.documents import Properties, words
from local.deploy.handlers import AwsResource, Resource


class Metadata(AwsResource):
    """A resource that is nothing but its entry in the template, on AWS as here."""

    resource_type = "AWS::CDK::Metadata"
    service = "cloudformation"
    implemented = words("Analytics")

    def create(self, properties: Properties) -> Resource:
        return Resource(self.identity.name())

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Nothing to do."""

    def create_only(self) -> frozenset[tuple[str, ...]]:
        return frozenset()
