"""What all models of an installation share: the key, the buckets, the one API, and the champion pointers."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.alarm_topic import AlarmTopic
from cdk.api import Api
from cdk.buckets import Buckets
from cdk.catalogue import Catalogue
from cdk.champion_pointers import ChampionPointers
from cdk.encryption import EncryptionKey
from cdk.network import Network
from cdk.settings import Environment
from cdk.sources import Sources
from cdk.throttling_alarm import ThrottlingAlarm


class PlatformStack(Stack):
    """Deployed first. It knows the packages' names and schemas, and refers to nothing of their stacks."""

    def __init__(self, scope: Construct, *, sources: Sources, settings: Environment) -> None:
        super().__init__(
            scope,
            f"{settings.prefix}-platform",
            description="Flyball: what all models share",
            env=settings.place,
            termination_protection=settings.termination_protection,
            tags={"application": settings.prefix, "environment": settings.name},
        )
        self.settings, self.sources = settings, sources
        self.key = EncryptionKey(self, "Key", settings=settings)
        self.buckets = Buckets(self, "Buckets", key=self.key, packages=sources.packages, settings=settings)
        self.alarm_topic = AlarmTopic(self, "AlarmTopic", key=self.key, settings=settings)
        self.network = Network(self, "Network", key=self.key, settings=settings)
        ChampionPointers(
            self, "ChampionPointers", sources=sources, key=self.key, network=self.network, settings=settings
        )
        catalogue = Catalogue(self, "Catalogue", sources=sources, key=self.key, network=self.network, settings=settings)
        self.api = Api(self, "Api", catalogue=catalogue, key=self.key, settings=settings)
        for package in sources.packages:
            self.api.add_model(package)
        ThrottlingAlarm(self, "Throttling", api=self.api, topic=self.alarm_topic, settings=settings)
        self._export_to_models()
        self._output()

    def _export_to_models(self) -> None:
        """Exports what model stacks import, whether or not there is one now.

        CDK exports a value only while a stack imports it, and CloudFormation refuses to drop an export that is still
        imported: the last package could then never be removed.
        """
        for value in (
            self.key.key_arn,
            self.buckets.artifacts.bucket_arn,
            self.buckets.artifacts.bucket_name,
            self.buckets.captures.bucket_arn,
            self.buckets.captures.bucket_name,
            self.alarm_topic.topic_arn,
            self.api.rest_api.rest_api_id,
            *self.network.made_for_models,
        ):
            self.export_value(value)

    def _output(self) -> None:
        outputs = {
            "ApiUrl": self.api.url,
            "ArtifactsBucket": self.buckets.artifacts.bucket_name,
            "CapturesBucket": self.buckets.captures.bucket_name,
            "AlarmTopicArn": self.alarm_topic.topic_arn,
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
