"""The SageMaker endpoint of one package: what serves it, what it captures, and how traffic moves to a new version."""

from __future__ import annotations

from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IDependable

from cdk.instances import has_gpu, has_local_disks
from cdk.log_group import EncryptedLogGroup
from cdk.model import Model
from cdk.model_alarms import ModelAlarms
from cdk.names import CAPTURES_PREFIX, VARIANT, PackageNames
from cdk.platform_stack import PlatformStack
from cdk.rollout import deployment_config, properties_of_the_new_config

STARTUP_TIMEOUT_SECONDS = 600


class Endpoint(Construct):
    """`name`, `arn` and `config_name` of the endpoint. Its config is given no name, because any change of it is a
    replacement.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        model: Model,
        alarms: ModelAlarms,
        platform: PlatformStack,
    ) -> None:
        super().__init__(scope, construct_id)
        self.names, self._platform = names, platform
        # SageMaker would make it, unencrypted and kept for ever, with the first line that the container logs.
        log_group = EncryptedLogGroup(
            self, "Logs", key=platform.key, settings=platform.settings, name=names.endpoint_log_group
        )
        config = self._config(model)
        self._endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=names.endpoint,
            endpoint_config_name=config.attr_endpoint_config_name,
            deployment_config=deployment_config(names.package, alarms=alarms.rollback),
            # Otherwise each deploy would set the instances back to the least, in the middle of a busy day.
            retain_all_variant_properties=True,
            exclude_retained_variant_properties=properties_of_the_new_config(names.package),
        )
        self._endpoint.node.add_dependency(log_group)
        self.config_name = config.attr_endpoint_config_name
        self.name = self._endpoint.attr_endpoint_name
        self.arn = self._endpoint.ref

    @property
    def scales(self) -> bool:
        """Whether the number of instances is autoscaling's to choose."""
        settings = self.names.package.config.endpoint
        return settings.maximum_instances > settings.minimum_instances

    def wait_for(self, guard: IDependable) -> None:
        """Makes CloudFormation change the endpoint after `guard`, and not at all where that refuses."""
        self._endpoint.node.add_dependency(guard)

    def _config(self, model: Model) -> sagemaker.CfnEndpointConfig:
        instance_type = self.names.package.config.endpoint.instance_type
        return sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[self._variant(model)],
            data_capture_config=self._data_capture(),
            kms_key_id=None if has_local_disks(instance_type) else self._platform.key.key_arn,
            # On would be SageMaker's default; the container answers /metrics for it, so it is asked for by name.
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(enable_detailed_observability=True),
        )

    def _variant(self, model: Model) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        settings = self.names.package.config.endpoint
        gpu = has_gpu(settings.instance_type)
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=VARIANT,
            model_name=model.name,
            instance_type=settings.instance_type,
            initial_instance_count=settings.minimum_instances,
            initial_variant_weight=1,
            inference_ami_version=model.image.inference_ami_version if gpu else None,
            container_startup_health_check_timeout_in_seconds=STARTUP_TIMEOUT_SECONDS,
            routing_config=sagemaker.CfnEndpointConfig.RoutingConfigProperty(
                routing_strategy="LEAST_OUTSTANDING_REQUESTS"
            ),
        )

    def _data_capture(self) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
        capture = self.names.package.config.capture
        properties = sagemaker.CfnEndpointConfig
        return properties.DataCaptureConfigProperty(
            enable_capture=capture.percent > 0 and capture.by == "endpoint",
            initial_sampling_percentage=capture.percent,
            destination_s3_uri=f"s3://{self._platform.buckets.captures.bucket_name}/{CAPTURES_PREFIX}",
            kms_key_id=self._platform.key.key_arn,
            capture_options=[properties.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
            capture_content_type_header=properties.CaptureContentTypeHeaderProperty(
                json_content_types=["application/json"]
            ),
        )
